"""What a replay shows of one version: counted from the decisions of a replay that runs here and now."""

from pathlib import Path

from engine.core.vocabulary.facts import CapabilityReplayed, OutcomeReported
from engine.core.vocabulary.ids import CapabilityId
from engine.wiring import SHIPPED_POLICY, config_folder, read_policy
from simulator.recording import Label
from simulator.replay.driver import Replay
from simulator.replay.results import Results, Run
from watchkeeper.commands_replay import open_with_progress
from watchkeeper.home import folder, home
from watchkeeper.progress import bar


def evidence_of(
    capability: CapabilityId, counted: CapabilityId, source: str, policy: Path | None, by: str
) -> CapabilityReplayed:
    """Replay a history, and count what `counted` did in it as what `capability` would do.

    Raises as `watchkeeper replay` does.
    """
    recording = open_with_progress(source)
    chosen = policy or config_folder(home().resolve()) / "policies"
    read = read_policy(chosen if chosen.exists() else SHIPPED_POLICY).with_recorded(recording.header.actions)
    run = Run(
        recording=source,
        mapping=None,
        content_sha256=recording.footer.content_sha256,
        source=recording.header.source,
        policies=[read.place],
        policy_hashes=[read.policy_hash],
        from_us=None,
        until_us=None,
    )
    kept = Results(folder("replays") / f"evidence-{recording.path.stem}.sqlite", run, resume=False)
    try:
        driver = Replay(recording, [read], results=kept)
        with bar("replay", "facts") as advance:
            end = driver.run(lambda progress: advance(progress.facts / progress.of, progress.facts))
        rows = kept.finish().execute(
            "select proposal_id, word from decisions where capability = ?", [counted]
        )
        words = dict(rows.fetchall())
    except BaseException:
        kept.discard()
        raise
    kept.close()
    allowed = {proposal for proposal, word in words.items() if word == "allow"}
    failed = {
        fact.proposal_id
        for _, fact in recording.facts()
        if isinstance(fact, OutcomeReported) and not fact.ok and fact.proposal_id in allowed
    }
    unsafe = {
        label.proposal_id
        for label in recording.labels()
        if isinstance(label, Label) and label.unsafe and label.proposal_id in allowed
    }
    (track,) = end.tracks
    return CapabilityReplayed(
        at_us=0,
        capability=capability,
        recording=recording.footer.content_sha256,
        journal_hash=track.journal_hash,
        policy_hash=track.policy_hash,
        decisions=len(words),
        allowed=len(allowed),
        failed=len(failed),
        unsafe=len(unsafe),
        from_us=recording.footer.first_at_us or 0,
        until_us=recording.footer.last_at_us or 0,
        by=by,
    )
