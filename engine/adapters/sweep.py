"""Ending what is under way behind a stop: processes, their children, containers, and wedged workers.

Anybody may sweep, at any time and as often as they like: the command line, the front, a worker, the
supervisor. It reads files and /proc, asks nobody, and needs none of the other processes alive. What belongs
to an effect is found in four ways, because each alone can be evaded: the processes a worker wrote down, with
their groups and sessions; their descendants; every process that inherited the effect's mark in its
environment, whoever its parent is by now; and containers by their labels.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.adapters.fence_files import FileFence
from engine.adapters.inflight import EffectRecord, InFlight
from engine.adapters.linux_processes import (
    Process,
    Seen,
    environment,
    is_running,
    kill,
    kill_group,
    look_at_all,
)
from engine.adapters.marks import EFFECT_VARIABLE, HOME_VARIABLE, home_id
from engine.adapters.sweep_containers import ContainerSweep, Wanted
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import EffectId
from engine.errors import WatchkeeperError
from engine.ports import Stop

GRACE_S: Final = 2.0
"""How long a worker has to let go of an effect, or to get through its beginning, before it counts as wedged.

Starting a container takes a tenth of a second on an idle machine and much longer when fifty are ended beside
it; killing the worker would cost the others' results too. Twice this is still within five seconds."""
DEADLINE_S: Final = 4.0
"""How long a sweep takes at most; within the five seconds in which everything has to be quiet."""

_POLL_S: Final = 0.01
_PATIENCE_S: Final = 0.05
"""How long the fence's door is kept closed at a time, while somebody is beginning something."""


class Swept(Struct, frozen=True, kw_only=True):
    """What a sweep found and ended, and what it could not end."""

    effects: tuple[EffectId, ...]
    """Effects with a record that were covered. The record of one whose worker had to be killed stays."""
    processes: int
    """How many processes were ended, workers aside."""
    containers: int
    workers: tuple[int, ...]
    """The wedged workers that were killed, by process number."""
    alive: tuple[str, ...]
    """What still runs, or nobody could tell. Empty means that everything is verified gone."""
    took_s: float

    def __str__(self) -> str:
        """Say it in one line."""
        counts = [(self.processes, "process", "es"), (self.containers, "container", "s")]
        counts.append((len(self.workers), "wedged worker", "s"))
        parts = [f"{count} {name}{plural if count != 1 else ''}" for count, name, plural in counts if count]
        said = f"ended {', '.join(parts)}" if parts else "nothing was under way"
        return f"{said}; still there: {', '.join(self.alive)}" if self.alive else said


def end_all(
    home: str | os.PathLike[str],
    stops: Collection[Stop],
    *,
    docker: str | None = None,
    spare: Iterable[int] = (),
    grace_s: float = GRACE_S,
    deadline_s: float = DEADLINE_S,
) -> Swept:
    """End everything under way that these stops cover, and verify that it is gone.

    Set the stops first: it waits until nothing they cover can begin any more. What bears the mark of an
    effect without a record is covered by any stop. A worker that holds on to a covered effect `grace_s`
    later, or is still in the middle of beginning one, is killed. `docker` is the engine's address, the
    environment's when `None`; without an engine it costs nothing. `spare` are processes never to kill,
    besides this one. Never raises for what it finds; what it could not end or see is in `alive`.

    A stop that is lifted meanwhile covers nothing any more, for what has begun since is none of its business.
    One that was not in the fence to begin with, because it could not be put there, counts to the end.
    """
    if not stops:
        return Swept(effects=(), processes=0, containers=0, workers=(), alive=(), took_s=0.0)
    standing = _Standing(Path(home) / "stops", stops)
    sweep = _Sweep(Path(home), standing.cover, spare, docker, look_again=standing.look)
    return sweep.run(grace_s=grace_s, deadline_s=deadline_s, settle=True)


def end_left_behind(
    home: str | os.PathLike[str],
    silent: EffectId | None = None,
    *,
    docker: str | None = None,
    deadline_s: float = DEADLINE_S,
) -> Swept:
    """End what works for effects whose worker is gone, and forget the records of those that are quiet.

    For whoever sees a worker die: nobody will take the result of what it began. `silent` is an effect whose
    worker lost it and may still be there, standing still: what works for it is ended too, the worker is not.
    Never raises for what it finds.
    """
    silent_ones = [one for one in InFlight(Path(home) / "inflight").all() if one.effect_id == silent]
    sweep = _Sweep(
        Path(home),
        lambda record: record.effect_id == silent or not record.is_held,
        [one.worker.pid for one in silent_ones if one.is_held],
        docker,
    )
    # The dead begin nothing, so there is nobody to wait for.
    swept = sweep.run(grace_s=deadline_s, deadline_s=deadline_s, settle=False)
    if not swept.alive:
        inflight = InFlight(Path(home) / "inflight")
        held = {one.effect_id for one in silent_ones if one.is_held}
        for effect_id in swept.effects:
            if effect_id not in held:
                inflight.forget(effect_id)
    return swept


class _Standing:
    """The stops a sweep is for, as long as they stand."""

    def __init__(self, folder: Path, stops: Collection[Stop]) -> None:
        self._folder, self._stops = folder, tuple(stops)
        in_fence = self._in_fence()
        self._forced = {stop.scope for stop in stops if in_fence is None or stop.scope not in in_fence}

    def look(self) -> bool:
        """Leave out what was lifted; whether anything stands."""
        in_fence = self._in_fence()
        # Nobody lifted what nobody can read.
        if in_fence is not None:
            self._stops = tuple(one for one in self._stops if one.scope in in_fence | self._forced)
        return bool(self._stops)

    def cover(self, record: EffectRecord) -> bool:
        """Whether one of them covers an effect."""
        return any(one.scope.covers(record.agent, record.capability, record.action) for one in self._stops)

    def _in_fence(self) -> set[Scope] | None:
        try:
            return {stop.scope for stop in FileFence(self._folder).stops()}
        except WatchkeeperError:
            return None


class _Sweep:
    """One sweep: looks, kills and looks again until nothing is left or the deadline has passed."""

    def __init__(
        self,
        home: Path,
        is_covered: Callable[[EffectRecord], bool],
        spare: Iterable[int],
        docker: str | None,
        *,
        look_again: Callable[[], bool] = lambda: True,
    ) -> None:
        self._look_again = look_again
        self._home = home
        self._id = home_id(home)
        self._is_covered = is_covered
        self._spare = {*spare, os.getpid()}
        self._inflight = InFlight(home / "inflight")
        self._records: list[EffectRecord] = []
        self._effects: dict[EffectId, EffectRecord] = {}
        self._found: set[Process] = set()
        self._workers: set[Process] = set()
        self._troubles: list[str] = []
        self._containers = ContainerSweep(os.path.realpath(home), self._wanted, docker=docker)

    def run(self, *, grace_s: float, deadline_s: float, settle: bool) -> Swept:
        began = time.monotonic()
        deadline = began + deadline_s
        self._read_records()
        self._containers.start(deadline=deadline)
        beginning: set[Process] | None = None
        while True:
            # Whoever was just beginning something may have done so since the last look, so one more follows.
            is_last = beginning == set()
            targets = self._kill_processes()
            if targets is None:
                self._containers.nothing_begins()
                break
            holding = self._holding()
            if is_last and not targets and not holding and self._containers.is_over:
                break
            if not is_last:
                beginning = self._beginning() if settle else set()
                if not beginning:
                    self._containers.nothing_begins()
            now = time.monotonic()
            if now >= began + grace_s:
                self._kill_workers(holding | (beginning or set()))
            if now >= deadline:
                break
            time.sleep(_POLL_S)
        return self._summary(time.monotonic() - began)

    # ------------------------------------------------------------ what is covered

    def _read_records(self) -> None:
        self._records = self._inflight.all()
        self._choose()

    def _choose(self) -> None:
        # Bound anew rather than changed: the thread for containers reads it meanwhile.
        known = self._effects | {one.effect_id: one for one in self._records}
        self._effects = {name: one for name, one in known.items() if self._is_covered(one)}

    def _covered(self) -> list[EffectRecord]:
        """Give the records of covered effects, those that are gone by now too: a process may have stayed."""
        return list(self._effects.values())

    def _wanted(self) -> Wanted:
        covered = self._covered()
        return Wanted(
            covered=frozenset(record.effect_id for record in covered),
            # Read anew: what began after the last look has a record by now, and is no stray.
            known=frozenset(record.effect_id for record in (*self._records, *self._inflight.all())),
            named=frozenset(name for record in covered for name in record.containers),
        )

    def _holding(self) -> set[Process]:
        """Give the workers that still run and have not let go of a covered effect."""
        return {
            record.worker
            for record in self._records
            if record.effect_id in self._effects and record.worker.pid not in self._spare and record.is_held
        }

    # ------------------------------------------------------------ ending it

    def _kill_processes(self) -> set[Process] | None:
        """Look once, kill what is covered, and return it; `None` once no stop stands any more.

        In this order: whatever was seen and works for an effect has had its record since before it began, so
        it is found now; and if the stop still stands now, it has begun before the stop or behind it.
        """
        seen = look_at_all()
        self._read_records()
        if not self._look_again():
            return None
        self._choose()
        leaders = {
            process
            for record in self._covered()
            for process in record.processes
            if process.pid in seen and seen[process.pid].process == process
        }
        targets = self._with_descendants(seen, leaders)
        self._found |= {one.process for one in targets}
        spared = {seen[pid].group for pid in self._spare if pid in seen}
        for leader in leaders:
            if leader.pid not in spared:
                kill_group(leader)
        for one in targets:
            kill(one.process)
        return {one.process for one in targets}

    def _with_descendants(self, seen: dict[int, Seen], leaders: set[Process]) -> list[Seen]:
        # A leader that has ended keeps its number until its parent asks, and its group means it until then.
        # Without its leader a group is told by the mark alone: the number could be a stranger's by now.
        numbers = {leader.pid for leader in leaders}
        chosen = {
            pid
            for pid, one in seen.items()
            if pid in numbers or one.group in numbers or one.session in numbers or self._is_marked(pid)
        }
        children: dict[int, list[int]] = {}
        for pid, one in seen.items():
            children.setdefault(one.parent, []).append(pid)
        todo = list(chosen)
        while todo:
            new = [pid for pid in children.get(todo.pop(), ()) if pid not in chosen]
            chosen.update(new)
            todo += new
        return [seen[pid] for pid in sorted(chosen - self._spare) if not seen[pid].is_over]

    def _is_marked(self, pid: int) -> bool:
        """Whether a process bears the mark of a covered effect, or of one that has no record."""
        marks = environment(pid)
        if marks.get(HOME_VARIABLE.encode()) != self._id.encode():
            return False
        effect = EffectId(marks.get(EFFECT_VARIABLE.encode(), b"").decode(errors="replace"))
        return effect in self._effects or all(effect != record.effect_id for record in self._records)

    def _beginning(self) -> set[Process]:
        """Give who is still in the middle of beginning a covered effect, or one without a record.

        Such a process may have looked at the fence before the stop was set. If it was stopped there, it would
        begin the effect behind the stop once somebody wakes it.
        """
        try:
            inside = FileFence(self._home / "stops").settle(_PATIENCE_S)
        except WatchkeeperError as error:
            self._troubles = [f"whatever was just beginning: {error}"]
            return set()
        if not inside:
            return set()
        self._read_records()
        busy_elsewhere = {one.worker for one in self._records} - self._holding()
        return {one for one in inside if one not in busy_elsewhere and one.pid not in self._spare}

    def _kill_workers(self, workers: Iterable[Process]) -> None:
        for worker in workers:
            if worker.pid not in self._spare:
                kill(worker)
                self._workers.add(worker)

    # ------------------------------------------------------------ the end

    def _summary(self, took_s: float) -> Swept:
        alive = [f"{one} ({_program(one)})" for one in self._found | self._workers if is_running(one)]
        alive += [f"{one}, a worker" for one in self._holding() - self._workers]
        return Swept(
            effects=tuple(sorted(self._effects)),
            processes=sum(not is_running(one) for one in self._found),
            containers=self._containers.ended,
            workers=tuple(sorted(one.pid for one in self._workers)),
            alive=(*sorted(alive), *self._containers.alive, *self._troubles),
            took_s=took_s,
        )


def _program(process: Process) -> str:
    """Name a process's program, for people."""
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    except OSError:
        return "gone just now"
