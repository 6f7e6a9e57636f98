"""The executor: performs leased effects, one door to the world for all of them.

Before an effect begins it is checked that its arguments are those decided on, it is noted on disk that it may
have begun, and the fence is asked at the very moment of beginning. While it runs the lease is kept alive and
the fence is watched. What cannot be reported is reported again until the engine has it.

On another machine, as a body, it trusts less: it performs what its owner lists, goes by its own clock and
notes, and ends what is under way when its lease is over: nobody over there counts on it any more.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from time import monotonic, perf_counter
from typing import Final

from msgspec import Struct, structs

from engine.core.vocabulary.actions import RunnerKind
from engine.core.vocabulary.chain import digest_of
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.facts import encode
from engine.core.vocabulary.ids import EffectId
from engine.core.vocabulary.units import SECOND_US
from engine.errors import (
    EffectRefused,
    InputError,
    LeaseLost,
    OutcomeUnknown,
    Stopped,
    StorageError,
    Unreachable,
    WatchkeeperError,
)
from engine.ports import Fence, Job, Notes, Runner, Task, UndoLog, Unfinished, Watch
from engine.runtime import wire
from engine.runtime.apart import Apart, Talk
from engine.runtime.fencing import covering

_log = logging.getLogger(__name__)

# A worker asks for work this long at a time: short enough that a clean stop need not wait for it.
_LEASE_WAIT_S: Final = 2.0
# A stop ends what is under way within about this long; see the benchmark of the kill switch.
_FENCE_LOOK_S: Final = 0.02
_PAUSE_S: Final = (0.05, 2.0)
# A stop that only this machine knows of does not keep the engine from handing out what it covers.
_PAUSE_AFAR_S: Final = 0.5
_BY_SWITCH: Final = "by the kill switch"
# A runner keeps its own time limit. One that does not is ended this much later.
_OVERTIME_S: Final = 5.0


# A sign may take six bytes on the wire, and a result has two texts.
_LONGEST_TEXT: Final = wire.MOST_BYTES // 16

_Came = tuple[EffectStatus, Result]


class _Active(Struct):
    leased: wire.LeasedEffect
    work: "asyncio.Task[None]"
    lease_s: float
    good_until: float = 0.0
    """Until when the lease surely is ours, by the steady clock; 0 before it was asked for."""
    ended_by: str = ""
    """`stop` or `lease` once it was cancelled from outside, `over` once there is nothing left to cancel."""


class _LeaseWatch:
    """A watch that also sees to it that nothing begins on a lease that may be another's by now."""

    def __init__(
        self, watch: Watch, active: _Active, now_s: Callable[[], float], notes: Notes | None
    ) -> None:
        self._watch, self._active, self._now_s, self._notes = watch, active, now_s, notes
        self._noted = False
        self.process, self.container = watch.process, watch.container

    @contextmanager
    def starting(self) -> Iterator[None]:
        if self._notes is not None and not self._noted:
            task = self._active.leased.task
            self._notes.begin(task.effect_id, task.token)
            self._noted = True
        with self._watch.starting():
            if self._now_s() > self._active.good_until:
                raise Stopped("its lease ran out before it began", cure="whoever has it now sees to it")
            yield


class Executor:
    """One worker process's hands."""

    def __init__(
        self,
        client: Talk,
        runners: Mapping[RunnerKind, Runner],
        fence: Fence,
        undo: UndoLog,
        *,
        worker: str,
        slots: int,
        lease_s: float,
        workspace: Path,
        watching: Callable[[Task], AbstractContextManager[Watch]],
        apart: Apart | None = None,
    ) -> None:
        """`watching` stands beside an effect from before it begins until it is over.

        `apart` is what a body has more; `None` on the engine's own machine.
        """
        self._apart = apart
        self._notes = apart.notes if apart is not None else None
        self._now_s = apart.now_s if apart is not None else monotonic
        self._left: set[asyncio.Task[None]] = set()
        self._client, self._runners, self._fence, self._undo = client, runners, fence, undo
        self._worker, self._slots, self._lease_s = worker, slots, lease_s
        self._workspace, self._watching = workspace, watching
        self._active: dict[EffectId, _Active] = {}
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Take no more effects; `run` returns when those under way are over."""
        self._draining.set()

    async def run(self) -> None:
        """Lease and perform until drained."""
        helpers = [asyncio.create_task(self._renew()), asyncio.create_task(self._watch_fence())]
        self._tell_left()
        try:
            while not self._draining.is_set():
                await self._lease_some()
                for helper in helpers:
                    if helper.done():
                        # Without them leases run out, or a stop is not seen: better no worker than that one.
                        helper.result()
            while working := [*(active.work for active in self._active.values()), *self._left]:
                await asyncio.wait(working)
        finally:
            working = [*helpers, *(active.work for active in self._active.values()), *self._left]
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    def _tell_left(self) -> None:
        """Tell the engine what whoever was here before could not: how each of its effects ended."""
        if self._notes is None:
            return
        for entry in self._notes.unfinished():
            work = asyncio.create_task(self._tell_one(entry), name=entry.effect_id)
            self._left.add(work)
            work.add_done_callback(self._left.discard)

    async def _tell_one(self, entry: Unfinished) -> None:
        if entry.stage == "asked":
            request: wire.GiveBack | wire.End = wire.GiveBack(effect_id=entry.effect_id, token=entry.token)
        else:
            why = "its body was ended while it was under way; how far it got is not known"
            result = entry.result if entry.result is not None else _failure(why)
            request = wire.End(
                effect_id=entry.effect_id, token=entry.token, status=entry.status, result=_fitting(result)
            )
        await self._until_told(request, f"{entry.effect_id}, left {entry.stage},")
        self._forget(entry.effect_id, entry.token)

    async def _lease_some(self) -> None:
        free = self._slots - len(self._active)
        if free == 0:
            drained = asyncio.create_task(self._draining.wait())
            works = [active.work for active in self._active.values()]
            await asyncio.wait([*works, drained], return_when=asyncio.FIRST_COMPLETED)
            drained.cancel()
            return
        if self._apart is not None and any(stop.scope.kind == "all" for stop in self._apart.stops()):
            # The engine knows nothing of it, and would hand out what can only be given back.
            await self._rest()
            return
        try:
            request = wire.Lease(worker=self._worker, most=free, wait_s=_LEASE_WAIT_S)
            leased = await self._client.get(wire.Leased, request, timeout_s=_LEASE_WAIT_S + 10)
        except WatchkeeperError as refused:
            # Whatever is wrong over there, what is under way here goes on.
            if not isinstance(refused, Unreachable | StorageError):
                _log.warning("nothing could be leased: %s", refused)
            await self._rest()
            return
        for effect in leased.effects:
            if self._draining.is_set():
                await self._give_back(effect.task)
                continue
            work = asyncio.create_task(self._perform(effect), name=effect.task.effect_id)
            self._active[effect.task.effect_id] = _Active(effect, work, self._lease_of(leased))
            work.add_done_callback(self._over)

    def _lease_of(self, leased: wire.Leased) -> float:
        """Say how long a lease is: a body hears it with each, a worker here goes by its own settings."""
        return leased.lease_s if self._apart is not None else self._lease_s

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._draining.wait(), _PAUSE_S[0] * 4)

    def _over(self, work: "asyncio.Task[None]") -> None:
        # What was given back may have been leased again already, and then has another's work.
        active = self._active.get(EffectId(work.get_name()))
        if active is not None and active.work is work:
            del self._active[active.leased.task.effect_id]
        if not work.cancelled() and (bug := work.exception()) is not None:
            _log.error("%s was not reported: its lease runs out", work.get_name(), exc_info=bug)

    async def _perform(self, effect: wire.LeasedEffect) -> None:
        task, active = effect.task, self._active[effect.task.effect_id]
        if digest_of(effect.action.name, encode(effect.args)) != effect.digest:
            came: _Came | None = ("refused", _failure("its arguments are not those that were decided on"))
        else:
            try:
                if self._apart is not None:
                    # However the engine describes it: its owner's word is what runs here.
                    effect = structs.replace(effect, action=self._apart.own(effect))
                came = await self._begin(effect, active)
            except EffectRefused as refused:
                came = "refused", _failure(str(refused))
        # From here on a cancellation would only lose what is to be told.
        active.ended_by = active.ended_by or "over"
        if came is None:
            await self._give_back(task)
        else:
            await self._report(task, *came)

    async def _begin(self, effect: wire.LeasedEffect, active: _Active) -> "_Came | None":
        """Begin it and say what came of it; `None` when nothing was touched, so that it may wait again."""
        task, began, may_have_begun = effect.task, perf_counter(), False
        came: _Came | None = None
        try:
            with self._watching(task) as watch:
                if self._notes is not None:
                    self._notes.ask(task.effect_id, task.token)
                self._renewed(active, self._now_s(), anew=self._apart is not None)
                await self._client.ask(wire.Start(effect_id=task.effect_id, token=task.token))
                may_have_begun = True
                came = await self._run(effect, _LeaseWatch(watch, active, self._now_s, self._notes))
        except WatchkeeperError as refused:
            # Behind a stop, or until the engine or the disk is back. Once it is over, only its record stayed.
            if came is not None:
                _log.warning("the record of %s stays: %s", task.effect_id, refused)
        except asyncio.CancelledError:
            lost = self._apart is not None and active.ended_by == "lease"
            if active.ended_by != "stop" and not lost:
                raise
            # The cancellation has done its work; the report must still get through.
            asyncio.current_task().uncancel()  # type: ignore[union-attr]  # this runs as a task
            if may_have_begun:
                by = "here when its lease was over, for the engine did not answer" if lost else _BY_SWITCH
                why = f"ended {by}, while it was under way; how far it got is not known"
                came = ("unknown" if lost else "stopped"), _failure(why, perf_counter() - began)
        return came

    def _renewed(self, active: _Active, asked_s: float, *, anew: bool) -> None:
        """Note until when a lease is ours, counted from before it was asked for.

        One that is not counted `anew` may have run for a while: half of it, and then every third is renewed.
        A body leaves a tenth, so that what it ends is over before anybody over there gives it up.
        """
        share = (0.9 if self._apart is not None else 1.0) if anew else 0.5
        active.good_until = asked_s + active.lease_s * share
        if self._notes is not None:
            under_way = {name: one.good_until for name, one in self._active.items() if one.good_until}
            # What reads them only ends what outlives us; we ourselves go by what we know.
            with suppress(WatchkeeperError):
                self._notes.deadlines(under_way)

    async def _run(self, effect: wire.LeasedEffect, watch: Watch) -> tuple[EffectStatus, Result]:
        task, action, run = effect.task, effect.action, effect.action.run
        status: EffectStatus
        began = perf_counter()
        if run is None or (runner := self._runners.get(run.runner)) is None:
            return "refused", _failure(f"this worker has no runner for {action.name}")
        job = Job(
            effect_id=task.effect_id,
            decision_id=task.decision_id,
            agent=task.agent,
            capability=task.capability,
            action=action,
            args=effect.args,
            workspace=self._workspace,
            watch=watch,
            undo=self._undo,
        )
        try:
            async with asyncio.timeout(run.timeout_us / SECOND_US + _OVERTIME_S):
                result = await _asked_for(runner, task, job)
        except Stopped:
            raise
        except TimeoutError:
            status, why = "unknown", "it ran past its time limit and did not end"
        except WatchkeeperError as failure:
            status = next(status for kind, status in _MEANINGS if isinstance(failure, kind))
            why = str(failure)
        except Exception as bug:  # noqa: BLE001 - a runner's bug must not take its neighbours' effects along
            _log.exception("the runner of %s failed", action.name)
            status, why = "unknown", f"its runner failed with {type(bug).__name__}"
        else:
            if result.success:
                return "done", result
            stopped = task.kind == "perform" and covering(self._fence.stops(), task) is not None
            return ("stopped" if stopped else "failed"), result
        return status, _failure(why, perf_counter() - began)

    async def _report(self, task: Task, status: EffectStatus, result: Result) -> None:
        """Tell the engine how it ended, until the engine has it on disk."""
        if self._notes is not None:
            try:
                await asyncio.to_thread(self._notes.end, task.effect_id, task.token, status, result)
            except WatchkeeperError as refused:
                _log.warning("how %s ended is not on disk: %s", task.effect_id, refused)
        request = wire.End(effect_id=task.effect_id, token=task.token, status=status, result=_fitting(result))
        await self._until_told(request, f"{task.effect_id} ended as {status}, and")
        self._forget(task.effect_id, task.token)

    async def _until_told(self, request: wire.End | wire.GiveBack, what: str) -> None:
        """Say it again and again until the engine has it, or says that it is none of our business."""
        pause = _PAUSE_S[0]
        while True:
            try:
                await self._client.ask(request)
                return
            except LeaseLost:
                return
            except WatchkeeperError as refused:
                _log.warning("%s cannot be reported yet: %s", what, refused)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE_S[1])

    def _forget(self, effect_id: EffectId, token: int) -> None:
        if self._notes is not None:
            # What stays is told once more, which changes nothing.
            with suppress(WatchkeeperError):
                self._notes.forget(effect_id, token)

    async def _give_back(self, task: Task) -> None:
        request = wire.GiveBack(effect_id=task.effect_id, token=task.token)
        if self._apart is not None:
            # Nothing was touched, which only we know: it is said until it is heard.
            await self._until_told(request, f"{task.effect_id} was not begun, and")
            self._forget(task.effect_id, task.token)
            await asyncio.sleep(_PAUSE_AFAR_S)
            return
        # When it cannot be given back, its lease runs out.
        with suppress(WatchkeeperError):
            await self._client.ask(request)
        await asyncio.sleep(_PAUSE_S[0])

    async def _renew(self) -> None:
        while True:
            lease_s = min([self._lease_s, *(active.lease_s for active in self._active.values())])
            await asyncio.sleep(lease_s / 3)
            tokens = {name: active.leased.task.token for name, active in self._active.items()}
            if not tokens:
                continue
            with suppress(WatchkeeperError):
                asked_s = self._now_s()
                renewed = await self._client.get(
                    wire.Renewed, wire.Renew(worker=self._worker, tokens=tokens), timeout_s=lease_s
                )
                for effect_id in renewed.lost:
                    self._end(effect_id, tokens[effect_id], "lease")
                for effect_id in tokens.keys() - set(renewed.lost):
                    active = self._active.get(effect_id)
                    if active is not None and active.leased.task.token == tokens[effect_id]:
                        self._renewed(active, asked_s, anew=True)

    async def _watch_fence(self) -> None:
        while True:
            await asyncio.sleep(_FENCE_LOOK_S)
            self.look()

    def look(self) -> None:
        """End what a stop covers by now, and on a body what is under way without a lease."""
        if not self._active:
            return
        stops, now_s = self._fence.stops(), self._now_s()
        for effect_id, active in list(self._active.items()):
            if stops and covering(stops, active.leased.task) is not None:
                self._end(effect_id, active.leased.task.token, "stop")
            elif self._apart is not None and active.good_until and now_s > active.good_until:
                self._end(effect_id, active.leased.task.token, "lease")

    def _end(self, effect_id: EffectId, token: int, why: str) -> None:
        active = self._active.get(effect_id)
        # Once: a second cancellation would interrupt the clearing up, or the report.
        if active is not None and active.leased.task.token == token and not active.ended_by:
            active.ended_by = why
            active.work.cancel()


# A refusal comes before anything was touched; of the rest only one kind leaves it open whether it was done.
_MEANINGS: Final[tuple[tuple[type[WatchkeeperError], EffectStatus], ...]] = (
    (EffectRefused, "refused"),
    (InputError, "refused"),
    (OutcomeUnknown, "unknown"),
    (WatchkeeperError, "failed"),
)


async def _asked_for(runner: Runner, task: Task, job: Job) -> Result:
    match task.kind:
        case "perform":
            return await runner.perform(job)
        case "undo":
            return await runner.undo(job, task.of, force=task.force)
        case "preview":
            return await runner.preview(job)


def _fitting(result: Result) -> Result:
    """Cut what would not fit one line to the engine: it would take the whole connection along, every time."""
    if len(result.output) <= _LONGEST_TEXT and len(result.error) <= _LONGEST_TEXT:
        return result
    return structs.replace(result, output=_cut(result.output), error=_cut(result.error))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}\n(cut: {len(text):,} characters)"


def _failure(error: str, took_s: float = 0.0) -> Result:
    return Result(success=False, error=error, execution_time_s=took_s)
