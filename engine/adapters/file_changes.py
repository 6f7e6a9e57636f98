"""Changes to files, as a list that can be read in both directions.

Each change says what is at a path before and after. The list is saved, with the contents, before anything is
touched; performing, going on after an interruption, undoing, and undoing an undo are the same steps from what
is there to what is wanted.
"""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from engine.adapters.differences import difference
from engine.adapters.performing import Patience, Stopwatch, fit, keep
from engine.adapters.workspace_paths import FileState, Seen, Workspace, refused
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, StorageError, WorldMovedOn
from engine.ports import Job

# A larger content is not kept a second time just to show a difference later.
_SHOWN_BYTES: Final = 256 << 10


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens at one path."""

    path: str
    before: FileState
    after: FileState


class FileRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the undo log keeps of one effect on files.

    Blob `before-N` is the content of change N before it, `after-N` the one after it where that is small
    enough to be shown.
    """

    kind: Literal["file"] = "file"
    changes: tuple[Change, ...]
    made: tuple[str, ...] = ()
    """Folders that were missing on the way, the outermost first."""


class Step(Struct, frozen=True, kw_only=True):
    """One path on its way from what is there to what is wanted."""

    path: str
    seen: Seen
    after: FileState
    content: bytes = b""
    """What the file is to contain, when it is to be a file."""

    @property
    def difference(self) -> str:
        """What it changes, for people."""
        return difference(self.path, self.seen.state, self.after, self.seen.content, self.content)

    @property
    def needed(self) -> bool:
        """Whether anything is left to do."""
        return not self.seen.state.same(self.after)


def told(steps: Sequence[Step]) -> str:
    """Say what steps change, as a unified difference."""
    return "".join(step.difference for step in steps) or "nothing changes\n"


def save(job: Job, workspace: Workspace, steps: Sequence[Step]) -> None:
    """Keep what is at each path now, under the job's effect. Raises `EffectRefused` when that fails."""
    blobs: dict[str, bytes | Path] = {}
    made: list[str] = []
    for number, step in enumerate(steps):
        if step.seen.state.kind == "file":
            blobs[f"before-{number}"] = step.seen.content
        if _is_shown(step.after):
            blobs[f"after-{number}"] = step.content
        if step.after.kind != "absent":
            made += [folder for folder in workspace.missing_folders(step.path) if folder not in made]
    changes = tuple(Change(path=step.path, before=step.seen.state, after=step.after) for step in steps)
    keep(job, msgspec.to_builtins(FileRecord(changes=changes, made=tuple(made))), blobs)


def resumed(
    workspace: Workspace, record: FileRecord, most_bytes: int, content: Callable[[int], bytes]
) -> list[Step]:
    """Give the steps of an interrupted effect from its record; `content(N)` is what change N is to leave.

    Raises `WorldMovedOn` when a path is neither as it was before nor as it is to be.
    """
    steps, strange = [], []
    for number, change in enumerate(record.changes):
        seen = workspace.look(change.path, most_bytes=most_bytes)
        wanted = content(number) if change.after.kind == "file" else b""
        steps.append(Step(path=change.path, seen=seen, after=change.after, content=wanted))
        if not seen.state.same(change.before) and not seen.state.same(change.after):
            strange.append(steps[-1])
    if strange:
        raise WorldMovedOn(
            fit("was changed since this effect was first tried, which would now do\n" + told(strange)),
            place=strange[0].path,
            cure="look at it, then propose it again",
        )
    return steps


def backwards(
    job: Job, workspace: Workspace, of: EffectId, record: FileRecord, *, most_bytes: int, force: bool
) -> list[Step]:
    """Give the steps that take the effect `of` back, from its record.

    Raises `WorldMovedOn` with the difference when a path is not as the effect left it, unless forced, and
    `EffectRefused` when what it found cannot be read.
    """
    steps, moved_on = [], []
    for number, change in reversed(list(enumerate(record.changes))):
        seen = workspace.look(change.path, most_bytes=most_bytes)
        # As it was before is fine too: the effect did not get as far, or somebody took it back by hand.
        if not seen.state.same(change.after) and not seen.state.same(change.before):
            left = _read(job, of, f"after-{number}") if _is_shown(change.after) else None
            moved_on.append(difference(change.path, change.after, seen.state, left, seen.content))
        content = content_before(job, of, record, number)
        steps.append(Step(path=change.path, seen=seen, after=change.before, content=content))
    if moved_on and not force:
        raise WorldMovedOn(
            fit("was changed since:\n" + "".join(moved_on)),
            place=", ".join(step.path for step in steps[:3]),
            cure="take it back by hand, or force it: these changes are then lost, until that is undone too",
        )
    return steps


def content_before(job: Job, of: EffectId, record: FileRecord, number: int) -> bytes:
    """Give what change `number` of an effect found, from its record; empty when that was no file.

    Raises `EffectRefused` when it cannot be read.
    """
    before = record.changes[number].before
    if before.kind != "file":
        return b""
    content = _read(job, of, f"before-{number}")
    if hashlib.sha256(content).hexdigest() != before.sha256:
        raise EffectRefused(f"the undo record for {of} was damaged just now", place=job.action.name)
    return content


def apply(
    job: Job, workspace: Workspace, steps: Sequence[Step], patience: Patience, watch: Stopwatch
) -> Result:
    """Bring about what is wanted: all of it is written beside its place first, and then put there at once.

    Raises `EffectRefused` (and `Stopped`) when nothing was changed; a failure half-way is a result that says
    how far it got.
    """
    needed = [step for step in steps if step.needed]
    done: list[str] = []
    made: list[str] = []
    try:
        with contextlib.ExitStack() as stack:
            staged = {}
            for step in needed:
                patience.check()
                if step.after.kind != "absent":
                    staged[step.path] = stack.enter_context(
                        workspace.staged(step.path, step.after, step.content)
                    )
            patience.check()
            with job.watch.starting():
                for step in needed:
                    if step.after.kind == "absent":
                        workspace.remove(step.path, seen=step.seen)
                    else:
                        for folder in workspace.missing_folders(step.path):
                            workspace.make_folder(folder)
                            made.append(folder)
                        workspace.put(staged[step.path], step.path, instead=step.seen)
                    done.append(step.path)
    except (OSError, EffectRefused) as error:
        if done:
            return watch.failed(f"{_said(error, needed[len(done)].path)}; already changed: {', '.join(done)}")
        for folder in reversed(made):
            workspace.remove_folder(folder)
        if isinstance(error, EffectRefused):
            raise
        return watch.failed(f"{_said(error, needed[0].path)}; nothing was changed")
    return watch.done(told(steps))


def _said(error: OSError | EffectRefused, path: str) -> str:
    return str(refused(error, path) if isinstance(error, OSError) else error)


def _is_shown(state: FileState) -> bool:
    return state.kind == "file" and state.size <= _SHOWN_BYTES


def _read(job: Job, of: EffectId, name: str) -> bytes:
    try:
        return job.undo.blob(of, name).read_bytes()
    except (OSError, StorageError) as error:
        raise EffectRefused(f"{name!r} of the undo record for {of} cannot be read: {error}") from error
