"""`Toolbox`: tool items called by name, of whatever kind, and those that must not be offered.

Code runs only in the sandbox, under no more than it was granted and no more than it needs. A tool
that cannot be called (it waits for a grant, its sub-tool is gone, it does not parse) is *inert*:
it is left out with a reason, and the agent serves without it. What a person grants and what a
record earns is decided elsewhere; here it is asked for.

Next file: `tools/effects.py`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import anyio.to_thread

from strop.chain import Chain, run_chain
from strop.errors import StropError, ToolCallFailed
from strop.jsonvalue import Json, JsonObject, as_text
from strop.permission import Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, Program, Sandbox, What
from strop.sandbox.resolve import best_sandbox
from strop.spec import Item, Kind
from strop.tools.chains import Calls, chain_value, failed_step, wanted
from strop.tools.identity import body_kind, needs_of, tools_by_name
from strop.tools.native import Function, call_native, native_function
from strop.tools.ready import Granted, Halted, Ready, read_tool, why_not
from strop.tools.refusals import raised_on_purpose, refuses
from strop.tools.uses import DECLINED, STEP_FAILED, TOO_LARGE, Use, ignore

__all__ = ["Toolbox"]

logger = logging.getLogger(__name__)

_LESS, _WITHOUT = "ask for less, or do without it", "do without it"
_ADVICE = {
    What.TIMEOUT: _LESS,
    What.MEMORY: _LESS,
    What.RESULT: _LESS,
    What.DIED: _WITHOUT,
    What.INVALID: _WITHOUT,
    What.REFUSED: _WITHOUT,
}


def nothing_granted(digest: str) -> None:
    """No grants: everything starts on the lowest rung."""


def never_halted(digest: str) -> None:
    """No tool is halted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What tool items are called with.

    Attributes:
        functions: Native functions by ``module:name`` that cannot be imported.
        sandbox: Gives the sandbox that code runs in; asked at each call.
        granted: What the code with a digest (`code_digest`) may do; `None` for what every new tool
            may do, which is `Permissions()`.
        record: Told of every call of a code or chain tool.
        halted: Why the tool with a digest is not to be used for now, or `None`.
        at_once: Both as they are at one moment, for many questions; by default the two above.
        bounds: How much one call of code may take.
        longest: Characters of a result that a model is shown; a longer one is a failed call.
        clock: Seconds since the epoch.
    """

    functions: Mapping[str, Function] = field(default_factory=dict, hash=False)
    sandbox: Callable[[], Sandbox] = best_sandbox
    granted: Granted = nothing_granted
    record: Callable[[Use], object] = ignore
    halted: Halted = never_halted
    at_once: Callable[[], tuple[Granted, Halted]] | None = None
    bounds: Bounds = Bounds()
    longest: int = 100_000
    clock: Callable[[], float] = time.time

    def inert(self, items: Iterable[Item]) -> dict[str, str]:
        """The tools that cannot be called now, by item id, each with why.

        Args:
            items: The items of a spec; those that are no tools are passed over.
        """
        items = [item for item in items if item.kind is Kind.TOOL]
        tools = tools_by_name(items)
        reasons: dict[str, str] = {}
        granted, halted = (self.granted, self.halted) if self.at_once is None else self.at_once()
        for item in items:
            name = str(item.content["name"])
            if tools[name] is not item:
                reasons[item.id] = f"its name {name!r} is taken by {tools[name].id!r}"
                continue
            reason = why_not(item, tools, granted, halted)
            if reason is not None:
                reasons[item.id] = reason
        return reasons

    async def call(
        self,
        name: str,
        args: JsonObject,
        *,
        items: Iterable[Item],
        run: str | None = None,
        ctx: Any = None,
    ) -> Json:
        """Call a tool.

        Args:
            name: Its name.
            args: Its arguments.
            items: The items of the spec, among which it and its sub-tools are looked up.
            run: Id of the run, for the record.
            ctx: The Pydantic AI `RunContext`, for native functions that take one.

        Returns:
            Its result, plain JSON.

        Raises:
            ToolCallFailed: There is none; the message is for the model.
        """
        call = _Call(box=self, tools=tools_by_name(items), run=run, ctx=ctx, calls=Calls())
        return await call.tool(name, args, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call, with those that it makes in turn."""

    box: Toolbox
    tools: Mapping[str, Item]
    run: str | None
    ctx: Any
    calls: Calls

    async def tool(self, name: str, args: JsonObject, inside: tuple[str, ...]) -> Json:
        """Call a tool by name.

        Raises:
            ToolCallFailed: It gave no result.
        """
        self.calls.one_more()
        item = self.tools.get(name)
        if item is None or body_kind(item) == "table":
            raise ToolCallFailed(f"there is no tool {name!r}")
        if body_kind(item) == "native":
            function = native_function(item, self.box.functions)
            return await call_native(name, function, args, ctx=self.ctx)
        # Asked at each call, for a grant may be taken back while a run goes on; and once, for what
        # the call was let through with is what it runs with.
        granted = cache(self.box.granted)
        reason = why_not(item, self.tools, granted, cache(self.box.halted), inside)
        if reason is not None:
            raise ToolCallFailed(f"{name} cannot be used: {reason}")
        ready = read_tool(item)
        if ready.program is not None:
            permissions = (granted(ready.digest) or Permissions()).narrowed(ready.needs)
            return await self._code(
                name, ready, ready.program, args, permissions=permissions, shown=not inside
            )
        assert ready.chain is not None  # noqa: S101 - code or chain: `why_not` said so
        return await self._chain(name, ready, ready.chain, args, inside)

    async def _code(
        self,
        name: str,
        ready: Ready,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        shown: bool,
    ) -> Json:
        _refuse(name, ready.parameters.problem(args))
        started, tick = self.box.clock(), time.perf_counter()

        def work() -> Outcome:
            return self.box.sandbox().call(
                program, args, permissions=permissions, bounds=self.box.bounds
            )

        # Left behind when the run is cancelled: its own time bound ends it.
        outcome = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        use = Use(
            tool=name,
            digest=ready.digest,
            ok=outcome.ok,
            at=started,
            seconds=round(time.perf_counter() - tick, 6),
            level=permissions.level,
            run=self.run,
        )
        if outcome.failure is not None:
            failure = outcome.failure
            declined = refuses(failure, raised_on_purpose(program.source))
            what = DECLINED if declined else failure.what.value
            self._record(replace(use, what=what, message=failure.message))
            raise ToolCallFailed(_told(name, failure))
        return self._result(name, outcome.value, use, shown=shown)

    async def _chain(
        self, name: str, ready: Ready, chain: Chain, args: JsonObject, inside: tuple[str, ...]
    ) -> Json:
        given, every = wanted(chain, ready.parameters, args)
        _refuse(name, ready.parameters.problem(given))
        started, tick = self.box.clock(), time.perf_counter()
        within = (*inside, name)
        result = await run_chain(chain, given, lambda tool, each: self.tool(tool, each, within))
        use = Use(
            tool=name,
            digest=ready.digest,
            ok=result.failed is None,
            at=started,
            seconds=round(time.perf_counter() - tick, 6),
            level=needs_of(self.tools[name], self.tools).level,
            run=self.run,
            chain=True,
        )
        if result.failed is not None:
            message = failed_step(name, chain, result)
            self._record(replace(use, what=STEP_FAILED, message=message.split("\n", 1)[0]))
            raise ToolCallFailed(message)
        value = chain_value(chain, result, every=every)
        return self._result(name, value, use, shown=not inside)

    def _result(self, name: str, value: Json, use: Use, *, shown: bool) -> Json:
        """The result, if the model can be shown it; sub-tools' results it does not see."""
        size = len(as_text(value)) if shown else 0
        if size > self.box.longest:
            message = (
                f"{name} gave {size} characters; {self.box.longest} can be shown, ask for less"
            )
            self._record(replace(use, ok=False, what=TOO_LARGE, message=message))
            raise ToolCallFailed(message)
        self._record(use)
        return value

    def _record(self, use: Use) -> None:
        try:
            self.box.record(use)
        except StropError as error:
            # The result matters more to the run than our record of it.
            logger.warning("a call of %s was not recorded: %s", use.tool, error)


def _refuse(name: str, problem: str | None) -> None:
    """Refuse arguments that do not fit.

    Raises:
        ToolCallFailed: There is a problem.
    """
    if problem is not None:
        raise ToolCallFailed(f"{name} was not called: {problem}")


def _told(name: str, failure: Failure) -> str:
    """A failed call in words that a model can act on."""
    advice = _ADVICE.get(failure.what)
    message = f"{name} failed: {' '.join(failure.message.split())[:500]}"
    return f"{message}; {advice}" if advice else message
