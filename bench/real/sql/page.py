"""The results page, made from the report and nothing else."""

from typing import Any

Report = dict[str, Any]

_COMMAND = "python -m bench.real.sql --page docs/results/sql.md"

_HEAD = """\
# Facts from SQL agents: would the memory have said it?

<!-- Written by `{command}`; do not edit. -->

Twelve recorded agents (InterCode SQL) answer questions on fourteen databases by writing queries
turn by turn. Most of them guess names of tables and columns; one explores the schema in a quarter
of its turns. This page asks: had Strop mined each agent's earlier tasks, would it have told the
later task what that task had to find out, and nothing beside the point? The traces are replayed
in their order; before each task at most {memories} memories and {tokens} tokens are shown, after it
its run teaches (the memory is brought up to date every {block} tasks). No model runs and no gate
stands in between: this measures the memory, not what an agent would have made of it.

| figure | target | found | met |
| --- | ---: | ---: | --- |
{targets}

**The exploration target is missed{missed}.** See "What falls short" below."""

_MEANS = """\
## What the figures mean

- **right name shown**: of the distinct wrong names of a task (an unknown table or column, by the
  error message) that an earlier task on the same database had met already: the share where an item
  shown names a right one. Right is a table, or a column and its table, that the task's gold query
  reads and the failing query lacks; where it lacks none, the real one of that name. *All* asks for
  every one of those. What a query reads is what SQLite says while it compiles it; "there is no x"
  counts as naming nothing. {nameless} wrong names without a right one by this definition are left
  out.
- **exploration answered**: of all turns that ask for the schema (`SHOW`, `DESC`, `DESCRIBE`,
  `information_schema`, `PRAGMA`) on a database met before: the share where an item shown gives just
  the names that the SQLite schema has, all of them: those of the tables, or those of the columns of
  the table asked about. A turn that asks for what does not exist is answered by all table names.
  *As the turn shows* also takes what that very turn got back: agents could write, and some made
  tables that stood there for the tasks that followed.
- **asked before**: the share of these turns whose question an earlier task of this agent had asked
  and got an answer to; and of those, how many were answered.
- **relevant**: of all items shown, those for the same database about a table that the task touches
  (its gold query or a query of it that worked reads it). A list of all tables always is; the column
  beside it leaves such lists out.
- **false**: distinct lines shown that the SQLite schema contradicts; beside it without those about
  tables that a `SHOW TABLES` of that agent's own trace lists."""

_ROWS = """\
- **strop**: facts from earlier runs and from the right answers of earlier *tasks*, as a train set
  would hold them. The data set holds paraphrases: the same gold query under another question is
  another task here.
- **runs only**: nobody tells right answers.
- **each gold query once**: only the first task of each gold query is replayed, so that no
  paraphrase teaches and none is measured.
- **facts and lessons**: with `mine_repairs` and `MinedLessons` every 50 tasks as well.
- **plain similarity**: the same facts for the task's database, by the nearest of their inputs, as
  many as fit.
- **the last facts learned**: a window of the last eight."""

_SHORT = """\
## What falls short

- **Exploration.** {before} of these turns ask what an earlier task of the same agent had asked and
  got; {of_those} of those are answered. The rest asks for the first time: right answers of earlier
  tasks help with it (a few columns), but only a listing gives *all* of them. Of what is known and
  not shown most is about tables that the task does not touch: showing those would cost relevance.
- **Scopes of many tables.** Without the lines that list a whole schema or all tables, relevance is
  lower, lowest for the agents that explore: what is left there is the two largest databases.
- **Paraphrases help.** Where none teaches and none is measured, names and relevance hold and fewer
  explorations are answered: there are fewer tasks to have explored before.
- **Without right answers** an agent that never explores and rarely succeeds (`text-bison`,
  `vicuna`) has nothing to learn names from: the row shows it.
- **Tables that agents made** (`players`, `poker_players`, `citizens`) are told as what they were at
  the time: there. The SQLite files were made from the clean dump and lack them. Lines that stay
  false without the tables that a `SHOW TABLES` listed name such tables too (`poker_players`,
  `tvshow`): a recorded query read them and rows came back.
- Wrong names are counted once per task, not once per turn: loops would count up to ten times.
- The wording of facts is for people and models; the checks read the same text, with the sentences
  on what does not exist taken out."""

_MADE = """\
## How it was made

```
{command}
```

On {date}; embedder `{embedder}`; {seconds} s on a shared machine with two cores. The constants of
the retrieval vote (`notes.py`) were fitted on the facts of three agents (`gpt-3.5_10_turns`,
`text-bison-001_10_turns`, `vicuna_10_turns`) on seven of the fourteen databases (battle_death,
cre_Doc_Template_Mgt, network_1, pets_1, real_estate_properties, student_transcripts_tracking,
voter_1). Reading rules, wording and the length up to which one line tells a whole schema were
settled while looking at those three and `gpt-3.5_10_turns_handicap` on all databases; the rules of
`fact_names.py` were checked for members that do not exist on all twelve. So this is development
data throughout: nothing here is a sealed test.

Data: InterCode (Yang et al. 2023, arXiv:2306.14898), MIT; questions from Spider (Yu et al. 2018,
CC BY-SA 4.0)."""

_COLUMNS = (
    ("right_name_shown", "right name shown"),
    ("all_right_names_shown", "all right names"),
    ("exploration_answered", "exploration answered"),
    ("exploration_answered_as_the_turn_shows", "as the turn shows"),
    ("relevant", "relevant"),
    ("relevant_without_lists", "without lists"),
    ("items_a_task", "items a task"),
    ("false", "false"),
    ("false_but_for_tables_agents_made", "but for made tables"),
)


def page(report: Report) -> str:
    """Markdown."""
    rows = report["rows"]
    whole = rows["strop"]["all"]
    head = _HEAD.format(
        command=_COMMAND,
        memories=report["memories"],
        tokens=report["tokens"],
        block=report["block"],
        targets="\n".join(_target(report, name) for name in report["targets"]),
        missed="" if not report["met"]["exploration_answered"] else " by none",
    )
    if report["met"]["exploration_answered"]:
        head = head.rpartition("\n\n")[0]
    short = _SHORT.format(
        before=_percent(whole["exploration_asked_before"]),
        of_those=_percent(whole["answered_of_those_asked_before"]),
    )
    by_row = "## All agents together\n\n" + _table("row", {n: r["all"] for n, r in rows.items()})
    by_agent = "## By agent (row strop)\n\n" + _table("agent", rows["strop"]["agents"], counts=True)
    made = _MADE.format(
        command=_COMMAND,
        date=report["date"],
        embedder=report["embedder"],
        seconds=round(report["seconds"]),
    )
    if report["quick"]:
        made += "\n\nA quick run: not a result."
    means = _MEANS.format(nameless=whole["wrong_names_without_a_right_one"])
    parts = (head, by_row, _ROWS, by_agent, means, short, made)
    return "\n\n".join(parts) + "\n"


def _target(report: Report, name: str) -> str:
    target, found = report["targets"][name], report["rows"]["strop"]["all"][name]
    met = "yes" if report["met"][name] else "no"
    if name == "false":
        return f"| false lines shown | {target} | {found} | {met} |"
    return f"| {name.replace('_', ' ')} | {target:.0%} | {_percent(found)} | {met} |"


def _table(first: str, rows: dict[str, Report], *, counts: bool = False) -> str:
    columns = list(_COLUMNS)
    if counts:
        columns.insert(0, ("wrong_names", "wrong names"))
        columns.insert(3, ("explorations", "explorations"))
    titles = " | ".join(title for _, title in columns)
    lines = [f"| {first} | {titles} |", "| --- |" + " ---: |" * len(columns)]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(_cell(key, row[key]) for key, _ in columns)} |")
    return "\n".join(lines)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if key == "items_a_task" else _percent(value)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
