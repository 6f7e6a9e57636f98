"""One git repository of the workspace, used without running anything that is written in it.

A repository's own configuration can name programs: hooks, filters, editors, monitors, signers, helpers.
Whoever may write in the workspace may write that configuration too. So everything that looks at files runs on
a repository of our own beside it, made for one effect, with our configuration, that borrows the objects and
the working tree; the real one is only asked for its refs, and told to move them, with hooks off.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from engine.adapters.redaction import redact
from engine.errors import EffectRefused
from engine.ports import Watch

_MOST_BYTES: Final = 64 << 20
# What of the repository's configuration says how file contents are read. None of it can name a program.
_HARMLESS: Final = {
    "core.autocrlf", "core.eol", "core.filemode", "core.ignorecase", "core.precomposeunicode",
    "core.repositoryformatversion", "core.safecrlf", "core.symlinks", "extensions.objectformat",
}  # fmt: skip
_PLAIN_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,30}")
_UNDER_WAY: Final = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "sequencer": "a cherry-pick or revert",
    "BISECT_LOG": "a bisection",
}
# Passed as arguments, these stand above every file, also one that changes while we work.
NO_PROGRAMS: Final = (
    "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.pager=cat",
    "-c", "core.alternateRefsCommand=", "-c", "core.sshCommand=false", "-c", "credential.helper=",
    "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "submodule.recurse=false",
    "-c", "core.fsync=committed,loose-object", "-c", "core.quotePath=false",
    "-c", "advice.addIgnoredFile=false", "-c", "advice.addEmbeddedRepo=false",
)  # fmt: skip


class Said(Struct, frozen=True, kw_only=True):
    """What git said."""

    code: int
    out: bytes
    error: str

    @property
    def line(self) -> str:
        """The output as one line."""
        return self.out.decode(errors="replace").strip()

    @property
    def parts(self) -> list[str]:
        """The output as a list of parts that end with a zero byte."""
        return [part.decode(errors="surrogateescape") for part in self.out.split(b"\0") if part]


class Repository:
    """A repository and the one of our own beside it. Made by `opened`."""

    def __init__(self, root: Path, shadow: Path, watch: Watch, *, writing: bool) -> None:
        """Work on `root` by way of the folder `shadow`; objects made stay there unless `writing`."""
        self.root, self.git_dir, self.shadow = root, root / ".git", shadow
        self._watch, self._writing = watch, writing
        status = self.git_dir.stat()
        # As root we would leave files behind that the repository's owner cannot change.
        self._as_owner = os.geteuid() == 0 and status.st_uid != 0
        self._owner = (status.st_uid, status.st_gid)

    # -------------------------------------------------------- running git

    async def refs(self, *arguments: str, check: bool = True) -> Said:
        """Run git on the real repository. For what reads or moves refs, and nothing else."""
        return await self._run(arguments, {"GIT_DIR": str(self.git_dir)}, check=check)

    async def files(
        self,
        *arguments: str,
        index: Path | None = None,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Said:
        """Run git on our own repository, with the real one's objects and files, and this index."""
        objects = self.git_dir / "objects" if self._writing else self.shadow / "objects"
        place = {
            "GIT_DIR": str(self.shadow),
            "GIT_WORK_TREE": str(self.root),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_INDEX_FILE": str(index or self.shadow / "index"),
        }
        return await self._run(arguments, place | dict(extra or {}), stdin=stdin, check=check)

    async def _run(
        self, arguments: tuple[str, ...], place: Mapping[str, str], *, stdin: bytes = b"", check: bool
    ) -> Said:
        program = shutil.which("git")
        if program is None:
            raise EffectRefused("git is not installed", cure="install it where the workers run")
        process = await asyncio.create_subprocess_exec(
            program,
            *NO_PROGRAMS,
            *arguments,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment() | dict(place),
            cwd=self.root,
            start_new_session=True,
            **(_as(*self._owner) if self._as_owner else {}),
        )
        try:
            self._watch.process(process.pid)
            out, error, _ = await asyncio.gather(
                _read(process.stdout), _read(process.stderr), _feed(process.stdin, stdin)
            )
            code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _reap(process)
            raise
        said = Said(code=code, out=out, error=redact(error.decode(errors="replace").strip()))
        if check and code != 0:
            raise EffectRefused(
                f"git {arguments[0]}: {said.error or f'exit code {code}'}", place=str(self.root)
            )
        return said

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.shadow),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "GIT_EDITOR": "false",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            # An object that is missing is missing: nothing is fetched, by whatever helper.
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_OPTIONAL_LOCKS": "0",
        }

    # -------------------------------------------------------- refs

    async def head(self) -> str:
        """Return the branch HEAD points to, as `refs/heads/…`. Raises `EffectRefused` when it is detached."""
        said = await self.refs("symbolic-ref", "--quiet", "HEAD", check=False)
        if said.code != 0 or not said.line.startswith("refs/heads/"):
            raise EffectRefused(
                "HEAD is on no branch", place=str(self.root), cure="switch to a branch, or make one"
            )
        return said.line

    async def tip(self, ref: str) -> str | None:
        """Return the commit a branch points to, `None` when there is no such branch (or no commit yet).

        Raises `EffectRefused` for a branch that is only another name of one: moving it would move the other.
        """
        if (await self.refs("symbolic-ref", "--quiet", ref, check=False)).code == 0:
            raise EffectRefused("is another name for a branch", place=ref, cure="name the branch itself")
        said = await self.refs("rev-parse", "--verify", "--quiet", "--end-of-options", ref, check=False)
        return said.line if said.code == 0 else None

    async def commit_named(self, name: str) -> str:
        """Return the full hash of a commit. Raises `EffectRefused` when there is none of this name."""
        said = await self.refs("rev-parse", "--verify", "--quiet", "--end-of-options", name, check=False)
        kind = await self.files("cat-file", "-t", said.line, check=False) if said.code == 0 else said
        if kind.line != "commit":
            raise EffectRefused("there is no such commit", place=name[:100], cure="name it by its hash")
        return said.line

    # -------------------------------------------------------- the index

    @contextlib.contextmanager
    def index_locked(self) -> Iterator[int]:
        """Hold the lock of the real index, as every git does that writes it; yields its file's handle.

        Raises `EffectRefused` when somebody else has it.
        """
        lock = self.git_dir / "index.lock"
        try:
            handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise EffectRefused(
                "another git is at work here",
                place=str(lock),
                cure="wait; a lock of a dead git may be removed",
            ) from None
        except OSError as error:
            raise EffectRefused((error.strerror or str(error)).lower(), place=str(lock)) from error
        try:
            if self._as_owner:
                os.fchown(handle, *self._owner)
            yield handle
        finally:
            os.close(handle)
            # Gone already when it has become the index.
            lock.unlink(missing_ok=True)

    def replace_index(self, handle: int, new: Path) -> None:
        """Let a file take the place of the real index, whose lock is held. Raises `OSError`."""
        content = memoryview(new.read_bytes())
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)
        (self.git_dir / "index.lock").replace(self.git_dir / "index")

    def index_copy(self) -> Path:
        """Copy the real index and return the copy's path; it does not exist when the real one does not."""
        copy = self.shadow / f"index-{secrets.token_hex(4)}"
        try:
            handle = os.open(self.git_dir / "index", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return copy
        except OSError as error:
            raise EffectRefused("the index is not a file", place=str(self.git_dir / "index")) from error
        with os.fdopen(handle, "rb") as file:
            copy.write_bytes(file.read())
        if self._as_owner:
            os.chown(copy, *self._owner)
        return copy

    # -------------------------------------------------------- opening

    def require_ordinary(self) -> None:
        """Raise `EffectRefused` unless it is plain, complete in its folder, and nothing is under way."""
        for path in _written(self.git_dir):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISLNK(path.lstat().st_mode):
                    raise EffectRefused("is a link", place=str(path), cure="use a plain repository")
        for name in ("commondir", "objects/info/alternates"):
            if (self.git_dir / name).exists():
                raise EffectRefused(
                    "borrows from another repository", place=str(self.git_dir / name), cure="use a full clone"
                )
        for name, what in _UNDER_WAY.items():
            if (self.git_dir / name).exists():
                raise EffectRefused(
                    f"{what} is under way", place=str(self.root), cure="finish or abort it first"
                )

    async def prepare(self) -> None:
        """Fill the folder of our own repository."""
        for name in ("refs", "objects", "objects/info"):
            (self.shadow / name).mkdir()
        (self.shadow / "HEAD").write_text("ref: refs/heads/none\n")
        if not self._writing:
            (self.shadow / "objects/info/alternates").write_text(f"{self.git_dir / 'objects'}\n")
        (self.shadow / "config").write_text("[core]\n\tbare = false\n")
        if self._as_owner:
            for path in (self.shadow, *self.shadow.rglob("*")):
                os.chown(path, *self._owner)
        listed = await self.files(
            "config", "--file", str(self.git_dir / "config"), "--no-includes", "-z", "--list", check=False
        )
        lines = []
        for entry in listed.parts:
            key, _, value = entry.partition("\n")
            if key in _HARMLESS and _PLAIN_VALUE.fullmatch(value):
                section, _, name = key.rpartition(".")
                lines.append(f"[{section}]\n\t{name} = {value}\n")
        lines.append("[core]\n\tbare = false\n")
        for name, file in (("excludesFile", "info/exclude"), ("attributesFile", "info/attributes")):
            lines.append(f'\t{name} = "{_quoted(self.git_dir / file)}"\n')
        (self.shadow / "config").write_text("".join(lines))


@contextlib.asynccontextmanager
async def opened(root: Path, watch: Watch, *, writing: bool) -> AsyncIterator[Repository]:
    """Open the repository in this folder; our own beside it goes at the end.

    Raises `EffectRefused` when there is none, when it is none of the plain kind, or something is under way.
    """
    try:
        is_folder = stat.S_ISDIR((root / ".git").lstat().st_mode)
    except OSError:
        is_folder = False
    if not is_folder:
        raise EffectRefused("is not a git repository with a folder `.git`", place=str(root))
    with tempfile.TemporaryDirectory(prefix="watchkeeper-git-", ignore_cleanup_errors=True) as shadow:
        repository = Repository(root, Path(shadow), watch, writing=writing)
        repository.require_ordinary()
        await repository.prepare()
        yield repository


def _written(git_dir: Path) -> Iterator[Path]:
    """Yield every name below `.git` by way of which git writes: a link there would lead it anywhere."""
    for name in ("", "HEAD", "config", "index", "packed-refs", "info", "objects", "refs", "logs"):
        yield git_dir / name
    for top, is_deep in (("objects", False), ("refs", True), ("logs", True)):
        # Links to folders are named here, and not followed.
        for place, folders, files in os.walk(git_dir / top):
            yield from (Path(place, name) for name in (*folders, *files))
            if not is_deep:
                break


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def _as(uid: int, gid: int) -> dict[str, Any]:
    """Give what has a program run as somebody else, on the loop that runs now."""
    if not type(asyncio.get_running_loop()).__module__.startswith("uvloop"):
        return {"user": uid, "group": gid, "extra_groups": []}

    # The workers' loop knows none of these.
    def become() -> None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    return {"preexec_fn": become}


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    """Read to the end. Raises `EffectRefused` when it is more than we can sensibly hold."""
    pieces, size = [], 0
    while stream is not None and (piece := await stream.read(1 << 16)):
        pieces.append(piece)
        size += len(piece)
        if size > _MOST_BYTES:
            raise EffectRefused(f"git says more than {_MOST_BYTES >> 20} MiB", cure="name fewer files")
    return b"".join(pieces)


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    # A git that has ended needs no more of it; uvloop closes its pipes then, and refuses with RuntimeError.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        stream.write(data)
        await stream.drain()
    stream.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await stream.wait_closed()


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Wait for a killed process, whoever cancels us meanwhile."""
    waiting = asyncio.ensure_future(process.wait())
    while not waiting.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({waiting})
