"""Are mined chains right on tasks that they were not mined from, and what do they save?

    python -m bench.tools.chains [--quick]

On gpt-4o's runs as an airline agent (tau-bench, Yao et al. 2024, arXiv:2406.12045): mined on tasks
0 to 24, tried on tasks 25 to 34. What "tried" means is written at `tried` and in
docs/results/chains.md. Prints one JSON object on stdout. `--quick` tries two tasks only.

Next file: `scale_traces.py`.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from bench.real.airline.data import database, runs
from bench.real.airline.tools import Database, call, fork, snapshot
from strop.chain import Chain, run_chain
from strop.errors import UserMistake
from strop.mine import Finding
from strop.mine.chains import mine_chains
from strop.run import ScoredRun, ToolCall

MINED, TRIED = range(25), range(25, 35)
ABSORBED, RIGHT = 0.2, 0.98


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tools.chains")
    parser.add_argument("--quick", action="store_true", help="try two tasks only")
    given = parser.parse_args()
    try:
        report = measure(quick=given.quick)
    except UserMistake as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps(report, indent=1))


def measure(*, quick: bool) -> dict[str, Any]:
    """All figures."""
    everything, known = runs(), database()
    mined = [s for s in everything if _number(s) in MINED]
    unseen = [s for s in everything if _number(s) in (TRIED[:2] if quick else TRIED)]
    begun = time.perf_counter()
    found = mine_chains(mined)
    seconds = time.perf_counter() - begun
    replayed = [_replayed(finding, mined, known) for finding in found]
    figures = tried(found, unseen, known)
    loops = _loops(mine_chains(everything)) + _loops(found)
    return {
        "schema": "strop.bench.chains/1",
        "quick": quick,
        "mined_on": {"tasks": len({s.run.task for s in mined}), "runs": len(mined)},
        "seconds_to_mine": round(seconds, 3),
        "chains": [_told(f) for f in found],
        "replay": replayed,
        "tried": figures,
        "same_on_what_it_was_mined_from": tried(found, mined, known),
        "failure_loop": {
            "search_direct_flight_three_times": _three_searches(everything),
            "proposed": loops,
        },
        "targets": {
            "absorbs_0.2_of_unseen_calls": {"met": figures["absorbed_share"] >= ABSORBED},
            "arguments_right_0.98": {"met": figures["right_share"] >= RIGHT},
            "replays_exactly": {
                "met": all(r["recorded_same"] == r["recorded"] == r["by_tools"] for r in replayed)
            },
            "no_failure_loop": {"met": not loops},
        },
    }


@dataclass(kw_only=True)
class Tally:
    """What came of trying chains on runs; counts of calls, but for `triggered` and `instances`."""

    calls: int = 0
    runs: int = 0
    triggered: int = 0
    used: int = 0
    replaced: int = 0
    absorbed: int = 0
    made: int = 0
    unasked: int = 0
    instances: int = 0
    right: int = 0
    next_calls: int = 0
    next_right: int = 0
    wrong: list[str] = field(default_factory=list)


def tried(found: Sequence[Finding], taken: Sequence[ScoredRun], known: Database) -> dict[str, Any]:
    """Chains on recorded runs, as if the agent had called them.

    A chain is *triggered* wherever a run makes its first call, with that call's arguments; it is
    then run through the airline's tools, in the state that the run had made. A later recorded call
    is *absorbed* where the chain made the same call (tool and arguments) with the recorded result,
    and no trigger before has. `replaced` counts the first call, too, of triggers that absorb
    anything: a chain that stands for k recorded calls replaces k and absorbs k - 1. `unasked` are
    calls that chains made and the run does not.

    An *instance* is a trigger after which the run calls the tool of the chain's second step, before
    it makes the chain's first call again: it is right where the first such call is, argument for
    argument, one that the chain made.
    """
    tally = Tally()
    data: list[Any] = [finding.data for finding in found]
    chains = [Chain.from_json(each["tool"]["body"]) for each in data]
    for scored in taken:
        _try_run(chains, scored, known, tally)
    return {
        "runs": tally.runs,
        "calls": tally.calls,
        "triggered": tally.triggered,
        "triggers_that_absorb": tally.used,
        "absorbed": tally.absorbed,
        "replaced": tally.replaced,
        "absorbed_share": _share(tally.absorbed, tally.calls),
        "replaced_share": _share(tally.replaced, tally.calls),
        "made_by_chains": tally.made,
        "unasked": tally.unasked,
        "instances": tally.instances,
        "right": tally.right,
        "right_share": _share(tally.right, tally.instances),
        "later_calls_of_these_tools": tally.next_calls,
        "of_which_made_by_the_chain": tally.next_right,
        "wrong_in": tally.wrong,
    }


def _try_run(chains: Sequence[Chain], scored: ScoredRun, known: Database, tally: Tally) -> None:
    calls, states = _states(scored, known)
    tally.runs += 1
    tally.calls += len(calls)
    gone: set[int] = set()
    for at, first in enumerate(calls):
        fitting = [c for c in chains if c.steps[0].tool == first.tool and _is_ready(c, first)]
        if at in gone or not fitting or _failed(first):
            continue
        chain = fitting[0]  # the findings' order: what saves most
        made = _made(chain, dict(first.args), states[at])  # type: ignore[arg-type]
        tally.triggered += 1
        tally.made += len(made)
        asked = {_key(c.tool, c.args) for c in calls[at:]}
        tally.unasked += sum(1 for key in made if key not in asked)
        absorbed = []
        for later, recorded in enumerate(calls[at + 1 :], start=at + 1):
            key = _key(recorded.tool, recorded.args)
            if later not in gone and made.get(key) == _recorded(recorded):
                absorbed.append(later)
                del made[key]  # a second look-up of the same is the agent's own
        gone.update(absorbed)
        tally.absorbed += len(absorbed)
        tally.used += bool(absorbed)
        tally.replaced += (len(absorbed) + 1) if absorbed else 0
        _judge(chain, calls[at + 1 :], first, states[at], tally, scored.run.id)


def _judge(  # noqa: PLR0917 - one trigger with what is around it
    chain: Chain,
    later: Sequence[ToolCall],
    first: ToolCall,
    state: Database,
    tally: Tally,
    run: str,
) -> None:
    """Count whether the arguments of the agent's own next calls are those that the chain gives."""
    made = _made(chain, dict(first.args), state)  # type: ignore[arg-type]
    again = next((i for i, c in enumerate(later) if c.tool == first.tool), len(later))
    following = [c for c in later[:again] if c.tool == chain.steps[1].tool]
    right = [_key(c.tool, c.args) in made for c in following]
    tally.next_calls += len(right)
    tally.next_right += sum(right)
    if right:
        tally.instances += 1
        tally.right += right[0]
        if not right[0]:
            tally.wrong.append(run)


def _replayed(finding: Finding, taken: Sequence[ScoredRun], known: Database) -> dict[str, Any]:
    """A chain's own instances again: on what the runs recorded, and through the airline's tools."""
    data: Any = finding.data
    chain = Chain.from_json(data["tool"]["body"])
    by_id = {s.run.id: s for s in taken}
    recorded = same = by_tools = 0
    for instance in data["instances"]:
        scored = by_id[instance["run"]]
        calls, states = _states(scored, known)
        places = [i for i, step in enumerate(scored.run.steps) if isinstance(step, ToolCall)]
        its = [places.index(p) for p in instance["positions"]]
        state = states[its[0]]
        from_tools = _made(chain, instance["args"], state)
        from_records = _made(chain, instance["args"], state, [calls[i] for i in its])
        for i in its:
            key, result = _key(calls[i].tool, calls[i].args), _recorded(calls[i])
            recorded += 1
            same += from_records.get(key) == result
            by_tools += from_tools.get(key) == result
    return {
        "chain": data["tool"]["name"],
        "instances": len(data["instances"]),
        "recorded": recorded,
        "recorded_same": same,
        "by_tools": by_tools,
    }


def _made(
    chain: Chain, args: dict[str, Any], state: Database, recorded: Sequence[ToolCall] = ()
) -> dict[str, str]:
    """The calls that a chain makes, with their results; recorded results where they are given.

    What the run has no record of, as items of a list that its agent never asked for, is asked of
    the tools.
    """
    made: dict[str, str] = {}
    own, results = snapshot(state), {_key(c.tool, c.args): str(c.result) for c in recorded}

    async def one(tool: str, given: Any) -> Any:
        key = _key(tool, given)
        result = results.get(key) or call(own, tool, dict(given))
        made[key] = result.replace('"province"', '"state"')
        return result

    params = {name: args[name] for name in chain.params if name in args}
    done = anyio.run(run_chain, chain, params, one)
    assert done.failed is None, done.error
    return made


def _states(scored: ScoredRun, known: Database) -> tuple[list[ToolCall], list[Database]]:
    """A run's calls, and the database before each."""
    state = fork(known)
    calls, states = [], []
    for step in scored.run.steps:
        if isinstance(step, ToolCall):
            states.append(snapshot(state))
            call(state, step.tool, step.args)  # type: ignore[arg-type]
            calls.append(step)
    return calls, states


def _is_ready(chain: Chain, first: ToolCall) -> bool:
    """Whether all that a chain needs to be told is in its first call."""
    return set(chain.params) <= set(first.args)  # type: ignore[arg-type]


def _failed(recorded: ToolCall) -> bool:
    return str(recorded.result).startswith("Error")


def _recorded(step: ToolCall) -> str:
    return str(step.result).replace('"province"', '"state"')


def _key(tool: str, args: Any) -> str:
    return json.dumps([tool, args], sort_keys=True)


def _number(scored: ScoredRun) -> int:
    return int(scored.run.task.rpartition("-")[2])


def _told(finding: Finding) -> dict[str, Any]:
    data: Any = finding.data
    return {"claim": finding.claim, **{k: v for k, v in data.items() if k != "instances"}}


def _three_searches(taken: Sequence[ScoredRun]) -> dict[str, int]:
    """How often an agent searched for a flight three times in a row, and how such runs ended."""
    ended: Counter[str] = Counter()
    for scored in taken:
        tools = [s.tool for s in scored.run.steps if isinstance(s, ToolCall)]
        times = sum(
            tools[i : i + 3] == ["search_direct_flight"] * 3 for i in range(max(0, len(tools) - 2))
        )
        ended["times"] += times
        ended["runs"] += bool(times)
        ended["successful_runs"] += bool(times) and scored.value == 1.0
    return dict(ended)


def _loops(found: Sequence[Finding]) -> list[str]:
    """Chains that call one tool again and again."""
    out = []
    for finding in found:
        data: Any = finding.data
        steps = Counter(s["tool"] for s in data["tool"]["body"]["steps"] if "each" not in s)
        out += [data["tool"]["name"]] if max(steps.values()) > 1 else []
    return out


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


if __name__ == "__main__":
    main()
