"""What happened to the machine and to what is kept on it, in the past tense."""

from engine.core.vocabulary.fact import Fact


class ProcessEnded(Fact, tag="process_ended", frozen=True, kw_only=True):
    """A process of ours ended though nobody asked it to, and was or will be started again."""

    process: str
    """`engine`, `front`, `worker-1`."""
    how: str
    """`status 1`, `signal 9`."""
    restarts: int
    """How often it was restarted since it last ran for a while."""


class TroubleFound(Fact, tag="trouble_found", frozen=True, kw_only=True):
    """Something is wrong with the machine. No effect starts until it is gone."""

    trouble: str
    """`clock`, `journal`, `disk`."""
    detail: str


class TroubleGone(Fact, tag="trouble_gone", frozen=True, kw_only=True):
    """It went away, or somebody who may do so said that it does not matter."""

    trouble: str
    by: str
    """`engine` when it went away by itself."""
    detail: str = ""


class SnapshotSaved(Fact, tag="snapshot_saved", frozen=True, kw_only=True):
    """Journal, configuration and workspace were copied to where they can be restored from."""

    snapshot_id: str
    journal_seq: int
    """The last record that the copy of the journal holds."""
    files: int
    size_bytes: int


class SnapshotRestored(Fact, tag="snapshot_restored", frozen=True, kw_only=True):
    """Somebody put back an older workspace, configuration or journal."""

    snapshot_id: str
    by: str
    parts: tuple[str, ...]
