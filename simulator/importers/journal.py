"""Our own journal: its facts as they are, and what was decided then as labels to compare a replay with."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.chain import Head, Record
from engine.core.vocabulary.facts import AnyFact, PolicyAdopted, SnapshotTaken, VerdictReached, decode
from engine.core.vocabulary.ids import Digest
from engine.errors import RecordingError
from engine.runtime.loop import follows
from simulator.importers.source import Progress
from simulator.importers.summary import Summary, summarize
from simulator.recording import VERSIONS, Header, Origin, RecordedStep, RecordedVerdict, RecordingWriter

FORMAT: Final = "journal"
_OF_ROLLOUTS: Final = tuple(
    f'{{"fact":"{kind}"'.encode()
    for kind in (
        "capability_replayed",
        "promotion_asked",
        "promotion_refused",
        "promotion_ready",
        "rollout_aborted",
        "stage_changed",
    )
)
_POLICY: Final = b'{"fact":"policy_adopted"'
_RECORDS_BETWEEN_TICKS: Final = 10_000


def import_journal(path: Path, out: Path, progress: Progress | None = None) -> Summary:
    """Write the recording of a journal, after verifying its whole chain.

    Works beside a running engine: it takes what the journal held when the import began. Verdicts and
    policies are not facts to replay, since the replay decides anew: verdicts become labels, and the
    policies' hashes stand in the header. Where it holds rollouts, their steps and all they follow from are
    kept beside the facts, so that they can be worked out again. Raises as the journal does (`InputError`,
    `JournalError`, `ChainBroken`), and `RecordingError` for a record that is not a fact of this version.
    """
    with SqliteReader(path) as journal:
        head = journal.verify()
        policies, rollouts = [], False
        for record in journal.read(until=head.seq):
            rollouts = rollouts or record.body.startswith(_OF_ROLLOUTS)
            if record.body.startswith(_POLICY):
                policies.append(_fact(record, path).policy_hash)  # type: ignore[union-attr]  # by its tag
        with RecordingWriter(out, _header(path, head, policies, rollouts=rollouts)) as writer:
            for record in journal.read(until=head.seq):
                _write(writer, record, path, rollouts=rollouts)
                if progress is not None and record.seq % _RECORDS_BETWEEN_TICKS == 0:
                    progress(record.seq / head.seq, record.seq)
            writer.source_rows = head.seq
    return summarize(FORMAT, path.name, writer, [])


def _header(path: Path, head: Head, policies: list[Digest], *, rollouts: bool) -> Header:
    return Header(
        watchkeeper_recording=VERSIONS[-1] if rollouts else VERSIONS[0],
        source=FORMAT,
        origin=Origin(
            name=path.name,
            sha256=head.hash.hex(),
            rows=head.seq,
            policy_hashes=tuple(dict.fromkeys(policies)),
        ),
        notes=("the registry is the one of the policy folder: a journal holds none",),
    )


def _write(writer: RecordingWriter, record: Record, path: Path, *, rollouts: bool) -> None:
    fact = _fact(record, path)
    followed = follows(record, fact)
    if rollouts and (followed or isinstance(fact, PolicyAdopted)) and not _without_arm(fact):
        writer.label(
            RecordedStep(after=writer.facts, seq=record.seq, follows=followed, fact=msgspec.Raw(record.body))
        )
    if isinstance(fact, VerdictReached):
        verdict = fact.verdict
        writer.label(
            RecordedVerdict(
                proposal_id=verdict.proposal_id,
                word=verdict.word,
                sha256=Digest(hashlib.sha256(record.body).hexdigest()),
            )
        )
    elif not isinstance(fact, PolicyAdopted | SnapshotTaken) and not followed:
        writer.write(fact)


def _without_arm(fact: AnyFact) -> bool:
    """Whether a fact is a verdict outside any rollout: no step follows from it."""
    return isinstance(fact, VerdictReached) and not fact.verdict.assignment


def _fact(record: Record, path: Path) -> AnyFact:
    try:
        return decode(record.body)
    except msgspec.DecodeError as error:
        raise RecordingError(
            f"cannot be read: {error}",
            place=f"{path.name} record {record.seq}",
            cure="it may come from a newer Watchkeeper: update",
        ) from None
