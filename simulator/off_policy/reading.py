"""Where histories of rollouts come from: a journal as it is, or a recording that is decided again."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.facts import VerdictReached, decode
from engine.core.vocabulary.ids import CapabilityId, ProposalId
from engine.errors import InputError, RecordingError
from engine.wiring import PolicySource
from simulator.off_policy.history import History, Told
from simulator.recording import RecordedVerdict, Recording
from simulator.replay.journalled import replay_into

Progress = Callable[[float, int], None]
"""Called now and then with the share of the work that is done, 0 to 1, and the facts read."""

_BETWEEN_TICKS = 5_000


def told_by_journal(path: Path, capability: CapabilityId, progress: Progress | None = None) -> Told:
    """Read what a journal holds about a version's rollout, with the verdicts and chances of their time.

    Raises as the journal does, `RecordingError` for a record that is no fact of this version, and
    `InputError` as `History.told` does.
    """
    return _read(path, capability, {}, progress)


def told_by_recording(
    recording: Recording, source: PolicySource, capability: CapabilityId, progress: Progress | None = None
) -> Told:
    """Decide a recording again, and read what it tells about a version's rollout.

    Where it was made of a journal, every verdict must come out as it was, to the last byte: under another
    policy the chances would not be those that the outcomes depend on. Raises `InputError` otherwise, and as
    `told_by_journal` does.
    """
    recorded = {
        label.proposal_id: label.sha256 for label in recording.labels() if isinstance(label, RecordedVerdict)
    }
    total = max(1, recording.footer.facts)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
        path = Path(folder, "journal.db")
        with closing(SqliteJournal(path)) as journal:
            replay_into(
                journal,
                recording,
                source,
                progress=lambda seq: progress(seq / total / 2, seq) if progress is not None else None,
            )
        second_half = (lambda share, read: progress((1 + share) / 2, read)) if progress is not None else None
        return _read(path, capability, recorded, second_half)


def _read(
    path: Path, capability: CapabilityId, recorded: Mapping[ProposalId, str], progress: Progress | None
) -> Told:
    history = History(capability)
    with SqliteReader(path) as journal:
        head = journal.head()
        for record in journal.read(until=head.seq):
            try:
                fact = decode(record.body)
            except msgspec.DecodeError as error:
                raise RecordingError(
                    f"cannot be read: {error}",
                    place=f"{path.name} record {record.seq}",
                    cure="it may come from a newer Watchkeeper: update",
                ) from None
            if isinstance(fact, VerdictReached) and recorded:
                _same(fact, record.body, recorded)
            history.take(fact)
            if progress is not None and record.seq % _BETWEEN_TICKS == 0:
                progress(record.seq / head.seq, record.seq)
    return history.told()


def _same(fact: VerdictReached, body: bytes, recorded: Mapping[ProposalId, str]) -> None:
    was = recorded.get(fact.verdict.proposal_id)
    if was is not None and was != hashlib.sha256(body).hexdigest():
        raise InputError(
            f"this policy does not decide {fact.verdict.proposal_id} as it was decided then",
            cure="name the policy of that time with --policy, or give journal:FILE, which needs none",
        )
