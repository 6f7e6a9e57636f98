"""Evidence of a replay: what one version would have done in a recorded history, counted."""

from collections.abc import Callable
from pathlib import Path

from engine.core.vocabulary.facts import CapabilityReplayed, OutcomeReported
from engine.core.vocabulary.ids import CapabilityId
from engine.wiring import PolicySource
from simulator.recording import Label, Recording
from simulator.replay.driver import Progress, Replay, TrackEnd
from simulator.replay.results import Results, Run


class Replayed:
    """One replay, from which the evidence of several versions can be counted."""

    def __init__(
        self,
        recording: Recording,
        source: PolicySource,
        results: Path,
        *,
        name: str,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Replay, keeping every decision in `results`. Raises `RecordingError` and `StorageError`."""
        self._recording = recording
        run = Run(
            recording=name,
            mapping=None,
            content_sha256=recording.footer.content_sha256,
            source=recording.header.source,
            policies=[source.place],
            policy_hashes=[source.policy_hash],
            from_us=None,
            until_us=None,
        )
        kept = Results(results, run, resume=False)
        try:
            end = Replay(recording, [source], results=kept).run(progress)
            rows = kept.finish().execute("select proposal_id, capability, word from decisions")
            self._words: list[tuple[str, str, str]] = rows.fetchall()
        except BaseException:
            kept.discard()
            raise
        kept.close()
        self._track: TrackEnd = end.tracks[0]
        self._failed = {
            fact.proposal_id
            for _, fact in recording.facts()
            if isinstance(fact, OutcomeReported) and not fact.ok
        }
        self._unsafe = {
            label.proposal_id for label in recording.labels() if isinstance(label, Label) and label.unsafe
        }

    def of(
        self, capability: CapabilityId, counted: CapabilityId, *, at_us: int, by: str
    ) -> CapabilityReplayed:
        """Return what `counted` did in the history as what `capability` would do.

        A failure is one that was reported for the decision, whoever acted then; harm is what a label says.
        """
        own = [(proposal, word) for proposal, version, word in self._words if version == counted]
        allowed = {proposal for proposal, word in own if word == "allow"}
        footer = self._recording.footer
        return CapabilityReplayed(
            at_us=at_us,
            capability=capability,
            recording=footer.content_sha256,
            journal_hash=self._track.journal_hash,
            policy_hash=self._track.policy_hash,
            decisions=len(own),
            allowed=len(allowed),
            failed=len(allowed & self._failed),
            unsafe=len(allowed & self._unsafe),
            from_us=footer.first_at_us or 0,
            until_us=footer.last_at_us or 0,
            by=by,
        )
