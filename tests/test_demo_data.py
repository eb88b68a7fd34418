"""The demo's dataset keeps the promises its README makes."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "src/strop/demo/data"
FIELDS = {"id", "input", "expected", "category", "group"}

Message = dict[str, str]


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    return json.loads((DATA / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    lines = (DATA / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def normalised(text: str) -> str:
    """Lower case, without punctuation, single spaces: what counts as the same text."""
    return " ".join(re.sub(r"[^\w\s]|_", "", text.lower()).split())


def spaced(text: str) -> str:
    """Lower-case words between single spaces, so that `seat_change` is also found as "seat change"."""
    words = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(words)} "


def test_every_message_has_exactly_the_documented_fields(messages: list[Message]) -> None:
    for message in messages:
        assert set(message) == FIELDS
        assert all(isinstance(value, str) and value.strip() for value in message.values())
        assert message["category"] == message["expected"]


def test_there_are_twelve_answers_with_short_snake_case_labels(answers: dict[str, str]) -> None:
    assert len(answers) == 12
    for label, answer in answers.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+){0,2}", label)
        assert len(answer.split()) >= 20


def test_answers_and_messages_use_the_same_labels(
    answers: dict[str, str], messages: list[Message]
) -> None:
    assert {message["expected"] for message in messages} == set(answers)


def test_every_label_has_at_least_thirty_messages(messages: list[Message]) -> None:
    counts = Counter(message["expected"] for message in messages)
    assert min(counts.values()) >= 30


def test_every_group_has_one_label_and_two_to_four_messages(messages: list[Message]) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        groups[message["group"]].append(message["expected"])
    for group, labels in groups.items():
        assert len(set(labels)) == 1, group
        assert 2 <= len(labels) <= 4, group


def test_ids_are_unique_and_in_file_order(messages: list[Message]) -> None:
    assert [message["id"] for message in messages] == [
        f"m{n:03d}" for n in range(1, len(messages) + 1)
    ]


def test_no_two_inputs_are_the_same_text(messages: list[Message]) -> None:
    counts = Counter(normalised(message["input"]) for message in messages)
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_input_contains_its_own_label(messages: list[Message]) -> None:
    assert [m["id"] for m in messages if spaced(m["expected"]) in spaced(m["input"])] == []


def test_inputs_are_six_to_forty_five_words_long(messages: list[Message]) -> None:
    assert [m["id"] for m in messages if not 6 <= len(m["input"].split()) <= 45] == []


def test_the_readme_states_the_real_counts(messages: list[Message]) -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    groups = {message["group"] for message in messages}
    per_label = Counter(message["expected"] for message in messages).values()
    assert f"{len(messages)} messages in {len(groups)} groups" in readme
    assert f"{min(per_label)} to {max(per_label)} messages" in readme
