"""The tool lever, chains: what is put into a spec, and demonstrations that show it."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.chain import Chain, ChainStep, run_chain
from strop.mine import Finding, mine_chains
from strop.propose import MinedChains
from strop.propose.brief import Brief, Tried
from strop.propose.chains import chain_item, fits
from strop.propose.composites import rewritten, steps_of
from strop.propose.proposal import Aim
from strop.run import Run, Score, ScoredRun, ToolCall
from strop.spec import Add, AgentSpec, Item, Kind, Provenance, Revise, Trust, apply
from strop.task import Split, Task


def tool(name, *params, extra=None, required=None):
    schema = {
        "type": "object",
        "properties": {p: {"type": "string"} for p in params},
        "required": list(params if required is None else required),
    }
    return Item(
        id=f"native-{name}",
        kind=Kind.TOOL,
        content={
            "name": name,
            "description": name,
            "parameters": schema | (extra or {}),
            "body": {"kind": "native", "target": f"desk:{name}"},
        },
    )


TOOLS = (tool("get_user", "user_id"), tool("get_booking", "booking_id"), tool("note", "text"))
CHAIN = Chain(
    steps=(
        ChainStep(tool="get_user", args={"user_id": {"param": "user_id"}}),
        ChainStep(
            tool="get_booking",
            args={"booking_id": {"item": []}},
            each={"step": 0, "path": ["bookings"]},
        ),
    ),
    returns="all",
)


def user(n):
    bookings = [f"B{n:02}X{i}" for i in range(3)]
    return step("get_user", {"user_id": f"user-{n:02}"}, {"bookings": bookings, "age": n})


def step(name, args, result):
    return {"tool": name, "args": args, "result": result}


def booking(n, i):
    return step("get_booking", {"booking_id": f"B{n:02}X{i}"}, {"seat": f"{n}{i}"})


def composite(n, *seats):
    results = {"get_user": user(n)["result"], "get_booking": list(seats)}
    return step("both", {"user_id": f"user-{n:02}"}, results)


def seat(n, i):
    return {"seat": f"{n}{i}"}


NOTE = step("note", {"text": "hello"}, "ok")
LOOK = step("find_rule", {"text": "hello"}, "ok")
UNKNOWN = "..."


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([NOTE, user(1)], None, id="not at all"),
        pytest.param([booking(1, 0), booking(1, 1)], None, id="its end without its beginning"),
        pytest.param([user(1), booking(2, 0)], None, id="with values from elsewhere"),
        pytest.param(
            [NOTE, user(1), booking(1, 0), booking(1, 1), booking(1, 2), NOTE],
            [NOTE, composite(1, seat(1, 0), seat(1, 1), seat(1, 2)), NOTE],
            id="once",
        ),
        pytest.param(
            [user(1), booking(1, 2), booking(1, 0)],
            [composite(1, seat(1, 0), UNKNOWN, seat(1, 2))],
            id="in part and in another order",
        ),
        pytest.param(
            [user(1), booking(1, 0), user(2), booking(2, 1)],
            [
                composite(1, seat(1, 0), UNKNOWN, UNKNOWN),
                composite(2, UNKNOWN, seat(2, 1), UNKNOWN),
            ],
            id="twice",
        ),
        pytest.param(
            [user(1), user(2), booking(1, 0), LOOK, booking(2, 1)],
            [
                composite(1, seat(1, 0), UNKNOWN, UNKNOWN),
                composite(2, UNKNOWN, seat(2, 1), UNKNOWN),
                LOOK,
            ],
            id="interleaved",
        ),
        pytest.param(
            [user(1), booking(1, 0), NOTE, booking(1, 1)],
            [composite(1, seat(1, 0), UNKNOWN, UNKNOWN), NOTE, booking(1, 1)],
            id="until something is changed",
        ),
        pytest.param([user(1), NOTE, booking(1, 1)], None, id="only after something is changed"),
        pytest.param(
            [step("get_user", None, None), step("get_user", {"user_id": 1}, "gone"), {}],
            None,
            id="odd steps",
        ),
    ],
)
def test_demonstrations_are_rewritten(steps, expected):
    before = repr(steps)
    assert rewritten(steps, CHAIN, "both") == expected
    assert repr(steps) == before


def test_arguments_are_read_off_objects_lists_and_texts():
    chain = Chain(
        steps=(
            ChainStep(tool="get_a", args={"q": {"param": "q"}, "n": {"param": "n"}}),
            ChainStep(
                tool="get_b",
                args={
                    "t": {"text": ["#", {"step": 0, "path": ["id"]}]},
                    "o": {"object": {"k": {"list": [{"param": "more"}, {"const": 1}]}}},
                    "q": {"param": "q", "path": ["in"]},
                },
            ),
        )
    )
    first = step("get_a", {"q": {"in": "x"}}, '{"id": 7}')
    second = step("get_b", {"t": "#7", "o": {"k": ["y", 1]}, "q": "x"}, "fine")
    assert rewritten([first, second], chain, "both") == [
        step("both", {"q": {"in": "x"}, "more": "y"}, "fine")
    ]
    for wrong in ({"t": "#8"}, {"o": {"k": ["y", 2]}}, {"o": {"k": ["y"]}}, {"extra": 1}):
        changed = step("get_b", {**second["args"], **wrong}, "fine")
        assert rewritten([first, changed], chain, "both") is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=10))
def test_a_rewritten_demonstration_says_what_the_chain_does(calls):
    steps = [user(n) if i == 3 else booking(n, i) for n, i in calls]
    new = rewritten(steps, CHAIN, "both")
    world = {repr((s["tool"], s["args"])): s["result"] for n in range(3) for s in all_of(n)}

    async def call(name, args):
        return world[repr((name, args))]

    asked = []
    for shown in new or ():
        if shown["tool"] != "both":
            asked.append(shown)
            continue
        done = anyio.run(run_chain, CHAIN, shown["args"], call)
        of_user, bookings = done.results
        assert shown["result"]["get_user"] == of_user
        for there, told in zip(bookings, shown["result"]["get_booking"], strict=True):
            assert told in (there, UNKNOWN)
        n = int(shown["args"]["user_id"][-2:])
        told = enumerate(shown["result"]["get_booking"])
        asked += [user(n), *(booking(n, i) for i, seen in told if seen != UNKNOWN)]
    if new is not None:
        assert sorted(map(repr, asked)) == sorted(map(repr, steps))  # none lost, none made up


def all_of(n):
    return [user(n), *(booking(n, i) for i in range(3))]


def run_of(n, *steps, value=1.0):
    made = Run(
        id=f"run-{n}",
        task=f"t{n}",
        input="look",
        split=Split.TRAIN,
        steps=tuple(ToolCall(tool=s["tool"], args=s["args"], result=s["result"]) for s in steps),
    )
    return ScoredRun(run=made, score=Score(name="s", value=value))


RUNS = tuple(run_of(n, user(n), booking(n, 0), booking(n, 1)) for n in range(6))


async def embed(_):
    raise AssertionError("nothing is to be embedded")


def brief(*items, findings=None, tried=(), runs=RUNS):
    return Brief(
        spec=AgentSpec(name="desk", model="local", items=items),
        findings=mine_chains(RUNS) if findings is None else findings,
        tasks={f"t{n}": Task(id=f"t{n}", input="look") for n in range(6)},
        embed=embed,
        runs=runs,
        tried=tried,
    )


def propose(given_brief, **options):
    return anyio.run(MinedChains(**options), given_brief)


def test_a_chain_becomes_a_tool_on_the_word_of_its_runs():
    proposal = propose(brief(*TOOLS))
    (change,) = proposal.changes
    assert isinstance(change, Add)
    item = change.item
    assert (item.id, item.content["name"]) == (
        "tool-get_user_bookings",
        "get_user_bookings",
    )
    assert item.provenance.trust is Trust.EVIDENCE
    assert item.provenance.by == proposal.proposer == "mined:chains"
    assert item.provenance.runs == tuple(f"run-{n}" for n in range(6))
    assert not item.protected
    assert proposal.aim is Aim.LEANER
    assert proposal.findings == tuple(f.id for f in mine_chains(RUNS))
    apply(brief(*TOOLS).spec, proposal.changes)


def test_it_is_proposed_once():
    first = brief(*TOOLS)
    after = apply(first.spec, propose(first).changes)
    assert propose(brief(*after.items)) is None
    renamed = [
        Item(id="other", kind=i.kind, content={**i.content, "name": "other"})
        if i.id == "tool-get_user_bookings"
        else i
        for i in after.items
    ]
    assert propose(brief(*renamed)) is None  # the same under another name


@pytest.mark.parametrize(
    "tools",
    [
        pytest.param(TOOLS[:1], id="one is missing"),
        pytest.param((TOOLS[0], tool("get_booking", "id")), id="takes other arguments"),
        pytest.param((TOOLS[0], tool("get_booking", "booking_id", "pin")), id="needs more"),
    ],
)
def test_a_chain_that_does_not_fit_the_tools_is_left(tools):
    assert propose(brief(*tools)) is None


def test_constants_must_be_what_the_tool_takes():
    def chain(value):
        return Chain(steps=(ChainStep(tool="a", args={"x": {"const": value}}),))

    def one(schema):
        return {"a": tool("a", "x", extra={"properties": {"x": schema}})}

    assert fits(chain(1), one({"type": "integer"}))
    assert not fits(chain(True), one({"type": "integer"}))
    assert not fits(chain("1"), one({"type": ["integer", "null"]}))
    assert fits(chain("1"), one({"enum": ["1", "2"]}))
    assert not fits(chain("3"), one({"enum": ["1", "2"]}))
    assert fits(chain("3"), {"a": tool("a", extra={"additionalProperties": True})})
    assert not fits(chain("3"), {"a": tool("a")})


def test_what_was_rejected_is_not_proposed_again():
    def tried(decision):
        return Tried(
            proposer="mined:chains",
            summary="",
            texts=(),
            decision=decision,
            message="",
            added=("tool-get_user_bookings",),
        )

    assert propose(brief(*TOOLS, tried=(tried("reject"),))) is None
    assert propose(brief(*TOOLS, tried=(tried("outdated"),))) is not None


def test_a_name_that_is_taken_gets_a_number():
    taken = tool("get_user_bookings", "x")
    (change,) = propose(brief(*TOOLS, taken)).changes
    assert change.item.content["name"] == "get_user_bookings_2"
    assert chain_item(mine_chains(RUNS)[0], set()).content["name"] == "get_user_bookings"


def test_a_few_at_most_and_the_rest_later():
    found = []
    for k in range(5):
        steps = [ChainStep(tool="get_user", args={"user_id": {"const": f"u{k}"}})] * 2
        body = Chain(steps=tuple(steps)).to_json()
        content = {"name": f"c{k}", "description": "d", "parameters": {}, "body": body}
        found.append(Finding(kind="chain", claim=str(k), runs=("r",), data={"tool": content}))
    broken = Finding(kind="chain", claim="x", runs=("r",), data={"tool": {"body": {}}})
    other = Finding(kind="fact", claim="x", runs=("r",))
    findings = (broken, other, *found)
    first = propose(brief(*TOOLS, findings=findings))
    assert [c.item_id for c in first.changes] == ["tool-c0", "tool-c1", "tool-c2"]
    after = apply(brief(*TOOLS).spec, first.changes)
    second = propose(brief(*after.items, findings=findings))
    assert [c.item_id for c in second.changes] == ["tool-c3", "tool-c4"]


def example(steps, *, run="run-1", protected=False, number=0):
    return Item(
        id=f"example-{number}",
        kind=Kind.EXAMPLE,
        content={"input": "look", "output": "done", "task": "t1", "steps": steps},
        provenance=Provenance(by="mined:examples", runs=(run,), trust=Trust.EVIDENCE),
        protected=protected,
    )


def test_examples_show_the_new_tool():
    old = example([user(1), booking(1, 0), booking(1, 1)])
    proposal = propose(brief(*TOOLS, old, example([NOTE], number=1)))
    add, revise = proposal.changes
    assert isinstance(revise, Revise)
    assert revise.item.content == {
        **old.content,
        "steps": [
            {
                "tool": add.item.content["name"],
                "args": {"user_id": "user-01"},
                "result": [seat(1, 0), seat(1, 1), UNKNOWN],
            }
        ],
    }
    assert revise.item.provenance == old.provenance
    apply(brief(*TOOLS, old).spec, proposal.changes)


def test_examples_that_are_protected_are_left_alone():
    kept = example([user(1), booking(1, 0)], protected=True)
    assert [type(c) for c in propose(brief(*TOOLS, kept)).changes] == [Add]


def test_results_that_are_cut_short_are_looked_up_in_the_run():
    cut = [{**user(1), "result": '{"age": 1, "boo...'}, booking(1, 0), booking(1, 1)]
    assert rewritten(cut, CHAIN, "both") is None
    full = steps_of(RUNS[1].run, cut)
    assert full == [user(1)["result"], seat(1, 0), seat(1, 1)]
    (shown,) = rewritten(cut, CHAIN, "both", full=full)
    assert shown["result"] == {
        "get_user": '{"age": 1, "boo...',
        "get_booking": [seat(1, 0), seat(1, 1), UNKNOWN],
    }
    proposal = propose(brief(*TOOLS, example(cut)))
    assert [type(c) for c in proposal.changes] == [Add, Revise]
    assert steps_of(RUNS[2].run, cut) is None  # of another run


def test_a_long_result_is_cut():
    long = [
        user(1),
        *({**booking(1, i), "result": "word " * 100} for i in range(3)),
    ]
    (shown,) = rewritten(long, CHAIN, "both")
    assert len(shown["result"]) == 603
