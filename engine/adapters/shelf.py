"""The shelf as the desk sees it: what is on it, and bringing the workspace back from it."""

from pathlib import Path
from typing import Final

from engine.adapters import restore_notes
from engine.adapters.machine_time import now_us
from engine.adapters.snapshot_manifest import SnapshotInfo
from engine.adapters.snapshot_store import SnapshotStore
from engine.core.vocabulary.facts import SnapshotRestored
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import SECOND_US
from engine.errors import EffectRefused, InputError
from engine.ports import SnapshotSeen

_WORKSPACE: Final = "workspace"
_SHOWN: Final = 5


class WorkspaceShelf:
    """The port `Shelf`, for the workspace: bringing back a journal takes somebody at the machine."""

    def __init__(self, folder: Path, *, workspace: Path, home: Path, inflight: Path) -> None:
        """Name the snapshots' folder, the workspace, the state folder, and where work under way is noted."""
        self._folder, self._workspace, self._home, self._inflight = folder, workspace, home, inflight

    def list(self) -> tuple[SnapshotSeen, ...]:
        """Return the snapshots, the newest first."""
        if not self._folder.is_dir():
            return ()
        return tuple(_seen(info) for info in reversed(SnapshotStore(self._folder).list()))

    def preview(self, snapshot_id: str) -> tuple[SnapshotSeen, tuple[str, ...]]:
        """Return the snapshot and what restoring the workspace from it would change, a line each."""
        store, info = self._find(snapshot_id)
        found = store.changes(info.snapshot_id, _WORKSPACE, self._workspace)
        counts = [len(names) for names in (found.added, found.changed, found.removed)]
        back, change, away = (f"{count:,}" for count in counts)
        lines = [f"{back} files come back, {change} change, {away} go away, {found.same:,} stay."]
        for sign, paths in (("+", found.added), ("~", found.changed), ("-", found.removed)):
            lines += [f"{sign} {path}" for path in paths[:_SHOWN]]
            if len(paths) > _SHOWN:
                lines.append(f"{sign} and {len(paths) - _SHOWN:,} more")
        return _seen(info), tuple(lines)

    def restore(self, snapshot_id: str, by: PersonId) -> tuple[SnapshotRestored, tuple[str, ...]]:
        """Bring the workspace back, note it, and return what is to be journaled and what was done."""
        store, info = self._find(snapshot_id)
        running = sum(1 for _ in self._inflight.iterdir()) if self._inflight.is_dir() else 0
        if running:
            raise EffectRefused(
                f"{running} effects are under way in the workspace",
                cure="stop everything, wait until they have ended, then restore",
            )
        targets = {_WORKSPACE: self._workspace}
        done = store.replace(info.snapshot_id, targets, apart=(self._home,), now_us=now_us())
        lines = [f"{done.files:,} files of {done.snapshot_id} are back."]
        if done.safety_id is not None:
            lines.append(f"What was there is snapshot {done.safety_id}.")
        restored = SnapshotRestored(at_us=now_us(), snapshot_id=info.snapshot_id, by=by, parts=(_WORKSPACE,))
        restore_notes.leave_note(self._home, restore_notes.note_of(restored))
        return restored, tuple(lines)

    def journaled(self, restored: SnapshotRestored) -> None:
        """Take the note of a restore away."""
        restore_notes.clear_notes(self._home, frozenset({restore_notes.note_of(restored).key}))

    def _find(self, snapshot_id: str) -> tuple[SnapshotStore, SnapshotInfo]:
        if not self._folder.is_dir():
            raise InputError("there is no snapshot yet", cure="/snapshot takes one")
        store = SnapshotStore(self._folder)
        info = store.find(snapshot_id)
        if _WORKSPACE not in info.parts:
            raise InputError("it holds no workspace", place=info.snapshot_id, cure="take another")
        return store, info


def _seen(info: SnapshotInfo) -> SnapshotSeen:
    return SnapshotSeen(
        snapshot_id=info.snapshot_id,
        created_us=info.created_us // SECOND_US * SECOND_US,
        files=info.files,
        size_bytes=info.size_bytes,
    )
