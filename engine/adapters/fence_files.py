"""The fence: one file for each stop, in a folder that any program, script or person can write to.

It needs no engine and no journal. A stop is on the disk when `set` returns, and nothing it covers begins any
more. Two locks see to the second half. Whoever begins an effect passes the *door*, enters the *room*, looks
at the stops, begins, and leaves the room; all of them share both locks. Whoever sets a stop writes it first,
then closes the door and waits for the room to be empty: whoever was in there may have looked before the stop
was written, and whoever comes later will see it. Without the door a busy room would never be empty.

Nothing is remembered between two looks. Listing a folder takes a few microseconds, less than the locks do,
and a cache that a coarse clock or an edit in place can fool would be the one part of this that can be wrong.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args, get_type_hints
from urllib.parse import quote, unquote

import msgspec

from engine.adapters.files import atomic_write, storage_errors
from engine.adapters.linux_processes import Process, holders
from engine.adapters.redaction import without_secrets
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.core.vocabulary.units import time_text
from engine.errors import Stopped, StorageError
from engine.ports import Stop

LOCK: Final = "fence.lock"
"""The room's file, in the state folder; the door's is beside it."""
BY_HAND: Final = "a file"
"""Who set a stop that is an empty file: nobody wrote down who."""

_KINDS: Final = get_args(get_type_hints(Scope)["kind"])
_OWN_TEMPORARY: Final = (".watchkeeper-", ".tmp")
"""What `atomic_write` leaves behind when it is killed half-way: not a stop yet."""
_MOST_BYTES: Final = 1 << 16
_LONGEST_NAME: Final = 255
_EVERYTHING: Final = Scope("all")
_WIDEST_FIRST: Final = {kind: rank for rank, kind in enumerate(_KINDS)}
# Beginning an effect is a matter of a millisecond; who holds the room for a quarter of a second is wedged.
# That leaves most of a second, the aim for everything to be quiet, for ending it.
_PATIENCE_S: Final = 0.25
# A door that stays closed for longer than any patience is held by somebody who stopped in the middle.
_DOOR_PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.000_5

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Stop).decode


def file_name(scope: Scope) -> str:
    """Give the file of a stop its name: the scope, percent-encoded. A name too long for a file is hashed.

    >>> file_name(Scope("agent", "coder-1"))
    'agent%3Acoder-1'
    """
    name = quote(str(scope), safe="")
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(str(scope).encode()).hexdigest()


class FileFence:
    """The stops that stand, as files. Safe from any number of processes and threads at once."""

    def __init__(self, folder: str | os.PathLike[str], *, patience_s: float = _PATIENCE_S) -> None:
        """Use this folder; it is made when missing, the state folder around it is not.

        `patience_s` is how long setting a stop waits for those who are just beginning something. Raises
        `InputError` when the state folder is not there, and `StorageError` when the machine refuses: a stop
        set in a wrong place would stop nothing.
        """
        self._folder = Path(folder).absolute()
        self._patience_s = patience_s
        self._room = self._folder.parent / LOCK
        self._door = self._room.with_suffix(".door")
        self._make_folder()

    # ------------------------------------------------------------ the stops

    def stops(self) -> tuple[Stop, ...]:
        """Return the stops that stand, the widest first. What cannot be read counts as a stop of everything.

        Reads the folder anew each time: about 3 µs when there are none, and 10 µs more for each stop.
        """
        return tuple(stop for _, stop in self._files())

    def set(self, stop: Stop) -> None:
        """Put a stop up. It is on the disk, and nothing it covers begins any more, when this returns.

        Waits at most `patience_s` for those who are just beginning; `settle` tells who was still at it then.
        Setting a scope again changes nothing, and makes sure that the first one is on the disk. When the disk
        is full the file is left empty: it stops the same, and only who and why are lost. Raises
        `StorageError` when not even that can be had.
        """
        self._make_folder()
        path = self._folder / file_name(stop.scope)
        # Whatever has the name stops this scope or everything: to replace it could only narrow it.
        if os.path.lexists(path):
            self._sync()
        else:
            self._write(path, stop)
        self.settle()

    def clear(self, scope: Scope) -> None:
        """Take one stop down, durably; wider and narrower ones stay. The engine does, having journaled it.

        Clearing everything also takes away the files that count as a stop of everything because nobody can
        read them. Raises `StorageError` when the disk refuses: then the stop stands.
        """
        if scope == _EVERYTHING:
            self._make_folder()
        for path, stop in self._files():
            if stop.scope == scope and path != self._folder:
                with storage_errors(path):
                    _remove(path)
        self._sync()

    # ------------------------------------------------------------ beginning

    @contextlib.contextmanager
    def starting(self, agent: AgentId, capability: CapabilityId, action: ActionName) -> Iterator[None]:
        """Surround the moment in which an effect begins.

        Keep it short: who sets a stop waits for it, and ends a process that stays. Raises `Stopped` behind a
        stop, saying who set it, when, why and who can lift it, and `StorageError` when the locks cannot be
        had; nothing may begin then either.
        """
        door = self._take(self._door, fcntl.LOCK_SH, patience_s=_DOOR_PATIENCE_S)
        if door is None:
            raise Stopped(
                "somebody began to set a stop and has not finished",
                place=str(self._door),
                cure="find out what holds this file (`lslocks`) and end it",
            )
        try:
            room = self._take(self._room, fcntl.LOCK_SH, patience_s=_DOOR_PATIENCE_S)
        finally:
            _let_go(door)
        if room is None:
            raise Stopped(
                "the fence is held", place=str(self._room), cure="end what holds this file (`lslocks`)"
            )
        try:
            for stop in self.stops():
                if stop.scope.covers(agent, capability, action):
                    raise _stopped(stop)
            yield
        finally:
            _let_go(room)

    def settle(self, patience_s: float | None = None) -> tuple[Process, ...]:
        """Wait until everybody who was beginning something when this was called has left.

        Returns nobody, as a rule. Otherwise the processes that were still at it when `patience_s` (the
        fence's own when `None`) ran out: they are wedged or stopped, may have looked before the newest stop,
        and must be ended before they go on. Raises `StorageError` when the locks cannot be had.
        """
        deadline = time.monotonic() + (self._patience_s if patience_s is None else patience_s)
        door = self._take(self._door, fcntl.LOCK_EX, patience_s=deadline - time.monotonic())
        try:
            room = self._take(self._room, fcntl.LOCK_EX, patience_s=deadline - time.monotonic())
        finally:
            _let_go(door)
        if room is None:
            return holders(self._room)
        _let_go(room)
        return ()

    # ------------------------------------------------------------ files

    def _files(self) -> list[tuple[Path, Stop]]:
        try:
            paths = list(self._folder.iterdir())
        except OSError as error:
            return [(self._folder, _unreadable(self._folder, error.strerror or "cannot be listed"))]
        found = [
            (path, stop)
            for path in paths
            if not (path.name.startswith(_OWN_TEMPORARY[0]) and path.name.endswith(_OWN_TEMPORARY[1]))
            and (stop := _read(path)) is not None
        ]
        return sorted(found, key=lambda pair: (_WIDEST_FIRST[pair[1].scope.kind], pair[1].scope.name))

    def _write(self, path: Path, stop: Stop) -> None:
        try:
            with atomic_write(path) as file:
                file.write(_encode(without_secrets(stop)))
        except StorageError:
            # A name needs no block of its own, so this mostly works on a disk that is full. Where the name is
            # a hash, an empty file names no scope and stops everything: the safe side.
            with storage_errors(path):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
            self._sync()

    def _make_folder(self) -> None:
        if self._folder.is_dir():
            return
        with storage_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            _sync(self._folder.parent)

    def _sync(self) -> None:
        """Have the disk keep every stop and the folder: another program may have written without doing so."""
        with storage_errors(self._folder):
            for path, _ in self._files():
                # A link, a pipe or a file that only root may read is no reason to fail: it stops as it is.
                with contextlib.suppress(PermissionError, FileNotFoundError, IsADirectoryError):
                    if stat.S_ISREG(path.lstat().st_mode):
                        _sync(path)
            _sync(self._folder)

    # ------------------------------------------------------------ locks

    def _take(self, path: Path, kind: int, *, patience_s: float) -> int | None:
        """Lock a file through a handle of our own, or return `None` when `patience_s` has passed.

        Each handle is its own owner of the lock, so threads of one process do not share it, and it is closed
        when another program is started. Polled, because a lock that waits cannot be given up again.
        """
        deadline = time.monotonic() + patience_s
        while True:
            # Reading is enough to lock, and whoever may read the state folder's files may begin effects.
            with storage_errors(path):
                handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                with storage_errors(path):
                    fcntl.flock(handle, kind | fcntl.LOCK_NB)
                if _is_still(handle, path):
                    return handle
                os.close(handle)
                continue
            except BlockingIOError:
                os.close(handle)
            except BaseException:
                os.close(handle)
                raise
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_S)


def _let_go(handle: int | None) -> None:
    """Unlock and close. Closing alone would leave the lock to a child that was forked in between."""
    if handle is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_UN)
        finally:
            os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    """Whether others who open this path get the same file: somebody may have tidied it away."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        path.rmdir()


# ---------------------------------------------------------------- what a file says


def _read(path: Path) -> Stop | None:
    """Read one stop; `None` when it was taken down in between."""
    try:
        # A pipe that nobody writes to would keep us waiting for ever.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return _unreadable(path, "points nowhere") if path.is_symlink() else None
    except OSError as error:
        return _unreadable(path, error.strerror or "cannot be opened")
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return _unreadable(path, "is not a file", status)
        content = os.read(handle, _MOST_BYTES)
    except OSError as error:
        return _unreadable(path, error.strerror or "cannot be read")
    finally:
        os.close(handle)
    return _parsed(path, content, status)


def _parsed(path: Path, content: bytes, status: os.stat_result) -> Stop:
    if not content.strip():
        scope = _scope(path.name)
        if scope is None:
            return _unreadable(path, "names no scope", status)
        return Stop(scope=scope, by=BY_HAND, reason="", at_us=status.st_mtime_ns // 1000)
    try:
        stop = _decode(content)
    except (msgspec.DecodeError, ValueError):
        return _unreadable(path, "does not say what it stops", status)
    if path.name != file_name(stop.scope):
        return _unreadable(path, f"says it stops {stop.scope}, and its name says otherwise", status)
    return stop


def _scope(name: str) -> Scope | None:
    """Read a file's name, percent-encoded or as people type it; `None` when it names no scope."""
    try:
        kind, _, rest = unquote(os.fsencode(name).decode(), errors="strict").partition(":")
        return msgspec.convert([kind, rest], Scope)
    except (UnicodeDecodeError, msgspec.ValidationError):
        return None


def _unreadable(path: Path, why: str, status: os.stat_result | None = None) -> Stop:
    if status is None:
        with contextlib.suppress(OSError):
            status = path.lstat()
    # The reason ends up in the journal, which takes proper text only.
    place = os.fsencode(path).decode(errors="replace")
    return Stop(
        scope=_EVERYTHING,
        by=BY_HAND,
        reason=f"{place} {why[:1].lower()}{why[1:]}, so it stops everything",
        at_us=status.st_mtime_ns // 1000 if status else 0,
    )


def _stopped(stop: Stop) -> Stopped:
    because = f": {stop.reason}" if stop.reason else ""
    return Stopped(
        f"{stop.by} stopped {stop.scope} at {time_text(stop.at_us)}{because}",
        cure="a captain resumes it with `watchkeeper resume`",
    )
