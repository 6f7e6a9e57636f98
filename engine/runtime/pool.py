"""The supervisor: starts the processes, starts them again, and stops what the fence says, whoever is dead.

It depends on none of the processes it starts. It never talks to them: signals, exit statuses and the files
of the fence are all it knows.

The fence is looked at fifty times a second. A notification from the kernel would come 10 ms sooner on
average, but says nothing on network file systems or when the folder cannot be read any more, and both must
count; looking works wherever reading does. Fifty looks cost about half a hundredth of a core.
"""

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from engine.core.vocabulary.facts import Scope
from engine.errors import WatchkeeperError
from engine.ports import Announcer, Fence, Stop
from engine.runtime.child import Child, Pace
from engine.runtime.layout import Layout
from engine.runtime.processes import ProcessesFile, ProcessSeen, only_supervisor, write_processes
from engine.runtime.tied import REFUSED, adopt_orphans

BY_SIGNAL: Final = "signal"
"""Who set a stop that came as SIGUSR1."""

_DRAIN_ORDER: Final = {"front": 0, "worker": 1, "pager": 1, "engine": 2}
"""What is stopped after what: nothing new comes in, then what is under way ends, then all of it is known."""
_LAST: Final = max(_DRAIN_ORDER.values())
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
_BETWEEN_SWEEPS_S: Final = 1.0
_LAST_SWEEPS_S: Final = 6.0


class Outcome(Protocol):
    """What a sweep has to say; its text is one line."""

    @property
    def alive(self) -> Sequence[str]:
        """What could not be ended, or nobody could tell. Empty means quiet."""


class Supervisor:
    """Runs the processes of one state folder until it is told to stop. Runs in the main thread."""

    def __init__(
        self,
        layout: Layout,
        commands: Mapping[str, list[str]],
        *,
        fence: Fence,
        sweep: Callable[[tuple[Stop, ...]], Outcome],
        end_left_behind: Callable[[], Outcome],
        announcer: Announcer,
        check: Callable[[], object] | None = None,
        logs: Path | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        `commands` are started in their order and stopped by what their names begin with: `front`, then
        `worker-1` and the others, then `engine`. `sweep` ends what stops cover, `end_left_behind` what a
        dead worker leaves; both run in threads and may take seconds. `check` raises a `WatchkeeperError`
        when the configuration would be refused. Output goes to a file for each in `logs`, to ours if `None`.
        """
        self._layout = layout
        self._children = [Child(name, argv, logs=logs) for name, argv in commands.items()]
        self._fence = fence
        self._sweep, self._end_left_behind = sweep, end_left_behind
        self._say, self._check = announcer.announce, check
        self._pace = pace or Pace()
        self._started_us = 0
        self._signals: deque[int] = deque()
        self._stops: dict[str, Stop] = {}
        self._sweeps: list[threading.Thread] = []
        self._status = 0
        # A clean stop goes through the ranks of the drain order; -1 while everything shall run.
        self._rank = -1
        self._deadline = 0.0
        self._in_hurry = False
        self._to_restart: deque[Child] = deque()
        self._restarting: Child | None = None
        self._restart_at = 0.0

    def run(self) -> int:
        """Start everything and look after it until told to stop; return the exit status.

        0 after a clean stop, 78 when a process refused to run in a way that starting again does not mend, or
        everything had to be ended because the fence could not be set. Raises `JournalBusy` when another
        supervisor has this state folder and `StorageError` when the machine refuses.
        """
        with only_supervisor(self._layout), self._hearing() as wake:
            adopt_orphans()
            self._started_us = time.time_ns() // 1000
            for child in self._children:
                self._start(child)
            self._note()
            while self._rank <= _LAST:
                self._look_at_stops()
                select.select([wake], [], [], self._pace.look_s)
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)
                self._turn()
            self._finish()
        return self._status

    def _turn(self) -> None:
        """Do everything that is due, without waiting for anything."""
        while self._signals:
            self._obey(self._signals.popleft())
        self._reap()
        now = time.monotonic()
        for child in self._children:
            if child.due is not None and now >= child.due:
                self._start(child)
                self._note()
        if self._rank >= 0:
            self._drain(now)
        else:
            self._restart_next(now)

    # ------------------------------------------------------------ signals

    def _obey(self, number: int) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            if self._rank < 0:
                self._begin_stop("stopping: what is under way is finished first")
            elif number == signal.SIGINT:
                self._hurry(self._pace.hurry_s)
        elif number == signal.SIGUSR1:
            self._stop_everything()
        elif number == signal.SIGHUP and self._rank < 0:
            self._begin_restart()

    def _stop_everything(self) -> None:
        stop = Stop(
            scope=Scope("all"), by=BY_SIGNAL, reason="SIGUSR1 to the supervisor", at_us=time.time_ns() // 1000
        )
        try:
            self._fence.set(stop)
        except WatchkeeperError as error:
            # Without a fence only processes that are gone begin nothing.
            self._say("failsafe", f"the fence cannot be set, so all is ended: {error}", urgent=True)
            self._status = REFUSED
            self._begin_stop("ending everything")
            self._hurry(0)
            self._in_thread(partial(self._sweep_until_quiet, (stop,), in_fence=False))

    # ------------------------------------------------------------ the fence

    def _look_at_stops(self) -> None:
        standing = {str(stop.scope): stop for stop in self._fence.stops()}
        if standing == self._stops:
            return
        new = tuple(stop for scope, stop in standing.items() if self._stops.get(scope) != stop)
        self._stops = standing
        if new:
            self._in_thread(partial(self._sweep_until_quiet, new, in_fence=True))

    def _sweep_until_quiet(self, stops: tuple[Stop, ...], *, in_fence: bool) -> None:
        """Sweep for these stops, and again while something is left and one of them stands.

        Those that are `in_fence` count as long as they are: a captain may be quicker than a thread begins.
        """
        names = "; ".join(
            f"{stop.by} stopped {stop.scope}{f': {stop.reason}' if stop.reason else ''}" for stop in stops
        )
        said = ""
        while True:
            if in_fence:
                standing = {stop.scope for stop in self._fence.stops()}
                stops = tuple(stop for stop in stops if stop.scope in standing)
                if not stops:
                    return
            outcome = self._sweep(stops)
            if str(outcome) != said:
                said = str(outcome)
                self._say("stopped", f"{names}; {said}", urgent=True)
            if not outcome.alive or self._rank > _LAST:
                return
            time.sleep(_BETWEEN_SWEEPS_S)

    def _tidy(self) -> None:
        """End what a dead worker left under way."""
        outcome = self._end_left_behind()
        if outcome.alive:
            self._say("failsafe", f"what a dead process left under way: {outcome}", urgent=True)

    def _in_thread(self, task: Callable[[], None]) -> None:
        def run() -> None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - said aloud; the supervisor itself must go on
                self._say("failsafe", f"a sweep failed: {type(error).__name__}: {error}", urgent=True)

        self._sweeps = [thread for thread in self._sweeps if thread.is_alive()]
        thread = threading.Thread(target=run, daemon=True)
        self._sweeps.append(thread)
        thread.start()

    # ------------------------------------------------------------ starting and ending

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            # Out of processes or memory, a full disk: all of them pass.
            wait_s = child.wait_longer(self._pace)
            text = f"{child.name} cannot be started ({error.strerror}); it is tried again in {wait_s:g} s"
            self._say("trouble", text, urgent=True)

    def _reap(self) -> None:
        for child in self._children:
            status = child.ended()
            if status is not None:
                self._after(child, status)
                self._note()
        # What children leave behind becomes ours, and nobody else asks how it ended.
        ours = {child.pid for child in self._children}
        with contextlib.suppress(ChildProcessError):
            while (
                ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            ) and ended.si_pid not in ours:
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _after(self, child: Child, status: int) -> None:
        """See to it that a process that ended is missed by nobody."""
        self._in_thread(self._tidy)
        if child is self._restarting:
            self._start(child)
            self._restarting, self._restart_at = None, time.monotonic() + self._pace.between_restarts_s
        elif self._rank >= 0 and (self._in_hurry or _rank(child) <= self._rank):
            return
        elif status == REFUSED:
            self._say("trouble", f"{child.name} refuses to run: {child.last_words()}", urgent=True)
            self._status = REFUSED
            if self._rank < 0:
                self._begin_stop(f"stopping, because {child.name} cannot run")
        else:
            wait_s = child.wait_longer(self._pace)
            text = f"{child.name} {child.last_exit}; it is started again in {wait_s:g} s"
            self._say("restarted", text)

    # ------------------------------------------------------------ a clean stop

    def _begin_stop(self, text: str) -> None:
        self._say("leaving", text)
        self._to_restart.clear()
        self._restarting = None
        self._enter(0)

    def _enter(self, rank: int) -> None:
        patience_s = (self._pace.front_s, self._pace.drain_s, self._pace.engine_s, 0.0)[rank]
        self._rank, self._deadline = rank, time.monotonic() + patience_s
        for child in self._leaving():
            child.due = None
            child.signal(signal.SIGTERM)
        self._note()

    def _hurry(self, patience_s: float) -> None:
        self._in_hurry = True
        self._deadline = time.monotonic() + patience_s
        for child in self._leaving():
            child.due = None
            child.signal(signal.SIGTERM)

    def _leaving(self) -> list[Child]:
        """Give the processes that have been told to leave."""
        return [child for child in self._children if self._in_hurry or _rank(child) <= self._rank]

    def _drain(self, now: float) -> None:
        staying = [child for child in self._leaving() if child.pid is not None]
        if not staying:
            self._enter(_LAST + 1 if self._in_hurry else self._rank + 1)
        elif now >= self._deadline:
            for child in staying:
                child.kill()

    def _finish(self) -> None:
        deadline = time.monotonic() + _LAST_SWEEPS_S
        for thread in self._sweeps:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._say("leaving", "everything has ended")
        self._note(is_over=True)

    # ------------------------------------------------------------ a new configuration

    def _begin_restart(self) -> None:
        try:
            if self._check is not None:
                self._check()
        except WatchkeeperError as error:
            text = f"the new configuration is refused, all goes on with the old one: {error}"
            self._say("trouble", text, urgent=True)
            return
        self._say("restarted", "every process is started again, one after another")
        self._to_restart = deque(sorted(self._children, key=_rank, reverse=True))

    def _restart_next(self, now: float) -> None:
        if self._restarting is not None:
            if now >= self._deadline:
                self._restarting.kill()
        elif self._to_restart and now >= self._restart_at:
            child = self._to_restart.popleft()
            # One that waits to be started again will read the new configuration anyway.
            if child.pid is not None:
                self._restarting, self._deadline = child, now + self._pace.drain_s
                child.signal(signal.SIGTERM)

    # ------------------------------------------------------------ surroundings

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[socket.socket]:
        """Take signals, each of which makes the socket readable."""
        reading, writing = socket.socketpair()
        with reading, writing:
            reading.setblocking(False)
            writing.setblocking(False)
            before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
            before_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
            try:
                yield reading
            finally:
                signal.set_wakeup_fd(before_fd)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number != signal.SIGCHLD:
            self._signals.append(number)

    def _note(self, *, is_over: bool = False) -> None:
        seen = ProcessesFile(
            supervisor=None if is_over else os.getpid(),
            started_us=self._started_us,
            is_stopping=self._rank >= 0 and not is_over,
            processes=tuple(
                ProcessSeen(
                    name=child.name,
                    pid=child.pid,
                    started_us=child.started_us,
                    restarts=child.restarts,
                    last_exit=child.last_exit,
                )
                for child in self._children
            ),
        )
        # A disk that is full must not keep us from looking after them.
        with contextlib.suppress(OSError):
            write_processes(self._layout, seen)


def _rank(child: Child) -> int:
    return _DRAIN_ORDER.get(child.kind, 0)
