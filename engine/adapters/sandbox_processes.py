"""Starting a program as a process group, listening to it, and ending all of it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.adapters.marks import EFFECT_VARIABLE, HOME_VARIABLE
from engine.adapters.sandbox import Kept, Why, to_the_end
from engine.adapters.sandbox_cgroup import Group
from engine.errors import EffectRefused, StorageError
from engine.ports import Ended, Program, Watch

# How long a killed process may take to vanish. The kernel needs milliseconds, unless one hangs in a driver.
_VANISH_S: Final = 5.0
# How long output is still read after the last process is gone. It waits in the pipe already.
_DRAIN_S: Final = 1.0
_CHUNK: Final = 1 << 16

# ---------------------------------------------------------------- finding


def marked_processes(home: str, effect_id: str | None = None) -> dict[int, str]:
    """Find our programs by the marks in their environment: process id to effect id.

    Sees those of every state folder user that we may look at; `effect_id=None` means any. A program that
    wipes its own environment is not found by this, which is why it is not the only way we look.
    """
    found = {}
    home_mark = f"{HOME_VARIABLE}={home}".encode()
    for pid in _pids():
        with contextlib.suppress(OSError):
            marks = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if home_mark not in marks:
                continue
            for mark in marks:
                name, _, value = mark.partition(b"=")
                if name == EFFECT_VARIABLE.encode() and effect_id in {None, value.decode(errors="replace")}:
                    found[pid] = value.decode(errors="replace")
    return found


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names are enough


def _family(leader: int, known: set[int]) -> set[int]:
    """Find the living of a leader's group and session, of those known already, and their descendants.

    By system calls first: to read what `/proc` says of each process takes fifty times as long.
    """
    found = {pid for pid in _pids() if pid in known or _belongs(pid, leader)}
    unseen = list(found)
    while unseen:
        children = _children(unseen.pop()) - found
        found |= children
        unseen += children
    return {pid for pid in found if _lives(pid)}


def _belongs(pid: int, leader: int) -> bool:
    try:
        return leader in {pid, os.getsid(pid), os.getpgid(pid)}
    except OSError:
        return False


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names are enough
            found |= {int(word) for word in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()}
    return found


def _lives(pid: int) -> bool:
    """Whether a process is there; the dead that nobody has buried do not count."""
    try:
        # The name stands in brackets and may hold anything, brackets too.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except (OSError, IndexError):
        return False


# ---------------------------------------------------------------- ending


async def end_all(leader: int, *, home: str, effect_id: str, group: Group | None) -> None:
    """Kill a process group and whatever left it, and see that all is gone. Raises `StorageError` if not."""
    doomed: set[int] = set()
    began, pause = time.monotonic(), 0.001
    while True:
        doomed = _family(leader, doomed) | set(marked_processes(home, effect_id))
        if group is not None:
            doomed |= group.pids()
        # First, and in one stroke: a shell whose command is killed a moment earlier goes on to the next one.
        if doomed:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGKILL)
        if group is not None:
            group.kill()
        if not doomed:
            return
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() - began > _VANISH_S:
            raise StorageError(
                f"processes do not end: {', '.join(map(str, sorted(doomed)))}",
                place=effect_id,
                cure="see what they wait for in /proc/<pid>/stack; restarting the machine ends them",
            )
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)


# ---------------------------------------------------------------- running


class _Running:
    """One process, its three pipes, and the moment at which it ends, on the event loop."""

    def __init__(self, process: "subprocess.Popen[bytes]", program: Program) -> None:
        self._loop = asyncio.get_running_loop()
        self.process = process
        most = program.limits.output_kib * 1024
        self.output, self.errors = Kept(most), Kept(most)
        self.exited: asyncio.Future[None] = self._loop.create_future()
        self.flooded: asyncio.Future[None] = self._loop.create_future()
        self.silent: asyncio.Future[None] = self._loop.create_future()
        self._open: set[int] = set()
        # A descriptor of the process becomes readable when it ends: no thread, no signal handler, and the
        # same on every event loop.
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._end)
        for pipe, kept in ((process.stdout, self.output), (process.stderr, self.errors)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._open.add(pipe.fileno())
                self._loop.add_reader(pipe.fileno(), self._read, pipe.fileno(), kept)
        self._rest = memoryview(program.stdin)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._loop.add_writer(process.stdin.fileno(), self._write, process.stdin.fileno())

    def _end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if not self.exited.done():
            self.exited.set_result(None)

    def _read(self, pipe: int, kept: Kept) -> None:
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(pipe)
            self._open.discard(pipe)
            if not self._open and not self.silent.done():
                self.silent.set_result(None)
            return
        kept.feed(data)
        if kept.flooded and not self.flooded.done():
            self.flooded.set_result(None)

    def _write(self, pipe: int) -> None:
        try:
            self._rest = self._rest[os.write(pipe, self._rest[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._rest = self._rest[:0]  # it does not want to know the rest
        if not self._rest and self.process.stdin is not None:
            self._loop.remove_writer(pipe)
            self.process.stdin.close()

    def close(self) -> None:
        """Let go of every descriptor. The process has ended."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        for pipe in (self.process.stdout, self.process.stderr, self.process.stdin):
            if pipe is not None and not pipe.closed:
                self._loop.remove_reader(pipe.fileno())
                self._loop.remove_writer(pipe.fileno())
                pipe.close()


async def run_processes(
    program: Program,
    watch: Watch,
    *,
    argv: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    home: str,
    group: Group | None = None,
) -> Ended:
    """Start `argv` as a process group of its own and stay until nothing of it is left.

    Must be called on the thread that lives as long as the program may: the kernel ends those who asked to
    die with their parent when the *thread* that made them ends.
    """
    began = time.monotonic()
    running = _start(program, watch, argv=argv, environment=environment, folder=folder, home=home)
    try:
        why = await _until_over(running, program.limits.wall_us / 1e6)
    finally:
        await to_the_end(_bury(running, home=home, effect_id=program.effect_id, group=group))
    status: int | None = running.process.returncode
    if why == "exited" and group is not None and group.ran_out_of_memory():
        why = "out of memory"
    elif why == "exited" and status is not None and status in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        why = "killed"
    return Ended(
        why=why,
        status=status if why in {"exited", "killed"} else None,
        output=running.output.text(),
        errors=running.errors.text(),
        cut_bytes=running.output.cut_bytes + running.errors.cut_bytes,
        execution_time_s=time.monotonic() - began,
    )


def _start(
    program: Program,
    watch: Watch,
    *,
    argv: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    home: str,
) -> _Running:
    process: subprocess.Popen[bytes] | None = None
    try:
        with watch.starting():
            process = subprocess.Popen(  # noqa: S603 - argv is the decided action's, and this is the door
                argv,
                stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, EFFECT_VARIABLE: program.effect_id, HOME_VARIABLE: home},
                cwd=folder,
                start_new_session=True,
            )
            # Within the block: whoever sets a stop waits until we have left it, and finds the process then.
            watch.process(process.pid)
        return _Running(process, program)
    except OSError as error:
        if process is None:
            raise EffectRefused(
                f"the program cannot be started: {(error.strerror or str(error)).lower()}",
                place=str(error.filename or argv[0]),
                cure="check its path and mode",
            ) from error
        _discard(process)
        raise
    except BaseException:
        if process is not None:
            _discard(process)
        raise


def _discard(process: "subprocess.Popen[bytes]") -> None:
    """End a process that was started and cannot be watched."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


async def _until_over(running: _Running, wall_s: float) -> Why:
    await asyncio.wait({running.exited, running.flooded}, timeout=wall_s, return_when=asyncio.FIRST_COMPLETED)
    if running.flooded.done():
        return "too much output"
    return "exited" if running.exited.done() else "timed out"


async def _bury(running: _Running, *, home: str, effect_id: str, group: Group | None) -> None:
    """End everything, read what is left in the pipes, and take the exit status."""
    try:
        await end_all(running.process.pid, home=home, effect_id=effect_id, group=group)
        await asyncio.wait({running.silent}, timeout=_DRAIN_S)
        running.process.wait(timeout=_VANISH_S)
    finally:
        running.close()
