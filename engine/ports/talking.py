"""What the front desk needs of others: who is linked to whom, and replays that run beside everything."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

from msgspec import Struct

from engine.core.vocabulary.facts import SnapshotRestored
from engine.core.vocabulary.ids import Digest, PersonId
from engine.core.vocabulary.people_facts import Role


class Linked(Struct, frozen=True, kw_only=True):
    """A person and the account they were linked to."""

    person: PersonId
    role: Role
    front: str
    account_id: str
    name: str = ""
    """What the platform called them when they were linked."""
    since_us: int = 0


class Links(Protocol):
    """Which accounts belong to whom. A person may have many accounts, an account has one person."""

    def who(self, front: str, account_id: str) -> Linked | None:
        """Return whom an account belongs to, or `None`. Raises `StorageError` when nobody can say."""

    def code(self, person: PersonId, role: Role) -> str:
        """Make a code that links one account to a person, once, within ten minutes. Raises `StorageError`."""

    def redeem(self, code: str, *, front: str, account_id: str, name: str = "") -> Linked:
        """Link an account with a code. Raises `InputError` when the code is wrong, used, or too old, and
        after several wrong ones for a while whatever the code is.
        """

    def unlink(self, front: str, account_id: str) -> Linked | None:
        """Take a link away and return it; `None` when there was none."""

    def all(self) -> tuple[Linked, ...]:
        """Return every link, in the order in which they were made."""


IN_FORCE: Final = "in-force"
"""Names the policy in force where another is compared with it."""


class Draft(Struct, frozen=True, kw_only=True):
    """A changed policy that compiles and decides nothing: it can be replayed, and kept."""

    name: str
    """Says what is in it: the same policy is the same draft."""
    file: str
    """Which of its files was changed, such as `rules.yaml`."""
    base: str
    """The policy folder it was drafted from; empty for the one in force."""
    policy_hash: Digest


class Drafts(Protocol):
    """Changed policies, to be tried before anybody proposes them. A few are kept, the newest."""

    def make(self, file: str, text: str, base: str = "") -> Draft:
        """Draft a policy in which one file says something else. Raises `PolicyError` naming line and cure
        where it does not compile, `InputError` for a file or folder that is not there.
        """

    def draft(self, name: str) -> Draft:
        """Return one. Raises `InputError` when there is none of that name any more."""

    def folder(self, name: str) -> Path:
        """Return a policy folder, or a draft; the one in force for an empty name. Raises `InputError`."""

    def keep(self, draft: str, name: str) -> Draft:
        """Make a policy folder of one. Raises `InputError` when the name is taken, or the draft is gone."""


class ReplayWish(Struct, frozen=True, kw_only=True):
    """A replay somebody wants."""

    recording: str
    policy: str = ""
    """Empty for the policy in force."""
    against: str = ""
    """Empty for no comparison; `in-force` for the one in force."""
    by: str


class ReplayJob(Struct, frozen=True, kw_only=True):
    """A replay that was asked for, and how far it is."""

    name: str
    wish: ReplayWish
    state: Literal["waiting", "running", "done", "cancelled", "failed"]
    begun_us: int
    ended_us: int | None = None
    share: float = 0.0
    """Of its facts that were replayed, 0 to 1."""
    decisions: int = 0
    summary: str = ""
    """What came out, in lines for people; empty until then."""
    report: Path | None = None
    """The report page; `None` until it is written."""
    error: str = ""


class Replays(Protocol):
    """Replays that run in processes of their own, a few at a time."""

    def start(self, wish: ReplayWish) -> ReplayJob:
        """Begin one, or let it wait for its turn. Raises `InputError` for a recording or policy that is not
        there, one that is too large, and when too many wait already.
        """

    def cancel(self, name: str) -> ReplayJob:
        """End one before its time. Raises `InputError` when there is none, or it is over."""

    def job(self, name: str) -> ReplayJob:
        """Return one by its name. Raises `InputError` when there is none."""

    def jobs(self) -> tuple[ReplayJob, ...]:
        """Return those that are remembered, the newest first."""

    def results(self, name: str) -> Path:
        """Return where the results of one lie that is done. Raises `InputError` when there are none."""

    def recordings(self) -> tuple[str, ...]:
        """Return the names of the recordings at hand."""

    def policies(self) -> tuple[str, ...]:
        """Return the names of the policy folders at hand, besides the one in force."""


class SnapshotSeen(Struct, frozen=True, kw_only=True):
    """A snapshot that can be restored."""

    snapshot_id: str
    created_us: int
    files: int
    size_bytes: int


class Shelf(Protocol):
    """The snapshots there are."""

    def list(self) -> tuple[SnapshotSeen, ...]:
        """Return them, the newest first. Raises `StorageError`."""

    def preview(self, snapshot_id: str) -> tuple[SnapshotSeen, tuple[str, ...]]:
        """Return the snapshot and what restoring the workspace from it would change, a line each.

        Raises `InputError` when there is no such snapshot.
        """

    def restore(self, snapshot_id: str, by: PersonId) -> tuple[SnapshotRestored, tuple[str, ...]]:
        """Bring the workspace back, and return what is to be journaled and what was done, a line each.

        It is noted until `journaled` says that the journal has it; an engine that starts looks there. Raises
        `InputError`, `EffectRefused` while effects are under way, and `StorageError`.
        """

    def journaled(self, restored: SnapshotRestored) -> None:
        """Take a restore for known that is in the journal. Raises `StorageError`."""


class Posted(Struct, frozen=True, kw_only=True):
    """One message that was posted."""

    front: str
    channel: str
    about: str
    """The decision it shows; for news the number of their record."""
    ref: str
    episode: str = ""
    thread: str = ""
    """The thread it opened, or stands in."""
    shown: str = ""
    """A digest of what it shows, so that nothing is sent that changes nothing."""
    open: bool = True
    """Whether it may still change."""


class Messages(Protocol):
    """What was posted where, and up to which record. Losing it costs a repeated message, nothing else."""

    def find(self, front: str, channel: str, about: str) -> Posted | None:
        """Return the message about something in a channel."""

    def root(self, front: str, channel: str, episode: str) -> Posted | None:
        """Return the first message of an episode in a channel."""

    def by_ref(self, front: str, ref: str) -> Posted | None:
        """Return a message by what the platform knows it by."""

    def open(self) -> Sequence[Posted]:
        """Return the messages that may still change."""

    def keep(self, posted: Posted) -> None:
        """Remember a message, in the place of the one about the same thing."""

    def put_by(self, text: str) -> str:
        """Keep a text that a platform has no room for, and return what `text` knows it by: 24 letters."""

    def text(self, name: str) -> str | None:
        """Return a text that was put by; `None` when it is not known, or was too long ago."""

    def seen(self) -> int | None:
        """Return the last record that was looked at; `None` at the very first start."""

    def saw(self, seq: int) -> None:
        """Remember how far the journal was looked at."""
