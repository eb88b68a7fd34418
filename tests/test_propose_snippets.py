"""Recurring code as proposed tools: read, tried in a real sandbox, and only then proposed."""

from dataclasses import replace

import pytest

from strop.mine import Finding
from strop.propose.brief import Brief, Tried
from strop.propose.snippets import MinedSnippets, snippet_item
from strop.sandbox.base import Outcome
from strop.sandbox.fake import FakeSandbox
from strop.sandbox.resolve import best_sandbox
from strop.spec import AgentSpec, Item, Kind, Trust, apply
from strop.tools import code_digest

pytestmark = pytest.mark.anyio

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.fixture(scope="module")
def sandbox():
    best = best_sandbox()
    if not best.levels:
        pytest.skip("no sandbox here")
    yield best
    best.close()


def found(name, *lines, tasks=5, instances=(), needs=None, parameters=TEXT, saving=100.0):
    source = "\n".join(
        [f"def {name}(text):", '    """Does it."""', *(f"    {line}" for line in lines)]
    )
    body = {"kind": "code", "source": source, "function": name, "imports": []}
    tool = {"name": name, "description": "Does it.", "parameters": parameters, "body": body}
    return Finding(
        kind="snippet",
        claim=f"{tasks} tasks wrote {name}",
        runs=tuple(f"r{n}" for n in range(tasks)),
        data={
            "tool": {**tool, **({"needs": needs} if needs else {})},
            "support": {"tasks": tasks, "runs": tasks, "successes": tasks, "failures": 0},
            "instances": [
                {"run": "r0", "task": "t0", "position": 1, "args": {"text": text}, "result": result}
                for text, result in instances
            ],
            "saving": saving,
        },
    )


UPPER = found("upper", "return text.upper()", instances=[("a", "A\n"), ("zoë", "ZOË")])


def brief(*findings, items=(), tried=()):
    async def embed(texts):
        raise AssertionError("not asked for")

    spec = AgentSpec(name="desk", model="scripted", items=items)
    return Brief(spec=spec, findings=findings, tasks={}, embed=embed, tried=tried)


def names(proposal):
    return [change.item.content["name"] for change in proposal.changes]


async def test_code_that_recurs_becomes_a_tool(sandbox):
    asked = brief(UPPER)
    proposal = await MinedSnippets(sandbox=lambda: sandbox)(asked)
    (change,) = proposal.changes
    assert change.item.id == "tool-upper"
    assert change.item.content == UPPER.data["tool"]
    assert change.item.provenance.trust is Trust.EVIDENCE
    assert change.item.provenance.runs == UPPER.runs
    assert not change.item.protected
    assert (proposal.proposer, proposal.findings) == ("mined:snippets", (UPPER.id,))
    assert proposal.summary == "1 tool from code that recurs"
    assert apply(asked.spec, proposal.changes).items == (change.item,)
    # Once it is there it is not proposed again, by name or by what it does.
    assert await MinedSnippets(sandbox=lambda: sandbox)(brief(UPPER, items=(change.item,))) is None
    content = {**change.item.content, "name": "shout"}
    other = Item(id="tool-shout", kind=Kind.TOOL, content=content)
    assert code_digest(other) == code_digest(change.item)
    assert await MinedSnippets(sandbox=lambda: sandbox)(brief(UPPER, items=(other,))) is None


async def test_the_best_supported_three_are_proposed(sandbox):
    many = [
        found(f"f{n}", f"return text + '{n}'", tasks=n, instances=[("a", f"a{n}")])
        for n in range(2, 8)
    ]
    rich = found("rich", "return text * 2", tasks=7, saving=900.0, instances=[("a", "aa")])
    proposal = await MinedSnippets(sandbox=lambda: sandbox)(brief(*many, rich))
    assert names(proposal) == ["rich", "f7", "f6"]
    assert proposal.made == ()


async def test_what_fails_its_checks_is_told_beside_the_proposal(sandbox):
    wrong = found("wrong", "return text.lower()", tasks=9, instances=[("A", "A")])
    opens = found("opens", "import subprocess", "return 1", tasks=8)
    proposal = await MinedSnippets(sandbox=lambda: sandbox)(brief(wrong, opens, UPPER))
    assert names(proposal) == ["upper"]
    first, second = proposal.made
    assert (first.kind, first.runs) == ("tool_check", wrong.runs)
    assert first.claim == (
        'the proposed tool wrong fails its checks: gave a where A was recorded, on {"text": "A"}'
    )
    (failure,) = first.data["failures"]
    assert (failure["args"], failure["expected"], failure["got"]) == ({"text": "A"}, "A", "a")
    assert second.data["problems"] == [
        {"line": 3, "message": "starts or ends processes (subprocess), which no level allows"}
    ]
    assert await MinedSnippets(sandbox=lambda: sandbox)(brief(wrong, opens)) is None


async def test_what_needs_more_is_proposed_without_being_run():
    fake = FakeSandbox({})
    writes = found(
        "writes", "open('a', 'w').write(text)", "return 1", needs={"level": "restricted"}
    )
    proposal = await MinedSnippets(sandbox=lambda: fake)(brief(writes))
    assert names(proposal) == ["writes"]
    assert fake.calls == []
    assert proposal.summary == (
        "1 tool from code that recurs; 1 not tried, for needing more than a sandbox allows"
    )
    # What the miner did not see, its code says.
    hidden = found("hidden", "open('a', 'w').write(text)", "return 1")
    proposal = await MinedSnippets(sandbox=lambda: fake)(brief(hidden))
    assert proposal.changes[0].item.content["needs"]["level"] == "restricted"
    assert fake.calls == []


async def test_what_was_refused_is_not_proposed_again():
    fake = FakeSandbox(lambda program, args: Outcome(value=args["text"].upper()))
    refused = Tried(
        proposer="mined:snippets",
        summary="",
        texts=(),
        decision="reject",
        message="",
        added=("tool-upper",),
    )
    propose = MinedSnippets(sandbox=lambda: fake)
    assert await propose(brief(UPPER, tried=(refused,))) is None
    outdated = replace(refused, decision="outdated")
    assert await propose(brief(UPPER, tried=(outdated,))) is not None


async def test_names_that_are_taken_or_odd_are_passed_over():
    fake = FakeSandbox(lambda program, args: Outcome(value="A"))
    propose = MinedSnippets(sandbox=lambda: fake)
    native = Item(
        id="tool-other",
        kind=Kind.TOOL,
        content={
            "name": "upper",
            "description": "",
            "parameters": TEXT,
            "body": {"kind": "native", "target": "a:b"},
        },
    )
    assert await propose(brief(UPPER, items=(native,))) is None
    built_in = found("sorted", "return 'A'", instances=[("a", "A")])
    assert await propose(brief(built_in)) is None
    assert fake.calls == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tool": None},
        {"tool": {"name": "x"}},
        {"tool": {"name": "x", "description": "", "parameters": [], "body": {}}},
        {"tool": {"name": "x", "description": "", "parameters": {}, "body": {}}, "instances": "?"},
        {
            "tool": {"name": "x", "description": "", "parameters": {"type": "array"}, "body": {}},
            "support": {"tasks": "many"},
        },
        {
            "tool": {
                "name": "x",
                "description": "",
                "parameters": {},
                "body": {"kind": "code", "source": "def x(): ...", "function": "x"},
                "needs": {"level": ["full"]},
            },
        },
        {
            "tool": {
                "name": "x",
                "description": "",
                "parameters": {},
                "body": {"kind": "code", "source": "def", "function": "x"},
            },
            "instances": [None, {"args": "a"}, {"args": {"text": 5}}],
        },
    ],
)
async def test_a_damaged_finding_proposes_nothing(data):
    odd = Finding(kind="snippet", claim="odd", runs=("r1",), data=data)
    other = Finding(kind="chain", claim="other", runs=("r1",), data=UPPER.data)
    assert await MinedSnippets(sandbox=lambda: FakeSandbox({}))(brief(odd, other)) is None


def test_an_item_of_a_finding():
    assert snippet_item(UPPER).id == "tool-upper"
    assert snippet_item(Finding(kind="snippet", claim="", runs=("r",))) is None
