"""A git repository's history: each commit is a proposal, and what was reverted later went wrong.

Nothing in the repository is run: its configuration, hooks and attributes have no part in it.
"""

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from engine.adapters.git_repository import NO_PROGRAMS
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import SECOND_US
from engine.errors import RecordingError
from simulator.importers.conversations import Call, Conversations, Reply
from simulator.importers.source import Progress, name_of
from simulator.importers.summary import Summary
from simulator.recording import Origin

FORMAT: Final = "git"
_REVERTS: Final = re.compile(r"This reverts commit ([0-9a-f]{40,64})")
_MOST_PATHS: Final = 1_000
_BETWEEN: Final = 500
_CHUNK: Final = 1 << 20
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_REVERTED: Final = (
    "a commit counts as unsafe, and as gone wrong from then on, when a later one says that it reverts it"
)
_NOTES: Final = ("merges are left out: what they bring in stands in the commits themselves",)


def import_git(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of a repository's history. Raises `RecordingError` where there is none."""
    head = head_of(path)
    total = int(_git(path, "rev-list", "--no-merges", "--count", "HEAD"))
    with Conversations(format_name=FORMAT, agent="git", unsafe_means=_REVERTED) as found:
        rows = 0
        for commit in _commits(path):
            rows += 1
            _take(found, commit)
            if progress is not None and rows % _BETWEEN == 0:
                progress(min(1.0, rows / max(1, total)), rows)
        origin = Origin(name=f"{name_of(path.resolve())}@{head[:12]}")
        return found.write(out, origin, rows=rows, notes=_NOTES)


def head_of(path: Path) -> str:
    """Return the commit a repository's main line ends with. Raises `RecordingError` where there is none."""
    return _git(path, "rev-parse", "HEAD")


class _Commit:
    __slots__ = ("at_us", "author", "body", "paths", "sha", "subject")

    def __init__(self, record: bytes, mark: bytes) -> None:
        sha, when, author, subject, body, names = record.split(mark, 5)
        self.sha, self.at_us = sha.decode(), int(when) * SECOND_US
        self.author, self.subject, self.body = (
            each.decode(errors="replace") for each in (author, subject, body)
        )
        self.paths = [name.decode(errors="replace") for name in names.strip(b"\0\n").split(b"\0") if name]


def _take(found: Conversations, commit: _Commit) -> None:
    found.call(
        Call(
            conversation=commit.sha,
            call_id=commit.sha,
            at_us=commit.at_us,
            tool="git.commit",
            args={"message": commit.subject, "paths": commit.paths[:_MOST_PATHS]},
            why=commit.body,
            agent=commit.author,
            impact=Impact(files=len(commit.paths)),
        )
    )
    found.reply(Reply(conversation=commit.sha, call_id=commit.sha, at_us=commit.at_us))
    for sha in _REVERTS.findall(commit.body):
        if not found.went_wrong(sha, sha, commit.at_us, f"reverted by {commit.sha[:12]}"):
            found.oddities["reverts of commits that are not on this line"] += 1


def _commits(path: Path) -> Iterator[_Commit]:
    # Nobody who writes a message can know what stands between its parts.
    mark, end = secrets.token_hex(12), secrets.token_hex(12)
    form = mark.join(("%H", "%ct", "%an", "%s", "%b", ""))
    command = _command(
        path,
        "log",
        "--reverse",
        "--no-merges",
        "--topo-order",
        "-z",
        "--name-only",
        f"--format={end}{form}",
        "HEAD",
    )
    held = b""
    with subprocess.Popen(  # noqa: S603 - git itself, with a fixed command
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=_ENVIRONMENT
    ) as log:
        out = cast(IO[bytes], log.stdout)
        try:
            while chunk := out.read(_CHUNK):
                *whole, held = (held + chunk).split(end.encode())
                yield from (_Commit(record, mark.encode()) for record in whole if record.strip(b"\0\n"))
        except BaseException:
            # Who stops reading in the middle waits for nobody.
            log.kill()
            raise
    if log.returncode:
        raise RecordingError(
            f"git stopped with status {log.returncode}", place=str(path), cure="look with `git fsck`"
        )
    if held.strip(b"\0\n"):
        yield _Commit(held, mark.encode())


def _git(path: Path, *args: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - git itself, with a fixed command
            _command(path, *args),
            capture_output=True,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError as error:
        raise RecordingError(
            f"git cannot be run: {error.strerror}", place="git", cure="install git"
        ) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise RecordingError(
            f"no history that git can read: {lines[0].removeprefix('fatal: ')}",
            place=str(path),
            cure="name the folder of a repository that has commits, and that is yours",
        )
    return done.stdout.decode().strip()


def _command(path: Path, *args: str) -> list[str]:
    return ["git", *NO_PROGRAMS, "-c", "log.showSignature=false", "-C", str(path), *args]
