"""What all sandboxes share: who a program runs as, what it may see, and what is kept of its output."""

import asyncio
import os
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from engine.adapters.marks import EFFECT_VARIABLE, HOME_VARIABLE
from engine.errors import EffectRefused
from engine.ports import Program

NOBODY: Final = 65534
WORKSPACE: Final = "/workspace"
TEMPORARY: Final = "/tmp"  # noqa: S108 - within a sandbox it is nobody else's

# Output past what is kept is read and thrown away, so that an honest program may be chatty. One that prints
# this many times as much does nothing else, and reading it costs us as much as it costs the program.
FLOOD: Final = 256

# A secret may lie across the place where output is cut, and half of one is no longer recognised. So the cut
# is moved outwards to the nearest white space, if there is any within this many bytes.
_WORD: Final = 4096

# A walk holds a handle of each folder above it, and a program can make a thousand in each other.
DEEPEST: Final = 250

# Never handed to anybody, whatever the configuration says: the machine would not survive it.
_SYSTEM_FOLDERS: Final = "/bin /boot /dev /etc /lib /lib64 /proc /sbin /sys /usr /var/lib/docker".split()
_NEVER_ITSELF: Final = frozenset(
    "/ /home /media /mnt /opt /root /run /srv /tmp /var /var/lib /var/run /var/tmp".split()
)

Why = Literal["exited", "timed out", "out of memory", "too much output", "killed"]
_Answer = TypeVar("_Answer")


async def to_the_end(doing: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Await something that must not be left half done; a cancellation waits until it is."""
    task = asyncio.ensure_future(doing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except BaseException:  # noqa: BLE001 - the task keeps it, and `result` raises it below
            break
    answer = task.result()
    if cancelled is not None:
        raise cancelled
    return answer


def environment_of(program: Program, home: str) -> dict[str, str]:
    """Return the whole environment of a program: nothing of ours is in it but two marks to find it by."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": TEMPORARY,
        "LANG": "C.UTF-8",
        "TMPDIR": TEMPORARY,
        **program.environment,
        EFFECT_VARIABLE: program.effect_id,
        HOME_VARIABLE: home,
    }


def checked_workspace(program: Program, home: Path) -> Path:
    """Return the real path of a program's workspace.

    Raises `EffectRefused` when it is no folder, when it is the machine's own, and when our state folder lies
    in it: a program could write the journal then.
    """
    real = Path(os.path.realpath(program.workspace))
    if not real.is_dir():
        raise EffectRefused("the workspace is no folder", place=str(program.workspace), cure="make it")
    if str(real) in _NEVER_ITSELF or any(real.is_relative_to(folder) for folder in _SYSTEM_FOLDERS):
        raise EffectRefused(
            "the workspace is a folder of the system",
            place=str(real),
            cure="give programs a folder of their own: `workspace.path` in watchkeeper.yaml",
        )
    if Path(os.path.realpath(home)).is_relative_to(real):
        raise EffectRefused(
            "the state folder lies in the workspace, and a program could rewrite it",
            place=str(real),
            cure="choose a workspace beside it or below it",
        )
    return real


def checked_shown(path: Path) -> Path:
    """Return the path of something a program may read. Raises `EffectRefused` when it is not there."""
    if not path.is_absolute() or not path.exists():
        raise EffectRefused("is not there to be shown", place=str(path), cure="name an existing full path")
    return path


def acting_ids(workspace: Path) -> tuple[int, int]:
    """Return the user and group a program runs as: never root.

    Ours, if we are not root. Else the owner of the workspace; and where that is root too, `nobody`.
    """
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    found = workspace.stat()
    return (found.st_uid, found.st_gid or NOBODY) if found.st_uid else (NOBODY, NOBODY)


def hand_over(workspace: Path, uid: int, gid: int) -> None:
    """Give everything in the workspace that belongs to root to whoever the program runs as.

    Only needed, and only done, where we are root ourselves: a program must be able to change what the other
    runners wrote. Links are not followed, other file systems and what is nested too deeply not entered, files
    with a second name elsewhere left alone. Takes about 3 ms for a thousand files.
    """
    if os.geteuid() != 0:
        return
    device = workspace.stat().st_dev
    # By descriptor, so that no program at work in there can put a link in our way.
    for path, folders, files, folder in os.fwalk(workspace):
        if os.fstat(folder).st_dev != device:
            folders.clear()
            continue
        if depth_of(path, workspace) >= DEEPEST:
            folders.clear()
        _take_from_root(".", folder, uid, gid)
        for name in files:
            _take_from_root(name, folder, uid, gid)


def depth_of(path: str | bytes, top: Path) -> int:
    """Return how many folders lie between a folder and one it is in, itself among them; 0 for that one."""
    return os.fsencode(path).count(b"/") - os.fsencode(top).count(b"/")


def _take_from_root(name: str, folder: int, uid: int, gid: int) -> None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if found.st_uid == 0 and not (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
            os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return  # another program took it away just now


class Kept:
    """The beginning and the end of one stream; the middle goes when there is more than may be kept."""

    def __init__(self, most_bytes: int) -> None:
        """Keep at most this much."""
        self._half = max(1, most_bytes // 2)
        self._flood = most_bytes * FLOOD
        self._head, self._tail = bytearray(), bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        self._seen += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[max(0, room) :]
        # Cut now and then, not for each piece: every cut copies what stays.
        if len(self._tail) > 4 * self._half:
            del self._tail[: -self._half]

    @property
    def flooded(self) -> bool:
        """Whether so much came that whoever prints it should be ended."""
        return self._seen > self._flood

    @property
    def cut_bytes(self) -> int:
        """How much `text` leaves out."""
        return self._parts()[1]

    def text(self) -> str:
        """Return what is kept, with a note where something is missing. What is not UTF-8 is shown as `�`."""
        head, cut, tail = self._parts()
        if not cut:
            return (head + tail).decode(errors="replace")
        note = f"\n[… {cut} bytes cut …]\n"
        return head.decode(errors="replace") + note + tail.decode(errors="replace")

    def _parts(self) -> tuple[bytes, int, bytes]:
        head, tail = bytes(self._head), bytes(self._tail[-self._half :])
        cut = self._seen - len(head) - len(tail)
        if cut:
            head, tail = _to_white_space(head[::-1])[::-1], _to_white_space(tail)
            cut = self._seen - len(head) - len(tail)
        return head, cut, tail


def _to_white_space(data: bytes) -> bytes:
    """Drop a word that may have been cut at the front."""
    for place, byte in enumerate(data[:_WORD]):
        if byte in b" \n\t\r":
            return data[place:]
    return data
