"""The git runner: make a branch, commit files, revert a commit. Never on a protected branch, never a push."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from msgspec import Struct

from engine.adapters.git_changes import (
    GitRecord,
    Progress,
    apply,
    entries,
    require_there,
    save,
    tree_of,
)
from engine.adapters.git_repository import Repository, opened
from engine.adapters.performing import (
    Stopwatch,
    earlier,
    kept,
    out_of_time,
    require_parameters,
    settings_of,
    text_argument,
    timeout_s,
    unknown,
    wrong_settings,
)
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, Stopped, WorldMovedOn
from engine.ports import Job

_BRANCHES: Final = "refs/heads/"
_PARAMETERS: Final = {"branch": ("name",), "commit": ("message", "paths"), "revert": ("commit",)}


class Author(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose name commits carry."""

    name: str
    email: str


class GitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`run.settings` of an action that the git runner performs."""

    operation: Literal["branch", "commit", "revert"]
    repository: str = "."
    """Where the repository is, from the workspace on."""
    author: Author | None = None
    """`None` takes the agent's id, at an address that leads nowhere."""
    switch: bool = True
    """For a branch: whether HEAD moves to it, so that commits go there."""


class GitRunner:
    """Performs actions on git repositories of the workspace, through the system's git."""

    def __init__(self, *, protected: Sequence[str] = ()) -> None:
        """Never commit to, move or delete branches whose names match one of these patterns."""
        self._protected = tuple(protected)

    def check(self, action: Action) -> None:
        """Check an action's settings and that it takes what they need. Raises `PolicyError`."""
        settings = settings_of(action, GitSettings)
        where = PurePosixPath(settings.repository)
        if where.is_absolute() or ".." in where.parts:
            raise wrong_settings(action, "repository must be a folder inside the workspace")
        require_parameters(action, *_PARAMETERS[settings.operation])

    async def preview(self, job: Job) -> Result:
        """Show what would be committed, in an index and with objects that are thrown away."""
        watch = Stopwatch()
        try:
            async with asyncio.timeout(timeout_s(job)), _repository(job, writing=False) as repository:
                record = await self._planned(job, repository)
                return watch.done(await _told(repository, record))
        except EffectRefused as refusal:
            return watch.failed(f"it would be refused: {refusal}")
        except TimeoutError:
            return watch.failed(out_of_time(job))

    async def perform(self, job: Job) -> Result:
        """Make the branch or the commit. Tried again after an interruption, it finishes what it began.

        Raises `EffectRefused` before anything was touched, and `OutcomeUnknown` when the time is up in the
        middle of it.
        """

        async def work(repository: Repository, progress: Progress, watch: Stopwatch) -> Result:
            record = earlier(job, job.effect_id, GitRecord)
            if record is not None:
                tip = await repository.tip(record.ref)
                if tip != record.after:
                    await require_there(repository, record, tip)
                    record = None
            if record is None:
                record = await self._planned(job, repository)
                save(job, record)
            await apply(job, repository, record, progress)
            return watch.done(await _told(repository, record))

        return await self._in_time(job, work)

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        """Move the branch back, and index and files with it.

        Raises `WorldMovedOn` with the log since then when the branch has moved, unless forced: then a commit
        is reverted by a new one on top, and a branch is deleted where it is now.
        """

        async def work(repository: Repository, progress: Progress, watch: Stopwatch) -> Result:
            record = earlier(job, job.effect_id, GitRecord)
            if record is None or await repository.tip(record.ref) != record.after:
                record = await self._backwards(job, repository, kept(job, of, GitRecord), force=force)
                save(job, record)
            await apply(job, repository, record, progress)
            return watch.done(await _told(repository, record))

        return await self._in_time(job, work)

    async def _in_time(
        self,
        job: Job,
        work: Callable[[Repository, Progress, Stopwatch], Coroutine[Any, Any, Result]],
    ) -> Result:
        watch, progress = Stopwatch(), Progress()
        try:
            async with asyncio.timeout(timeout_s(job)), _repository(job, writing=True) as repository:
                return await work(repository, progress, watch)
        except TimeoutError:
            if progress.touched:
                raise unknown("the time was up while the branch was being moved", job) from None
            return watch.failed(out_of_time(job))
        except (EffectRefused, OSError) as error:
            if isinstance(error, Stopped) or (isinstance(error, EffectRefused) and not progress.touched):
                raise
            return watch.failed(f"{error}; the branch may have moved already, try again or undo it")

    # ---------------------------------------------------------------- what is to change

    async def _planned(self, job: Job, repository: Repository) -> GitRecord:
        """Work out what the arguments ask for. Raises `EffectRefused`; makes only objects."""
        operation = settings_of(job.action, GitSettings).operation
        if operation == "branch":
            return await self._branch(job, repository)
        head = await repository.head()
        self._require_unprotected(head)
        tip = await repository.tip(head)
        if operation == "commit":
            return await _commit(job, repository, head, tip)
        if tip is None:
            raise EffectRefused("there is no commit yet", place=head)
        commit = await repository.commit_named(text_argument(job, "commit"))
        return await _revert(job, repository, head, tip, commit)

    async def _branch(self, job: Job, repository: Repository) -> GitRecord:
        name = text_argument(job, "name")
        ref = _BRANCHES + name
        valid = await repository.files("check-ref-format", ref, check=False)
        if valid.code != 0 or name.startswith("-") or name == "HEAD":
            raise EffectRefused("is not a name for a branch", place=name[:100])
        self._require_unprotected(ref)
        if await repository.tip(ref) is not None:
            raise EffectRefused("is there already", place=ref, cure="choose another name")
        head = await repository.head()
        tip = await repository.tip(head)
        if tip is None:
            raise EffectRefused("there is no commit yet to begin it at", place=head)
        switch = settings_of(job.action, GitSettings).switch
        return GitRecord(
            operation="branch", ref=ref, before=None, after=tip, head=(head, ref) if switch else None
        )

    async def _backwards(
        self, job: Job, repository: Repository, record: GitRecord, *, force: bool
    ) -> GitRecord:
        """Work out how to take a change back. Raises as `undo` does."""
        self._require_unprotected(record.ref)
        back = record.backwards
        tip = await repository.tip(record.ref)
        head = await repository.head()
        if tip == back.after:
            # Somebody took it back by hand, or it never got as far.
            return GitRecord(operation=back.operation, ref=back.ref, before=tip, after=tip)
        if tip != back.before:
            if not force or tip is None:
                await require_there(repository, back, tip)
            return await self._forced(job, repository, back, head, str(tip))
        if back.head and head != back.head[0]:
            back = GitRecord(operation=back.operation, ref=back.ref, before=tip, after=back.after)
        if back.head:
            other = back.head[0] if back.head[1] == back.ref else back.head[1]
            if await repository.tip(other) != (back.after or back.before):
                raise WorldMovedOn(
                    "has moved since, so HEAD cannot follow without files being changed",
                    place=other,
                    cure="switch branches by hand first",
                )
        if back.worktree and head != back.ref:
            raise WorldMovedOn("HEAD is on another branch by now", place=head, cure=f"switch to {back.ref}")
        return back

    async def _forced(
        self, job: Job, repository: Repository, back: GitRecord, head: str, tip: str
    ) -> GitRecord:
        if back.operation == "branch":
            if head == back.ref:
                raise EffectRefused("HEAD is on it", place=back.ref, cure="switch to another branch first")
            return GitRecord(operation="branch", ref=back.ref, before=tip, after=back.after)
        if head != back.ref:
            raise EffectRefused("HEAD is on another branch", place=head, cure=f"switch to {back.ref} first")
        if back.before is None:
            raise EffectRefused("there is no commit to revert", place=back.ref)
        return await _revert(job, repository, head, tip, back.before)

    def _require_unprotected(self, ref: str) -> None:
        name = ref.removeprefix(_BRANCHES)
        for pattern in self._protected:
            if fnmatchcase(name, pattern):
                raise EffectRefused(
                    f"is protected, as {pattern!r} says",
                    place=name,
                    cure="work on a branch of your own; people merge it",
                )


@contextlib.asynccontextmanager
async def _repository(job: Job, *, writing: bool) -> AsyncIterator[Repository]:
    folder = job.workspace
    for part in PurePosixPath(settings_of(job.action, GitSettings).repository).parts:
        folder = folder / part
        if folder.is_symlink():
            raise EffectRefused("is a link", place=str(folder), cure="name the folder itself")
    async with opened(Path(folder), job.watch, writing=writing) as repository:
        yield repository


async def _commit(job: Job, repository: Repository, head: str, tip: str | None) -> GitRecord:
    """Make the commit of the named paths on top of `tip`, as an object that no branch points to yet."""
    message = text_argument(job, "message").strip()
    if not message:
        raise EffectRefused("the message is empty", place=job.action.name, cure="say what it changes and why")
    tree_index = repository.shadow / "index-tree"
    await repository.files(*(("read-tree", tip) if tip else ("read-tree", "--empty")), index=tree_index)
    await repository.files("add", "--all", "--", *_paths(job), index=tree_index)
    tree, old_tree = (
        (await repository.files("write-tree", index=tree_index)).line,
        await tree_of(repository, tip),
    )
    if tree == old_tree:
        raise EffectRefused("nothing has changed in these paths", place=", ".join(_paths(job)[:3]))
    changed = await _changed(repository, old_tree, tree)
    before = await entries(repository, repository.index_copy())
    after = await entries(repository, tree_index)
    commit = await _make_commit(job, repository, tree, tip, message)
    return GitRecord(
        operation="commit",
        ref=head,
        before=tip,
        after=commit,
        entries={path: (before.get(path), after.get(path)) for path in changed},
    )


async def _revert(job: Job, repository: Repository, head: str, tip: str, commit: str) -> GitRecord:
    """Make the commit that takes another one back, as an object that no branch points to yet."""
    inside = await repository.files("merge-base", "--is-ancestor", commit, tip, check=False)
    if inside.code != 0:
        raise EffectRefused("is not a commit of this branch", place=commit, cure=f"see the log of {head}")
    _, *parents = (await repository.files("rev-list", "--parents", "--max-count=1", commit)).line.split()
    if len(parents) > 1:
        raise EffectRefused("is a merge", place=commit, cure="revert the commits it brought, one by one")
    there, here = await tree_of(repository, commit), await tree_of(repository, tip)
    base = await tree_of(repository, parents[0] if parents else None)
    patch = await repository.files("diff-tree", "-p", "--binary", "--full-index", "--no-renames", there, base)
    index = repository.shadow / "index-tree"
    await repository.files("read-tree", tip, index=index)
    applied = await repository.files(
        "apply", "--cached", "--3way", "-", index=index, stdin=patch.out, check=False
    )
    if patch.out and applied.code != 0:
        raise EffectRefused(f"later commits stand in the way: {applied.error}", place=commit)
    tree = (await repository.files("write-tree", index=index)).line
    if tree == here:
        raise EffectRefused("is taken back already", place=commit)
    await _changed(repository, here, tree)
    subject = (await repository.files("log", "--max-count=1", "--format=%s", commit)).line
    message = f'Revert "{subject}"\n\nThis reverts commit {commit}.'
    new = await _make_commit(job, repository, tree, tip, message)
    return GitRecord(operation="revert", ref=head, before=tip, after=new, worktree=True)


def _paths(job: Job) -> list[str]:
    paths = job.args.get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) and path for path in paths):
        raise EffectRefused("the argument 'paths' must name at least one file", place=job.action.name)
    for path in paths:
        # Git itself refuses what is outside or behind a link, and its own folder.
        if "\0" in path or ".." in PurePosixPath(path).parts:
            raise EffectRefused("is not a path inside the repository", place=path.replace("\0", "?")[:100])
    return paths


async def _changed(repository: Repository, old_tree: str, tree: str) -> list[str]:
    """Return the paths that differ. Raises `EffectRefused` when one wants a program to be run on it."""
    said = await repository.files("diff-tree", "-r", "-z", "--name-only", "--no-renames", old_tree, tree)
    attributes = await repository.files("check-attr", "-z", "--stdin", "filter", stdin=said.out)
    parts = attributes.parts
    for path, value in zip(parts[::3], parts[2::3], strict=True):
        if value not in {"unspecified", "unset"}:
            raise EffectRefused(
                f"wants the filter {value!r}, a program that is not run here",
                place=path,
                cure="commit it by hand, or leave it out",
            )
    return said.parts


async def _make_commit(job: Job, repository: Repository, tree: str, parent: str | None, message: str) -> str:
    author = settings_of(job.action, GitSettings).author or Author(
        name=str(job.agent), email=f"{job.agent}@watchkeeper.invalid"
    )
    name, email = (_plain(text) for text in (author.name, author.email))
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    }
    text = f"{message}\n\nWatchkeeper-Decision: {job.decision_id}\n"
    parents = ("-p", parent) if parent else ()
    made = await repository.files(
        "commit-tree", tree, *parents, "-F", "-", stdin=text.encode(errors="replace"), extra=identity
    )
    return made.line


def _plain(text: str) -> str:
    """Leave out what has a meaning in the head of a commit."""
    return "".join(sign for sign in text if sign.isprintable() and sign not in "<>") or "agent"


async def _told(repository: Repository, record: GitRecord) -> str:
    """Say what a change does."""
    name = record.ref.removeprefix(_BRANCHES)
    lines = [f"{name}: {record.before or 'no branch'} → {record.after or 'no branch'}\n"]
    if record.head:
        lines.append(f"HEAD: {record.head[0]} → {record.head[1]}\n")
    if record.operation != "branch" and record.before != record.after:
        trees = [await tree_of(repository, commit) for commit in (record.before, record.after)]
        said = await repository.files("diff-tree", "-r", "-p", "--stat", *trees)
        lines.append(said.out.decode(errors="replace"))
    return "".join(lines)
