"""A change to a repository, as a record that can be read in both directions.

It moves one branch, and with it HEAD, entries of the index, or files, as far as it says. Commits are made
beforehand: they are only objects until a branch points to them.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from engine.adapters.git_repository import Repository
from engine.adapters.performing import fit, keep
from engine.errors import EffectRefused, WorldMovedOn
from engine.ports import Job

_MOST_LOG: Final = 20


class GitRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the undo log keeps of one effect on a repository. A commit of `None`: there is no such branch."""

    kind: Literal["git"] = "git"
    operation: Literal["branch", "commit", "revert"]
    ref: str
    """The branch it moves, `refs/heads/…`."""
    before: str | None
    after: str | None
    head: tuple[str, str] | None = None
    """The branch HEAD points to before and after; `None` when it stays."""
    entries: dict[str, tuple[str | None, str | None]] = {}
    """Entries of the index (`mode hash`) before and after; `None` when there is none."""
    worktree: bool = False
    """Whether files and index go along, from the one commit's to the other's."""

    @property
    def backwards(self) -> "GitRecord":
        """The same change the other way."""
        return msgspec.structs.replace(
            self,
            before=self.after,
            after=self.before,
            head=(self.head[1], self.head[0]) if self.head else None,
            entries={path: (after, before) for path, (before, after) in self.entries.items()},
        )


class Progress:
    """Whether a change has begun: from there on a failure is no refusal any more."""

    def __init__(self) -> None:
        """Nothing was touched."""
        self.touched = False


def save(job: Job, record: GitRecord) -> None:
    """Keep a record under the job's effect. Raises `EffectRefused` when that fails."""
    keep(job, msgspec.to_builtins(record))


async def apply(job: Job, repository: Repository, record: GitRecord, progress: Progress) -> None:
    """Bring the change about, or what is left of it after an interruption.

    Raises `EffectRefused` when something is in the way; see `progress` for whether anything was touched.
    """
    on_it = await repository.head() == record.ref if record.entries or record.worktree else False
    if not on_it:
        await _move(job, repository, record, progress)
        return
    # Made ready before anything is touched: what cannot work is found here.
    new = repository.index_copy()
    if record.worktree:
        await repository.files("update-index", "-q", "--refresh", index=new, check=False)
        trees = [await tree_of(repository, commit) for commit in (record.before, record.after)]
        await repository.files("read-tree", "-m", "-u", "-n", *trees, index=new)
    else:
        await _set_entries(repository, record, new)
    with repository.index_locked() as handle:
        await _move(job, repository, record, progress)
        if record.worktree:
            await repository.files("read-tree", "-m", "-u", *trees, index=new)
        await repository.files("update-index", "-q", "--refresh", index=new, check=False)
        repository.replace_index(handle, new)


async def _move(job: Job, repository: Repository, record: GitRecord, progress: Progress) -> None:
    """Move the branch, and HEAD."""
    why = f"watchkeeper: {record.operation}, {job.effect_id}"
    no_commit = "0" * len(record.after or record.before or "0" * 40)
    is_there = await repository.tip(record.ref) == record.after
    with job.watch.starting():
        progress.touched = True
        # A branch that goes is left first.
        if record.head and record.after is None:
            await repository.refs("symbolic-ref", "-m", why, "HEAD", record.head[1])
        if not is_there:
            old = record.before or no_commit
            arguments = ["-d", record.ref, old] if record.after is None else [record.ref, record.after, old]
            try:
                await repository.refs("update-ref", "--no-deref", "-m", why, *arguments)
            except EffectRefused as refusal:
                if not record.head or record.after is not None:
                    progress.touched = False
                raise EffectRefused(
                    f"the branch moved just now: {refusal.message}", place=record.ref, cure="try again"
                ) from refusal
        if record.head and record.after is not None:
            await repository.refs("symbolic-ref", "-m", why, "HEAD", record.head[1])


async def _set_entries(repository: Repository, record: GitRecord, index: Path) -> None:
    """Set the entries in a copy of the index that nobody has changed meanwhile."""
    now = await entries(repository, index)
    lines = []
    for name, (before, after) in record.entries.items():
        if now.get(name) == before != after:
            gone = f"0 {'0' * len((before or '').partition(' ')[2])}"
            lines.append(f"{after or gone}\t{name}\0")
    if lines:
        data = "".join(lines).encode(errors="surrogateescape")
        await repository.files("update-index", "-z", "--index-info", index=index, stdin=data)


async def entries(repository: Repository, index: Path) -> dict[str, str]:
    """Return an index's entries, path → `mode hash`. Raises `EffectRefused` when it has conflicts."""
    said = await repository.files("ls-files", "--stage", "-z", index=index)
    found = {}
    for part in said.parts:
        about, _, path = part.partition("\t")
        mode, digest, stage = about.split(" ")
        if stage != "0":
            raise EffectRefused("has conflicts in it", place=path, cure="resolve them first")
        found[path] = f"{mode} {digest}"
    return found


async def tree_of(repository: Repository, commit: str | None) -> str:
    """Return the tree of a commit; the empty one for `None`."""
    if commit is None:
        return (await repository.files("hash-object", "-t", "tree", "-w", "--stdin")).line
    return (await repository.files("rev-parse", "--verify", f"{commit}^{{tree}}")).line


async def require_there(repository: Repository, record: GitRecord, tip: str | None) -> None:
    """Raise `WorldMovedOn` unless the branch is where the record's change begins; say what happened since."""
    if tip == record.before:
        return
    raise WorldMovedOn(
        fit(f"the branch was moved since\n{await _since(repository, record.before, tip)}"),
        place=record.ref,
        cure="take it back by hand, or force it",
    )


async def _since(repository: Repository, before: str | None, tip: str | None) -> str:
    if tip is None:
        return f"it was {before}, and is gone"
    if before is None:
        return f"it was not there, and is now at {tip}"
    said = await repository.files(
        "log",
        f"--max-count={_MOST_LOG}",
        "--stat",
        "--format=%h %an: %s",
        f"{before}..{tip}",
        "--",
        check=False,
    )
    return said.out.decode(errors="replace") or f"it was at {before}, and is now at {tip}"
