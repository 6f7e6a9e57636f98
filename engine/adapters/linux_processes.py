"""Processes as Linux shows them in /proc: known by more than their number, and ended without a mistake.

A process's number is given to another one once it is gone. Its start time, in clock ticks since the machine
started, tells the two apart, and the boot's own id tells one boot from the next.
"""

import contextlib
import errno
import functools
import os
import signal
from pathlib import Path
from typing import Final, Literal, NamedTuple

from msgspec import Struct

_PROC: Final = "/proc"
_MOST_BYTES: Final = 4 << 20
"""An environment is at most the kernel's limit for arguments, two megabytes by default."""


class Process(Struct, frozen=True, array_like=True):
    """One process and no other that gets its number later."""

    pid: int
    started: int
    """Clock ticks from the machine's start to the process's (/proc/PID/stat, field 22)."""
    boot: str
    """Which start of the machine that was."""

    def __str__(self) -> str:
        """Name it as people look for it."""
        return f"process {self.pid}"


class Seen(NamedTuple):
    """What one look at /proc says of a process."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    is_over: bool
    """Whether it has ended, and only its parent has not asked how yet."""

    @property
    def process(self) -> Process:
        """Its identity."""
        return Process(self.pid, self.started, boot_id())


@functools.cache
def boot_id() -> str:
    """Return the id the kernel drew when the machine started; empty where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def look(pid: int) -> Seen | None:
    """Look at one process; `None` when there is none of that number, or it may not be looked at."""
    line = _read(f"{_PROC}/{pid}/stat")
    # The second field is the program's name in brackets, which may hold blanks and brackets itself.
    fields = line[line.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    # A first thread that has ended shows as a zombie while others of the process still run.
    is_over = fields[0] in {b"Z", b"X"} and int(fields[17]) <= 1
    return Seen(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), is_over)


def look_at_all() -> dict[int, Seen]:
    """Look at every process once, in about 15 µs each."""
    found = (look(int(path.name)) for path in Path(_PROC).iterdir() if path.name.isdecimal())
    return {seen.pid: seen for seen in found if seen is not None}


def identify(pid: int) -> Process | None:
    """Return what tells this process from later ones of its number; `None` when it is not there."""
    seen = look(pid)
    return seen.process if seen else None


def is_running(process: Process) -> bool:
    """Whether exactly this process still runs. One that waits to be asked how it ended does not."""
    seen = look(process.pid)
    return seen is not None and not seen.is_over and seen.process == process


def state_of(pid: int) -> Literal["running", "still", "gone"]:
    """Say how a process is: `still` was stopped by a signal and does nothing until another lets it go on."""
    seen = look(pid)
    if seen is None or seen.is_over:
        return "gone"
    line = _read(f"{_PROC}/{pid}/stat")
    return "still" if line[line.rfind(b")") + 2 :][:1] in {b"T", b"t"} else "running"


def environment(pid: int) -> dict[bytes, bytes]:
    """Return the environment a process was started with; empty when it may not be read.

    Only its own account and root may.
    """
    pairs = (entry.partition(b"=") for entry in _read(f"{_PROC}/{pid}/environ").split(b"\0"))
    return {name: value for name, _, value in pairs if name}


def kill(process: Process) -> None:
    """SIGKILL exactly this process; nothing happens when it is gone or may not be signalled.

    The handle is opened first and the identity checked afterwards: from then on it means this process, even
    if the number passes to another in between.
    """
    try:
        handle = os.pidfd_open(process.pid)
    except OSError as error:
        if error.errno == errno.ENOSYS and is_running(process):
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
        return
    try:
        if is_running(process):
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


def kill_group(leader: Process) -> None:
    """SIGKILL the group of a process that leads one, in one stroke: no member can fork its way out."""
    seen = look(leader.pid)
    if seen is not None and seen.process == leader and seen.group == leader.pid:
        with contextlib.suppress(OSError):
            os.killpg(leader.pid, signal.SIGKILL)


def holders(path: Path) -> tuple[Process, ...]:
    """Return the processes that hold a shared `flock` on a file, as far as this account may see."""
    try:
        inode = path.stat().st_ino
    except OSError:
        return ()
    found = set()
    for line in _read(f"{_PROC}/locks").decode(errors="replace").splitlines():
        # `1: FLOCK  ADVISORY  READ  4711 fe:00:1318 0 EOF`; who waits has an arrow after the number.
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK" or words[3] != "READ":
            continue
        # The device's number is not compared: some file systems report another one in here than `stat` does.
        if words[5].rpartition(":")[2] == str(inode) and _has_open(int(words[4]), path):
            found.add(identify(int(words[4])))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.pid))


def _has_open(pid: int, path: Path) -> bool:
    target = os.path.realpath(path)
    with contextlib.suppress(OSError):
        for handle in Path(f"{_PROC}/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(handle.readlink()) == target:
                    return True
    return False


def _read(path: str) -> bytes:
    """Read one file of /proc; empty when it is gone or not for us."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(handle, 1 << 16):
            parts.append(part)
            if len(parts) * (1 << 16) > _MOST_BYTES:
                break
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(handle)
