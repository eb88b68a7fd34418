"""`strop tools` and `strop review`, as people and programs drive them."""

import re
import shutil
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from strop.cli.output import counted, plain
from strop.cli.visible import visible_code
from strop.grants import Grants
from strop.mine.finding import Finding
from strop.permission import Level, Permissions
from strop.release import Action, Release, first_break
from strop.sandbox.base import What
from strop.sandbox.resolve import backends
from strop.spec import Item, Kind, Provenance, Trust
from strop.store import open_store
from strop.tools.identity import code_digest
from strop.tools.uses import Use
from test_cli import HELP, masked, process, strop, strops, write_project

MINED = Provenance(by="mined:snippets", runs=("run-00000001",), trust=Trust.EVIDENCE)
ORDERS = '''\
def find_order(number: str) -> str:
    """Look an order up.

    Args:
        number: Its number.
    """
    return "sent"
'''


def code(name, source, *, needs=None, **parameters):
    content = {
        "name": name,
        "description": f"What {name} does.",
        "parameters": {
            "type": "object",
            "properties": {each: {"type": kind} for each, kind in parameters.items()},
            "required": list(parameters),
        },
        "body": {"kind": "code", "source": source, "function": name, "imports": []},
    }
    if needs is not None:
        content["needs"] = needs.to_json()
    return Item(id=f"tool-{name}", kind=Kind.TOOL, content=content, provenance=MINED)


DAYS = code(
    "days_between",
    "from datetime import date\n\n\n"
    "def days_between(first, last):\n"
    "    return (date.fromisoformat(last) - date.fromisoformat(first)).days\n",
    first="string",
    last="string",
)
SAVE = code(
    "save_note",
    "def save_note(text):\n"
    "    with open('note.txt', 'w') as file:\n"
    "        file.write(text)\n"
    "    with open('note.txt') as file:\n"
    "        return file.read()\n",
    needs=Permissions(level=Level.RESTRICTED),
    text="string",
)
RATE = code(
    "exchange_rate",
    "from urllib.request import urlopen\n\n\n"
    "def exchange_rate(currency):\n"
    "    return float(urlopen('https://rates.example.com/' + currency).read())\n",
    needs=Permissions(level=Level.FULL),
    currency="string",
)
TOTAL = code(
    "last_number",
    "def last_number(text):\n    return float(text.split()[-1]) + nothing\n",
    text="string",
)
BOTH = replace(
    DAYS,
    id="tool-order_age",
    content={
        "name": "order_age",
        "description": "How old an order is.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "string"}, "last": {"type": "string"}},
            "required": ["number", "last"],
        },
        "body": {
            "kind": "chain",
            "steps": [
                {"tool": "find_order", "args": {"number": {"param": "number"}}},
                {
                    "tool": "days_between",
                    "args": {"first": {"step": 0, "path": []}, "last": {"param": "last"}},
                },
            ],
            "returns": "last",
        },
    },
)
FINDING = Finding(
    kind="snippet",
    claim="2 tasks run the same code",
    runs=("run-00000001",),
    data={
        "tool": {"name": "days_between", "body": DAYS.content["body"]},
        "instances": [
            {"run": "r", "args": {"first": "2024-01-01", "last": "2024-03-01"}, "result": 60},
            {"run": "r", "args": {"first": "2024-01-01", "last": "2024-01-31"}},
            {"run": "r", "args": None},
        ],
    },
)


def store_of(folder):
    return open_store(str(folder / ".strop" / "strop.db"), agent="sorter", clock=lambda: 1e9)


def use(item, ok=True):
    failed = {} if ok else {"what": What.RAISED, "message": "IndexError: list index out of range"}
    name = str(item.content["name"])
    return Use(tool=name, digest=code_digest(item), ok=ok, at=1e9, **failed)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A project that serves four learned tools, with a record; one more was asked for."""
    folder = write_project(tmp_path_factory.mktemp("tools") / "project")
    (folder / "orders.py").write_text(ORDERS)
    config = (folder / "strop.yaml").read_text()
    (folder / "strop.yaml").write_text(config + "tools: [orders:find_order]\n")
    strop("run", "garden-0", at=folder)
    with store_of(folder) as store:
        now = store.released()
        spec = store.spec(now.spec)
        more = replace(spec, items=(*spec.items, DAYS, SAVE, TOTAL, BOTH))
        release = Release(
            spec=more.id,
            previous=spec.id,
            origin=now.origin,
            action=Action.PROMOTE,
            summary="tools",
            by="gate",
        )
        store.append_release(release, more)
        store.put_document("finding", FINDING.id, FINDING.to_json())
        grants = Grants(store)
        for item, ok in [(DAYS, True)] * 12 + [(TOTAL, True), *[(TOTAL, False)] * 3]:
            grants.record(use(item, ok))
        grants.request(RATE, by="reflect:tools", findings=["f00"], summary="1 tool")
    return folder


@pytest.fixture
def project(begun, tmp_path):
    """A copy of it."""
    return shutil.copytree(begun, tmp_path / "project")


def test_the_tools_that_serve_and_why_some_do_not(begun):
    shown, plain = strops([(begun, ["tools", "list"]), (begun, ["tools", "list", "--json"])])
    assert masked(shown.out) == snapshot("""\
5 tools  spec ##########

tool          kind    needs       granted     uses   rate  bound  state
find_order    native  -           -              -      -      -  active
days_between  code    sandbox     restricted    12  1.000  0.758  active
save_note     code    restricted  sandbox        0      -      -  inert
last_number   code    sandbox     sandbox        4  0.250  0.046  inert
order_age     chain   sandbox     -              0      -      -  active

inert, so the agent serves without them
save_note  it needs level 'restricted' and has 'sandbox'; it waits in `strop
review`
last_number  its breaker is open: 3 failures in a row; it waits in `strop
review`

rate: share of the uses that succeeded; bound: the 95 % lower bound of that.
Native tools are yours; a chain has no code and no grant of its own.
3 waiting for a person: `strop review`\
""")
    value = plain.json
    assert (value["schema"], value["waiting"]) == ("strop.tools/1", 3)
    found = {tool["name"]: tool for tool in value["tools"]}
    assert [(t["kind"], t["state"], t["level"]) for t in found.values()] == [
        ("native", "active", None),
        ("code", "active", "sandbox"),
        ("code", "inert", None),
        ("code", "inert", None),
        ("chain", "active", "sandbox"),
    ]
    days = found["days_between"]
    assert days["granted"]["level"] == "restricted"
    assert (days["record"]["uses"], days["since_step"]["uses"]) == (12, 2)
    assert days["record"]["bound"] == pytest.approx(0.7575, abs=1e-4)


def test_all_about_one(begun):
    value, native, asked, mistake, shown, broken = strops(
        [
            *(
                (begun, ["tools", "show", name, "--json"])
                for name in ("last_number", "find_order", "exchange_rate", "find")
            ),
            *((begun, ["tools", "show", name]) for name in ("days_between", "last_number")),
        ]
    )
    assert masked(shown.out) == snapshot("""\
code tool days_between  tool-days_between

  What days_between does.

  state       active
  needs       level sandbox
  granted     level restricted
  record      12 of 12 uses succeeded: 1.000, the 95 % lower bound is 0.758
  since step  2 of 2 uses succeeded
  by          mined:snippets, evidence
  from runs   run-000000
  takes       first: string; last: string
  digest      ################################################################

  from datetime import date


  def days_between(first, last):
      return (date.fromisoformat(last) - date.fromisoformat(first)).days

  ledger            what       by      to, why
  YYYY-MM-DD HH:MM  promotion  ladder  level restricted; 10 of 10 uses
                                       succeeded, at least 95%; the 95 % lower
                                       bound is 0.72\
""")
    assert masked(broken.out) == snapshot("""\
code tool last_number  tool-last_number

  What last_number does.

  state       inert: its breaker is open: 3 failures in a row; it waits in
              `strop review`
  needs       level sandbox
  granted     level sandbox
  record      1 of 4 uses succeeded: 0.250, the 95 % lower bound is 0.046;
              failures: raised 3
  since step  no uses
  by          mined:snippets, evidence
  from runs   run-000000
  takes       text: string
  digest      ################################################################

  def last_number(text):
      return float(text.split()[-1]) + nothing

  failed            kind    why
  YYYY-MM-DD HH:MM  raised  IndexError: list index out of range
  YYYY-MM-DD HH:MM  raised  IndexError: list index out of range
  YYYY-MM-DD HH:MM  raised  IndexError: list index out of range

  ledger            what     by      to, why
  YYYY-MM-DD HH:MM  breaker  ladder  level sandbox; 3 failures in a row\
""")
    assert value.json["schema"] == "strop.tool/1"
    assert [each["kind"] for each in value.json["history"]] == ["breaker"]
    assert [each["what"] for each in value.json["failures"]] == ["raised"] * 3
    assert "def last_number(text)" in value.json["code"]
    assert (native.json["kind"], native.json["digest"]) == ("native", None)
    assert asked.json["state"] == "asked for"
    assert mistake.code == 2
    assert "`strop tools list` shows those that serve" in mistake.line


def test_what_waits(begun):
    shown, plain = strops([(begun, ["review"]), (begun, ["review", "--json"])])
    assert masked(shown.out) == snapshot("""\
3 wait for a person

save_note  code tool, serves, ##########
  What save_note does.

  waits      it needs more than it is granted
  needs      level restricted
  granted    level sandbox
  record     no uses
  by         mined:snippets, evidence
  from runs  1
  approve    strop review approve save_note@620b50a4 --by WHO
  deny       strop review deny save_note@620b50a4 --by WHO

  # needs level 'restricted'
  def save_note(text):
      with open('note.txt', 'w') as file:
          file.write(text)
      with open('note.txt') as file:
          return file.read()

last_number  code tool, serves, ##########
  What last_number does.

  waits       its breaker is open: 3 failures in a row
  needs       level sandbox
  granted     level sandbox
  record      1 of 4 uses succeeded: 0.250, the 95 % lower bound is 0.046;
              failures: raised 3
  since step  no uses
  by          mined:snippets, evidence
  from runs   1
  approve     strop review approve last_number@f871a25a --by WHO
  deny        strop review deny last_number@f871a25a --by WHO

  def last_number(text):
      return float(text.split()[-1]) + nothing

exchange_rate  code tool, proposed, ##########
  What exchange_rate does.

  waits      it needs more than it is granted
  needs      level full; hosts any
  granted    level sandbox
  record     no uses
  by         mined:snippets, evidence; asked for on YYYY-MM-DD HH:MM
  findings   f00
  proposal   1 tool
  from runs  1
  approve    strop review approve exchange_rate@18df8256 --by WHO
  deny       strop review deny exchange_rate@18df8256 --by WHO

  # needs level 'full'
  from urllib.request import urlopen


  def exchange_rate(currency):
      return float(urlopen('https://rates.example.com/' + currency).read())

approving grants a tool what it needs; a proposed one still has to pass the gate\
""")
    value = plain.json
    assert value["schema"] == "strop.review/1"
    assert [(each["name"], each["why"], each["serves"]) for each in value["waiting"]] == [
        ("save_note", "grant", True),
        ("last_number", "breaker", True),
        ("exchange_rate", "grant", False),
    ]
    asked = value["waiting"][2]
    assert (asked["by"], asked["findings"], asked["summary"]) == (
        "reflect:tools",
        ["f00"],
        "1 tool",
    )
    assert asked["item"] == RATE.to_json()


def test_nothing_is_hidden_from_who_is_to_approve(project):
    source = (
        "def sly(x):\n    d\u0430ta = 'caf\u00e9\ufe00\u2800'\n"
        "    return x  # \u202e\u2066 == x nruter\x1b[2J\u200b\n"
    )
    needs = Permissions(level=Level.RESTRICTED, read=("/tmp/data",))
    item = code("sly", source, needs=needs, x="string")
    item = replace(item, content={**item.content, "description": "Safe.\n\n  granted    all"})
    with store_of(project) as store:
        Grants(store).request(
            item, by="reflect:tools", findings=["f\x1b[1m"], summary="more\u202e\nneeds  nothing"
        )
    review, shown, refused = strops(
        [
            (project, ["review"]),
            (project, ["tools", "show", "sly"]),
            (project, ["tools", "test", "sly", "--as-granted"]),
        ]
    )
    for told in (review.out, shown.out):
        assert "Safe.\\n\\n  granted    all" in told
        assert "d\\u0430ta = 'caf\u00e9\\ufe00\\u2800'" in told
        assert "return x  # \\u202e\\u2066 == x nruter\\x1b[2J\\u200b" in told
        assert "reads /tmp/data" in told
    assert "proposal   more\\u202e\\nneeds  nothing" in review.out
    assert "findings   f\\x1b[1m" in review.out
    hidden = {"\u202e", "\u2066", "\x1b", "\u200b", "\ufe00", "\u2800"}
    assert not hidden & {*review.out, *shown.out, *refused.err}


@given(
    st.text(alphabet=st.sampled_from("ax1=#'\"\\\n\r\t fF{}\u00e9\u0430\u202e\ufe00\u2800\ud800"))
)
def test_code_shows_every_character(source):
    shown = visible_code(source)
    assert not {*"\r\u202e\ufe00\u2800\ud800"} & set(shown)
    assert shown.count("\n") == len(re.findall("\r\n?|\n", source))
    ascii_only = "".join(c for c in source if c.isascii())
    assert visible_code(ascii_only) == re.sub("\r\n?", "\n", ascii_only)


def test_letters_of_other_alphabets_stay_in_plain_strings_and_comments_only():
    source = "d\u0430ta = 'd\u0430ta'  # d\u0430ta\nf'{d\u0430ta}'\n"
    assert visible_code(source) == ("d\\u0430ta = 'd\u0430ta'  # d\u0430ta\nf'{d\\u0430ta}'\n")
    assert visible_code(f"({source}") == f"({source}".replace("\u0430", "\\u0430")


def test_one_is_one_and_nothing_turns_the_direction(begun):
    found = strop("mine", "failures", at=begun).out
    assert found.startswith("0 failures  in 1 run of 1 task\n")
    assert [counted(n, "entry", "entries") for n in (0, 1, 2)] == [
        "0 entries",
        "1 entry",
        "2 entries",
    ]
    assert plain("\u202eab\u2066\x1b\u2028 \u05d0\n") == "\\u202eab\\u2066\\x1b\\u2028 \u05d0\n"


def test_what_is_approved_is_the_code_that_was_read(project):
    told = strop("review", at=project).out
    digest = code_digest(SAVE)
    command = next(
        line.split()[1:] for line in told.splitlines()
        if "review approve" in line and digest[:8] in line
    )  # fmt: skip
    assert command[:3] == ["strop", "review", "approve"]
    done = strop(*command[1:-1], "ana", "--json", at=project).json
    assert (done["decision"], done["digest"]) == ("approval", digest)


def test_what_the_configuration_says_now(project):
    config = (project / "strop.yaml").read_text()
    (project / "strop.yaml").write_text(config.replace("orders:find_order", "orders:gone_by_then"))
    shown, plain, one = strops(
        [
            (project, ["tools", "list"]),
            (project, ["tools", "list", "--json"]),
            (project, ["tools", "show", "find_order"]),
        ]
    )
    value = plain.json
    assert (value["removed"], value["added"]) == (["find_order"], ["orders:gone_by_then"])
    reasons = {tool["name"]: tool["reason"] for tool in value["tools"]}
    assert reasons["find_order"] == "it is no longer in the configuration"
    assert "find_order" in reasons["order_age"]
    assert reasons["days_between"] is None
    assert "the next run adds orders:gone_by_then" in shown.out
    assert "inert: it is no longer in the configuration" in one.out


def test_a_long_reason_is_told_where_there_is_room(project):
    hosts = tuple(f"host-{i}.example.com:443" for i in range(12))
    needs = Permissions(level=Level.FULL, hosts=hosts)
    item = code("rates", "def rates(x):\n    return x\n", needs=needs, x="string")
    with store_of(project) as store:
        now = store.released()
        spec = store.spec(now.spec)
        more = replace(spec, items=(*spec.items, item))
        release = replace(now, spec=more.id, previous=spec.id, summary="one more")
        store.append_release(release, more)
    up = ["tools", "promote", "rates", "--by", "ana"]
    down = ["tools", "demote", "rates", "--to", "sandbox", "--by", "ana"]
    *_, listed, one = strops(
        [
            *((project, each) for each in (up, down)),
            (project, ["tools", "list"]),
            (project, ["tools", "show", "rates"]),
        ]
    )
    told = " ".join(listed.out.split())
    assert "rates it needs more; see `strop tools show rates`" in told
    assert "host-11" not in listed.out
    assert "host-11.example.com:443" in one.out


def test_people_decide_and_the_ledger_has_it(project):
    done = strops(
        [
            (project, command.split())
            for command in (
                "review approve save_note --by ana --reason safe",
                "review approve save_note --by ben",
                "review deny save_note --by ben",
                "review approve exchange_rate --by ana --host rates.example.com:443",
                "review approve last_number --by ana",
                "tools promote last_number --by ana",
                "tools promote last_number --by ana --to restricted",
                "tools demote last_number --by ana --reason broken",
                "review",
                "tools list",
            )
        ]
    )
    assert [each.code for each in done] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    assert masked("".join(each.out + each.err for each in done)) == snapshot("""\
● save_note approved  ##########
  granted: level restricted
  it serves with that from now on
● save_note approved already, by ana on YYYY-MM-DD HH:MM  ##########
  granted: level restricted
  it serves with that from now on
strop: ana approved 'save_note' (safe) already; `strop tools demote save_note --by NAME` takes it back
● exchange_rate approved  ##########
  granted: level full; hosts rates.example.com:443
  it has passed no gate yet: the next `strop improve` tries it
● last_number approved  ##########
  granted: level sandbox
  its breaker is closed (3 failures in a row)
  it serves with that from now on
● last_number promoted  ##########
  granted: level restricted
  it may do all that it needs
● last_number promoted already, by ana on YYYY-MM-DD HH:MM  ##########
  granted: level restricted
  it may do all that it needs
● last_number demoted  ##########
  granted: level sandbox
  it may do all that it needs
nothing waits for a person
5 tools  spec ##########

tool          kind    needs       granted     uses   rate  bound  state
find_order    native  -           -              -      -      -  active
days_between  code    sandbox     restricted    12  1.000  0.758  active
save_note     code    restricted  restricted     0      -      -  active
last_number   code    sandbox     sandbox        4  0.250  0.046  active
order_age     chain   sandbox     -              0      -      -  active

rate: share of the uses that succeeded; bound: the 95 % lower bound of that.
Native tools are yours; a chain has no code and no grant of its own.\
""")
    with store_of(project) as store:
        assert first_break(store.ledger()) is None
        said = [
            (entry.kind, entry.body["by"], entry.body["tool"], entry.body["digest"])
            for entry, _ in store.ledger(kinds=["approval", "denial", "promotion", "demotion"])
        ]
        granted = Grants(store).granted(code_digest(RATE))
    assert said == [
        ("promotion", "ladder", "days_between", code_digest(DAYS)),
        ("approval", "person:ana", "save_note", code_digest(SAVE)),
        ("approval", "person:ana", "exchange_rate", code_digest(RATE)),
        ("approval", "person:ana", "last_number", code_digest(TOTAL)),
        ("promotion", "person:ana", "last_number", code_digest(TOTAL)),
        ("demotion", "person:ana", "last_number", code_digest(TOTAL)),
    ]
    assert granted == Permissions(level=Level.FULL, hosts=("rates.example.com:443",))


def test_decisions_for_programs_and_mistakes(project):
    commands = {
        "review deny exchange_rate --by ana --json": None,
        "review deny exchange_rate --by ben --json": None,
        "review approve exchange_rate --by ben --json": "ana denied 'exchange_rate'; `strop tools",
        "review approve save_note --by ana --read /etc --json": "does not ask for --read /etc",
        "review approve save_note --json": "Missing option '--by'",
        "review approve nothing --by ana --json": "no code or chain tool is called 'nothing'",
        "tools promote days_between --by ana --to top --json": "the levels are sandbox, restricted",
        "tools promote order_age --by ana --json": "'order_age' is a chain",
        "tools demote find_order --by ana --json": "no code or chain tool",
    }
    blank = ["review", "deny", "save_note", "--by", " "]
    *done, unnamed = strops([*((project, each.split()) for each in commands), (project, blank)])
    assert (unnamed.code, unnamed.line) == (2, "strop: say who decides: --by NAME")
    for (command, says), result in zip(commands.items(), done, strict=True):
        value = result.json
        if says is None:
            assert (result.code, value["schema"]) == (0, "strop.decision/1"), command
        else:
            assert (result.code, value["schema"]) == (2, "strop.error/1"), command
            assert says in value["error"]["message"]
    first, again = done[0].json, done[1].json
    assert (first["fresh"], again["fresh"], first["seq"] == again["seq"]) == (True, False, True)
    assert (first["by"], first["decision"], first["active"]) == ("person:ana", "denial", False)


def test_a_person_retires_a_tool(project):
    retire = ["tools", "retire", "--by", "ana"]
    done, tools, log, own, asked, none, by_digest = strops(
        [
            (project, [*retire, "days_between", "--reason", "slow"]),
            (project, ["tools", "list", "--json"]),
            (project, ["log", "--json"]),
            *((project, [*retire, each]) for each in ("find_order", "exchange_rate", "nothing")),
            (project, [*retire, code_digest(SAVE)[:9], "--json"]),
        ]
    )
    assert masked(done.out) == snapshot("""\
● ########## serves without it
  days_between: What days_between does.
  inert without it: order_age
  it will not be proposed again; `strop rollback` brings it back\
""")
    assert "days_between" not in {tool["name"] for tool in tools.json["tools"]}
    released = log.json["events"][0]["release"]
    assert (released["action"], released["by"]) == ("retire", "person:ana")
    assert [each.code for each in (own, asked, none)] == [2, 2, 2]
    assert "from the configuration" in own.line
    assert "does not serve" in asked.line
    gone = by_digest.json
    assert (gone["schema"], gone["item"]["id"]) == ("strop.release/1", "tool-save_note")


@pytest.fixture
def sandboxed():
    if not any(Level.RESTRICTED in each.levels for each in backends()):
        pytest.skip("no sandbox that may write works on this machine")


@pytest.mark.usefixtures("sandboxed")
def test_a_tool_is_tried_in_the_sandbox(project):
    good, bad, chain = strops(
        [
            (project, ["tools", "test", "days_between"]),
            (project, ["tools", "test", "last_number", "--generated", "5", "--json"]),
            (project, ["tools", "test", "order_age"]),
        ]
    )
    assert [good.code, bad.code, chain.code] == [0, 1, 2]
    assert "✓ days_between works" in good.out
    assert "1 recorded result given again" in good.out
    assert "2 recorded calls, 20 made up" in good.err
    holder = next(each.name for each in backends() if Level.SANDBOX in each.levels)
    assert f"trying days_between in {holder} with level sandbox" in good.err
    value = bad.json
    assert (value["schema"], value["ok"], value["recorded"]) == ("strop.validation/1", False, 0)
    assert value["permissions"] == Permissions().to_json()
    assert {each["check"] for each in value["failures"]} == {"raised"}
    assert "'order_age' is a chain" in chain.line


@pytest.fixture
def writes(project, tmp_path):
    """A project that serves a tool which leaves a file in a folder of the host at each call."""
    folder = tmp_path / "granted"
    folder.mkdir()
    item = code(
        "save_here",
        "import os\n\n\ndef save_here(text):\n"
        f"    at = os.path.join({str(folder)!r}, str(abs(hash(text))))\n"
        "    with open(at, 'w') as file:\n        file.write(text)\n    return text\n",
        needs=Permissions(level=Level.RESTRICTED, write=(str(folder),)),
        text="string",
    )
    with store_of(project) as store:
        now = store.released()
        spec = store.spec(now.spec)
        more = replace(spec, items=(*spec.items, item))
        store.append_release(replace(now, spec=more.id, previous=spec.id, summary="one"), more)
    return project, folder, item


@pytest.mark.usefixtures("sandboxed")
def test_a_trial_does_not_use_a_grant_unasked(writes):
    project, folder, item = writes
    test = ["tools", "test", "save_here"]
    lowest, early, _, granted, none = strops(
        [
            (project, [*test, "--generated", "5"]),
            (project, [*test, "--as-granted"]),
            (project, ["review", "approve", "save_here", "--by", "ana"]),
            (project, test),
            (project, [*test, "--as-granted", "--json"]),
        ]
    )
    assert [each.code for each in (lowest, early, granted, none)] == [3, 2, 3, 3]
    assert "more than a trial gives" in " ".join(lowest.out.split())
    assert "its code parses and fits its parameters" in lowest.out
    assert "is not granted that" in early.line
    assert (none.json["ran"], none.json["ok"], none.json["tried"]) == (False, None, 0)
    assert not list(folder.iterdir())

    data = {
        "tool": {"name": "save_here", "body": item.content["body"]},
        "instances": [{"run": "r", "args": {"text": "kept"}, "result": "kept"}],
    }
    finding = replace(FINDING, data=data)
    with store_of(project) as store:
        store.put_document("finding", finding.id, finding.to_json())
    recorded = strop(*test, "--as-granted", at=project)
    assert recorded.code == 0, recorded.err
    assert "1 recorded call, 0 made up" in recorded.err
    assert {each.read_text() for each in folder.iterdir()} == {"kept"}
    more = strop(*test, "--as-granted", "--generated", "3", "--json", at=project)
    assert (more.code, more.json["tried"]) == (0, 4)


@pytest.mark.usefixtures("sandboxed")
def test_what_may_not_serve_does_not_run_as_granted(writes):
    project, folder, item = writes
    test = ["tools", "test", "--as-granted", "--generated", "5"]
    with store_of(project) as store:
        grants = Grants(store)
        grants.amend(code_digest(item), lambda _: ("approval", {
            "tool": "save_here", "by": "person:ana", "reason": "",
            "to": item.content["needs"], "from": Permissions().to_json(), "since": 0,
        }))  # fmt: skip
        for _ in range(3):
            grants.record(use(item, ok=False))
    halted, broken, _, denied = strops(
        [
            (project, [*test, "save_here"]),
            (project, [*test, "last_number"]),
            (project, ["review", "deny", "save_note", "--by", "ana"]),
            (project, [*test, "save_note"]),
        ]
    )
    assert [each.code for each in (halted, broken, denied)] == [2, 2, 2]
    assert "its breaker is open" in halted.line
    assert "its breaker is open" in broken.line
    assert "ana denied 'save_note'" in denied.line
    assert not list(folder.iterdir())


def test_help(tmp_path):
    commands = [
        *("tools", *(f"tools {each}" for each in ("list", "show", "test", "promote", "demote"))),
        *("tools retire", "review", "review approve", "review deny"),
    ]
    done = process(sys.executable, "-c", HELP, *commands, at=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert masked(done.out) == snapshot("""\
$ strop tools --help

 Usage: strop tools [OPTIONS] COMMAND [ARGS]...

 Tools: what they are, what they may do, how they did, and moving them.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --help  -h        Show this message and exit.                                │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ list     The tools that serve: what they need and have, and their record of  │
│          use.                                                                │
│ show     All about one: its code, its record, where it came from, who        │
│          granted what.                                                       │
│ test     Try a code tool in the sandbox, on what runs recorded and on        │
│          made-up arguments.                                                  │
│ promote  Grant a tool a higher level.                                        │
│ demote   Grant a tool a lower level.                                         │
│ retire   Take a tool out of what serves; it is not proposed again.           │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools list --help

 Usage: strop tools list [OPTIONS]

 The tools that serve: what they need and have, and their record of use.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools show --help

 Usage: strop tools show [OPTIONS] {NAME}

 All about one: its code, its record, where it came from, who granted what.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools test --help

 Usage: strop tools test [OPTIONS] {NAME}

 Try a code tool in the sandbox, on what runs recorded and on made-up
 arguments.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --as-granted                    With what it is granted, not as a new tool.  │
│ --generated           N [x>=0]  Made-up arguments; by default 20, and none   │
│                                 with network or folders to write.            │
│ --seed                N         Another one makes up others. [default: 0]    │
│ --config      -c      PATH      The agent's configuration.                   │
│                                 [default: strop.yaml]                        │
│ --json                          Print one JSON object and nothing else.      │
│ --help        -h                Show this message and exit.                  │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools promote --help

 Usage: strop tools promote [OPTIONS] {NAME}

 Grant a tool a higher level.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              WHO   Who says so. [required]                           │
│    --to              L     sandbox, restricted or full; by default one step. │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools demote --help

 Usage: strop tools demote [OPTIONS] {NAME}

 Grant a tool a lower level.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              WHO   Who says so. [required]                           │
│    --to              L     sandbox, restricted or full; by default one step. │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools retire --help

 Usage: strop tools retire [OPTIONS] {NAME}

 Take a tool out of what serves; it is not proposed again.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              WHO   Who says so. [required]                           │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop review --help

 Usage: strop review [OPTIONS] COMMAND [ARGS]...

 What waits for a person: tools that need more than they are granted.

╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --config  -c      PATH  The agent's configuration. [default: strop.yaml]     │
│ --json                  Print one JSON object and nothing else.              │
│ --help    -h            Show this message and exit.                          │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Commands ───────────────────────────────────────────────────────────────────╮
│ approve  Grant what a tool asks for, or close its breaker; the gate still    │
│          decides on it.                                                      │
│ deny     Say no: the tool stays inert and does not ask again.                │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop review approve --help

 Usage: strop review approve [OPTIONS] {NAME}

 Grant what a tool asks for, or close its breaker; the gate still decides on
 it.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              WHO   Who says so. [required]                           │
│    --host            H:P   Only this host:port; may be repeated.             │
│    --read            DIR   A folder it may read.                             │
│    --write           DIR   A folder it may write.                            │
│    --level           L     The level that it asks for.                       │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop review deny --help

 Usage: strop review deny [OPTIONS] {NAME}

 Say no: the tool stays inert and does not ask again.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, its digest or NAME@DIGEST. [required]        │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              WHO   Who says so. [required]                           │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯
""")
