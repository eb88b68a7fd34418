"""The results page, made from the report and nothing else."""

from typing import Any

Report = dict[str, Any]

_ORDER = ("strop", "static", "no-model", "knn", "zero", "bootstrap", "gepa")
_COMMAND = "python -m bench.real.banking77 --markdown docs/results/banking77.md"

_HEAD = """\
# Banking77: a real task, the embedded model, and what the loop adds

<!-- Written by `{command}`; do not edit. -->

A customer's message goes in, its intent comes out. Can {model}, frozen, learn it
from a few labelled messages by one improvement cycle? And is what comes out better than no model at
all, and than dspy with the same model?

Everybody gets the same labelled messages, the same vectors (MiniLM, run by Strop) and the same
model file in llama.cpp on one thread, at temperature 0, with the answer always held to the labels.
Everybody is tested once on the same sealed messages, which come from the data set's own test file;
the seed alone decides which messages are labelled and which are sealed. Strop splits the labelled
messages itself: its examples come from *train*, its gate judges on *validation*, and held-out
messages stay held out. So it has fewer to show than the rows that say "all labelled"."""

_COLUMNS = (
    "system",
    "right",
    "accuracy",
    "95 % interval",
    "labelled messages it draws on",
    "model calls to learn",
    "tokens a sealed message",
    "seconds a sealed message",
)
_ALIGNED = "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"

_READING = """\
## How to read it

- **Most of this is retrieval, not a cleverer model.** On a task of labels, once the right examples
  are shown, this model repeats the most trusted one nearly always (the counts are under each
  table). The loop's part is to run the agent, to correct and keep what it got wrong, to rank that
  by what the neighbourhood agrees on, and to ship it only after it won on held-out messages. "No
  model: kernel ridge of the neighbourhood, train" is the label of Strop's most trusted example
  without asking the model: the difference to it is what the model itself adds or spoils.
- **What limits it is the vectors.** The tables without a model say what those are worth, on more
  messages. Expect Strop after its cycle where kernel ridge on *train* stands, less what the model
  spoils. Two or three points come and go with the draw of the sealed messages: rows whose intervals
  overlap widely are not ranked.
- **Before and after have the same layout**: one clause as the system message, examples as turns
  with the most trusted last, the message plain as the last turn. The layout alone is worth some 30
  points to this model without examples (measured apart from this), so dspy's zero-shot row (which
  lists the labels) and Strop's row before (which does not) say little about each other.
- **dspy as it does best here**: through its `lm_studio/` provider, which passes schemas on; 10
  intents as a `Literal` output under `JSONAdapter`; 77 listed in the instructions under
  `ChatAdapter` with a grammar (a `Literal` of 77 takes several times as long). KNNFewShot draws on
  all labelled messages, without bootstrapping. The optimisers judge on Strop's validation messages,
  or on so many of them that judging one candidate takes at most a sixth of their calls. Their calls
  are what the time allowed; where their row equals zero-shot, nothing they tried won there.
- GEPA reflects with the same local model, because that is the model there is. It is made for a
  strong one: its row says nothing about GEPA with a strong model.
- Logistic regression's C is chosen by 5-fold cross-validation on the messages it is fitted to."""

_STATIC = """
- The static row shows the released examples found by the bundled static embedder instead of MiniLM;
  it had no cycle of its own, and made no calls to learn beyond those of the row above it."""

_MADE = """\
## How it was made

```
{command}
```

{where}
The stages may come from several processes that shared a folder (`--resume`). Seconds were taken on
a shared machine ({load}): compare them by their size, not by their digits.

Data: Banking77, PolyAI, CC BY 4.0 (Casanueva et al., *Efficient Intent Detection with Dual Sentence
Encoders*, 2020, arXiv:2003.04807). Training messages that also stand in the test file were left
out."""


def page(report: Report) -> str:
    """Markdown."""
    head = _HEAD.format(command=_COMMAND, model=report["model"]["name"])
    tables = [
        _setting(name, report["settings"][name])
        for name in ("10", "77")
        if name in report["settings"]
    ]
    return "\n\n".join([head, *tables, _reading(report), _made(report)]) + "\n"


def _setting(name: str, found: Report) -> str:
    splits = found["splits"]
    messages = (
        f"{found['labelled']} labelled messages (for Strop {splits.get('train', 0)} train and "
        f"{splits.get('validation', 0)} validation), {found['sealed']} sealed."
    )
    rows = [
        {"judging": found[stage].get("judging") if stage in ("bootstrap", "gepa") else None, **row}
        for stage in _ORDER
        for row in found.get(stage, {}).get("rows", ())
    ]
    table = [f"| {' | '.join(_COLUMNS)} |", _ALIGNED, *map(_line, rows)]
    parts = [f"## {name} intents", messages, "\n".join(table), _story(found), _whole(found)]
    return "\n\n".join(part for part in parts if part)


def _line(row: Report) -> str:
    low, high = row["interval"]
    sealed, of = row["sealed"], row["of"]
    asked = bool(sealed["calls"])
    note = row.get("note") or (f"judged on {row['judging']}" if row["judging"] else "")
    name = f"{row['row']} ({note})" if note else row["row"]
    if not asked:
        name = f"no model: {name}"
    if name.startswith("Strop, after one"):
        name = f"**{name}**"
    cells = [
        name,
        f"{row['right']}/{of}",
        f"{row['accuracy']:.1%}",
        f"{low:.1%} to {high:.1%}",
        str(row["learned_from"]),
        str(row["learning"]["calls"]),
        f"{sealed['tokens'] / of:.0f}" if asked else "0",
        f"{sealed['seconds'] / of:.2f}" if asked else "",
    ]
    return f"| {' | '.join(cells)} |"


def _story(found: Report) -> str:
    """What the cycle did, and how much of the answers is the most trusted example's."""
    if "strop" not in found:
        return "Strop's rows were not run."
    cycle, after = found["strop"]["cycle"], found["strop"]["rows"][-1]
    learning, verdict = after["learning"], cycle["verdict"]
    told = (
        f"**{verdict['decision']}**, {verdict['reasons'][0]['message']}"
        if verdict
        else "was not asked: nothing was proposed"
    )
    text = (
        f"Strop's cycle: {cycle['train_runs']} train runs and {cycle['validation_runs']} "
        f"validation runs (baseline and candidate), {learning['calls']} model calls, "
        f"{learning['tokens']:,} tokens, {learning['seconds']:.0f} seconds. "
        f"Proposed: {cycle['proposal']}. The gate: {told}."
    )
    trusted = found["strop"]["trusted"]
    text += (
        "\n\nAfter it, the model's answer is the label of the most trusted example in "
        f"{trusted['same']} of {trusted['of']} sealed messages."
    )
    if trusted["same"] == trusted["of"]:
        return text
    return (
        f"{text} Where it differs, it turned {trusted['mended']} wrong labels into right answers "
        f"and {trusted['spoiled']} right labels into wrong ones."
    )


def _whole(found: Report) -> str:
    """The no-model rows on more messages, where their intervals are narrower."""
    rows = found.get("no-model", {}).get("whole", ())
    if not rows:
        return ""
    told = [
        f"| {row['row']} | {row['accuracy']:.1%} | {row['interval'][0]:.1%} to "
        f"{row['interval'][1]:.1%} |"
        for row in rows
    ]
    table = ["| no model | accuracy | 95 % interval |", "| --- | ---: | --- |", *told]
    lead = f"Without a model, on all {rows[0]['of']} test messages of these intents:"
    return lead + "\n\n" + "\n".join(table)


def _reading(report: Report) -> str:
    settings = report["settings"].values()
    text = _READING + (_STATIC if any("static" in found for found in settings) else "")
    missing = _missing(report)
    return f"{text}\n- Not run: {missing}." if missing else text


def _missing(report: Report) -> str:
    named = {
        "static": "the static embedder",
        "knn": "KNNFewShot",
        "zero": "zero-shot",
        "bootstrap": "BootstrapFewShotWithRandomSearch",
        "gepa": "GEPA",
    }
    return ", ".join(
        f"{text} on {name} intents"
        for name, found in report["settings"].items()
        for stage, text in named.items()
        if stage not in found
    )


def _made(report: Report) -> str:
    machine = report["machine"]
    where = (
        f"On {report['date']}, {machine['system']} {machine['arch']}, {machine['cores']} cores, "
        f"one thread per server; model file `{report['model']['file']}` (repacked as Q8_0 on first "
        f"use, for speed); {_versions(report['versions'])}."
    )
    if "peers" in report:
        where += (
            " dspy ran in an interpreter of its own (`--peers-python`) against the bench's server: "
            f"{_versions(report['peers'])}."
        )
    if report["quick"]:
        where += " A quick run, on training messages only: not a result."
    return _MADE.format(command=_COMMAND, where=where, load=_load(report))


def _load(report: Report) -> str:
    loads = [
        load
        for found in report["settings"].values()
        for stage in _ORDER
        for load in found.get(stage, {}).get("load", ())
    ]
    return f"load average {min(loads)} to {max(loads)}" if loads else "nothing was run"


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())
