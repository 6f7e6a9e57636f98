"""The file runner: create, write, edit, delete and move files of the workspace."""

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from engine.adapters.file_changes import (
    FileRecord,
    Step,
    apply,
    backwards,
    content_before,
    resumed,
    save,
    told,
)
from engine.adapters.performing import (
    Patience,
    Stopwatch,
    earlier,
    in_thread,
    kept,
    out_of_time,
    require_parameters,
    settings_of,
    text_argument,
    timeout_s,
    wrong_settings,
)
from engine.adapters.workspace_paths import ABSENT, FileState, Seen, Workspace
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused
from engine.ports import Job

_NEW_MODE: Final = 0o644

Operation = Literal["create", "write", "edit", "delete", "move"]
_PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "create": ("path", "content"),
    "write": ("path", "content"),
    "edit": ("path", "old", "new"),
    "delete": (),
    "move": ("path", "to"),
}


class FileSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`run.settings` of an action that the file runner performs."""

    operation: Operation
    most_bytes: int = 32 << 20
    """The most it touches at once, bytes: undo keeps a copy of it."""


class FileRunner:
    """Performs actions on files of the workspace. Its work, and `watch.starting()`, happen in a thread."""

    def __init__(self, *, closed: Collection[Path] = ()) -> None:
        """Never touch anything inside the folders `closed`: where Watchkeeper keeps its own state."""
        self._closed = tuple(closed)

    def check(self, action: Action) -> None:
        """Check an action's settings and that it takes what they need. Raises `PolicyError`."""
        settings = settings_of(action, FileSettings)
        if settings.most_bytes < 1:
            raise wrong_settings(action, "most_bytes must be at least 1")
        require_parameters(action, *_PARAMETERS[settings.operation])
        if settings.operation == "delete" and not {"path", "paths"} & action.parameters.keys():
            raise wrong_settings(action, "delete needs the parameter `path` or `paths`")

    async def preview(self, job: Job) -> Result:
        """Show the difference that the action would make, or why it would be refused."""

        def work(_: Patience, watch: Stopwatch, workspace: Workspace) -> Result:
            try:
                return watch.done(told(_wanted(job, workspace)))
            except EffectRefused as refusal:
                return watch.failed(f"it would be refused: {refusal}")

        return await self._in_time(job, work)

    async def perform(self, job: Job) -> Result:
        """Save what is there, then change it; the output is the difference.

        Tried again after an interruption, it does what is left to do. Raises `EffectRefused` before anything
        was touched, and `WorldMovedOn` when somebody has changed a file since the interruption.
        """

        def work(patience: Patience, watch: Stopwatch, workspace: Workspace) -> Result:
            record = earlier(job, job.effect_id, FileRecord)
            if record is None:
                steps = _wanted(job, workspace)
                save(job, workspace, steps)
            else:
                steps = resumed(workspace, record, _most(job), lambda n: _content_again(job, record, n))
            return apply(job, workspace, steps, patience, watch)

        return await self._in_time(job, work)

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        """Put every file back as it was before the effect `of`; folders it made go, if they are empty.

        Raises `WorldMovedOn` with the difference when a file is no longer as the effect left it, unless
        forced, and `EffectRefused` when there is no intact record.
        """

        def work(patience: Patience, watch: Stopwatch, workspace: Workspace) -> Result:
            taken_back = kept(job, of, FileRecord)
            record = earlier(job, job.effect_id, FileRecord)
            if record is None:
                steps = backwards(job, workspace, of, taken_back, most_bytes=_most(job), force=force)
                save(job, workspace, steps)
            else:
                # Its changes are those of `of` in reverse.
                last = len(record.changes) - 1
                steps = resumed(
                    workspace, record, _most(job), lambda n: content_before(job, of, taken_back, last - n)
                )
            result = apply(job, workspace, steps, patience, watch)
            if result.success:
                for folder in reversed(taken_back.made):
                    workspace.remove_folder(folder)
            return result

        return await self._in_time(job, work)

    async def _in_time(self, job: Job, work: Callable[[Patience, Stopwatch, Workspace], Result]) -> Result:
        watch = Stopwatch()

        def whole(patience: Patience) -> Result:
            with Workspace(job.workspace, closed=self._closed) as workspace:
                return work(patience, watch, workspace)

        try:
            return await in_thread(whole, timeout_s=timeout_s(job))
        except TimeoutError:
            return watch.failed(out_of_time(job))


def _most(job: Job) -> int:
    return settings_of(job.action, FileSettings).most_bytes


def _wanted(job: Job, workspace: Workspace) -> list[Step]:
    """Work out what the arguments ask for. Raises `EffectRefused`; touches nothing."""
    operation, most = settings_of(job.action, FileSettings).operation, _most(job)
    if operation == "delete":
        found = {}
        for path in dict.fromkeys(workspace.relative(path) for path in _paths(job)):
            found[path] = seen = workspace.look(path, most_bytes=most)
            _require_there(path, seen)
            # One limit for all of them, since all of them are held and kept together.
            most -= seen.state.size
        return [Step(path=path, seen=seen, after=ABSENT) for path, seen in found.items()]
    path = workspace.relative(text_argument(job, "path"))
    seen = workspace.look(path, most_bytes=most)
    if seen.state.kind == "link":
        raise EffectRefused("is a link", place=path, cure="name the file it points to")
    if operation == "move":
        to = workspace.relative(text_argument(job, "to"))
        target = workspace.look(to, most_bytes=most)
        _require_there(path, seen)
        if target.mark:
            raise EffectRefused("is there already", place=to, cure="choose another name, or delete it first")
        # The new one first: a crash in between leaves the file twice, never not at all.
        return [
            Step(path=to, seen=target, after=seen.state, content=seen.content),
            Step(path=path, seen=seen, after=ABSENT),
        ]
    content = _content(job, operation, path, seen)
    if len(content) > most:
        raise EffectRefused(
            f"would have more than {most} bytes", place=path, cure="raise run.settings.most_bytes"
        )
    return [Step(path=path, seen=seen, after=_state_after(seen.state, content), content=content)]


def _paths(job: Job) -> list[str]:
    if "path" in job.args:
        return [text_argument(job, "path")]
    paths = job.args.get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        raise EffectRefused("the argument 'paths' must name at least one file", place=job.action.name)
    return paths


def _require_there(path: str, seen: Seen) -> None:
    if not seen.mark:
        raise EffectRefused("is not there", place=path, cure="check the path")


def _content(job: Job, operation: Operation, path: str, seen: Seen) -> bytes:
    """Give what a file is to contain that now is as seen. Raises `EffectRefused`."""
    if operation == "create" and seen.mark:
        raise EffectRefused("is there already", place=path, cure="choose another name, or edit it")
    if operation != "edit":
        return _encoded(job, "content")
    _require_there(path, seen)
    return _edited(seen.content, _encoded(job, "old"), _encoded(job, "new"), path)


def _edited(content: bytes, old: bytes, new: bytes, path: str) -> bytes:
    """Replace the only place where `old` stands. Raises `EffectRefused` when there is none, or a choice."""
    if not old:
        raise EffectRefused("the argument 'old' is empty", place=path, cure="give the text to replace")
    first = content.find(old)
    if first < 0:
        raise EffectRefused(
            "does not contain the text to replace", place=path, cure="read it again and copy the text exactly"
        )
    # From the very next byte on, because overlapping places are two places as well.
    second = content.find(old, first + 1)
    if second >= 0:
        lines = " and ".join(str(content.count(b"\n", 0, at) + 1) for at in (first, second))
        raise EffectRefused(
            f"contains the text to replace more than once, in lines {lines}",
            place=path,
            cure="give more of the text around it, so that it is found once",
        )
    return content[:first] + new + content[first + len(old) :]


def _encoded(job: Job, name: str) -> bytes:
    try:
        return text_argument(job, name).encode()
    except UnicodeEncodeError as error:
        raise EffectRefused(f"the argument {name!r} is not text in UTF-8", place=job.action.name) from error


def _state_after(before: FileState, content: bytes) -> FileState:
    """Give the state of a file with new content. Mode and owner stay, but none of it runs as its owner."""
    return FileState(
        kind="file",
        mode=before.mode & 0o777 if before.kind == "file" else _NEW_MODE,
        uid=before.uid,
        gid=before.gid,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


def _content_again(job: Job, record: FileRecord, number: int) -> bytes:
    """Give what a change of an interrupted effect is to leave, from its arguments and what it found."""
    operation = settings_of(job.action, FileSettings).operation
    if operation == "move":
        return content_before(job, job.effect_id, record, 1)
    change = record.changes[number]
    mark = (1,) if change.before.kind != "absent" else ()
    found = Seen(state=change.before, content=content_before(job, job.effect_id, record, number), mark=mark)
    return _content(job, operation, change.path, found)
