"""`strop tools` and `strop review`, as people and programs drive them."""

import shutil
import sys
from dataclasses import replace

import pytest
from inline_snapshot import snapshot

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

  # needs level 'full'
  from urllib.request import urlopen


  def exchange_rate(currency):
      return float(urlopen('https://rates.example.com/' + currency).read())

`strop review approve NAME --by WHO` grants it what it needs, `strop review deny
NAME --by WHO` says no; a proposed tool still has to pass the gate\
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


def test_nothing_is_hidden_from_who_is_to_approve(tmp_path):
    folder = write_project(tmp_path / "project")
    source = "def sly(x):\n    return x  # \u202e\u2066 == x nruter\x1b[2J\u200b\n"
    needs = Permissions(level=Level.RESTRICTED)
    with store_of(folder) as store:
        Grants(store).request(code("sly", source, needs=needs, x="string"), by="reflect:tools")
    told = strop("review", at=folder).out
    assert "return x  # \\u202e\\u2066 == x nruter\\x1b[2J\\u200b" in told
    assert not {"\u202e", "\u2066", "\x1b", "\u200b"} & set(told)


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


def test_a_tool_is_tried_in_the_sandbox(project):
    if not any(each.available for each in backends()):
        pytest.skip("no sandbox works on this machine")
    good, bad, chain = strops(
        [
            (project, ["tools", "test", "days_between"]),
            (project, ["tools", "test", "last_number", "--generated", "5", "--json"]),
            (project, ["tools", "test", "order_age"]),
        ]
    )
    assert [good.code, bad.code, chain.code] == [0, 1, 2]
    assert "✓ days_between works" in good.out
    assert "1 recorded results given again" in good.out
    assert "2 recorded calls, 20 made up" in good.err
    value = bad.json
    assert (value["schema"], value["ok"], value["recorded"]) == ("strop.validation/1", False, 0)
    assert {each["check"] for each in value["failures"]} == {"raised"}
    assert "'order_age' is a chain" in chain.line


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
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
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
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ --generated          N [x>=0]  Made-up arguments to try. [default: 20]       │
│ --seed               N         Another one makes up others. [default: 0]     │
│ --config     -c      PATH      The agent's configuration.                    │
│                                [default: strop.yaml]                         │
│ --json                         Print one JSON object and nothing else.       │
│ --help       -h                Show this message and exit.                   │
╰──────────────────────────────────────────────────────────────────────────────╯

$ strop tools promote --help

 Usage: strop tools promote [OPTIONS] {NAME}

 Grant a tool a higher level.

╭─ Arguments ──────────────────────────────────────────────────────────────────╮
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
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
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
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
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
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
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
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
│ *    NAME      <str>  Its name, or the beginning of its digest. [required]   │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ Options ────────────────────────────────────────────────────────────────────╮
│ *  --by              WHO   Who says so. [required]                           │
│    --reason          TEXT  Why.                                              │
│    --config  -c      PATH  The agent's configuration. [default: strop.yaml]  │
│    --json                  Print one JSON object and nothing else.           │
│    --help    -h            Show this message and exit.                       │
╰──────────────────────────────────────────────────────────────────────────────╯
""")
