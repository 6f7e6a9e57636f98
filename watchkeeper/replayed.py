"""What a replay shows of one version: counted from the decisions of a replay that runs here and now."""

from pathlib import Path

from engine.core.vocabulary.facts import CapabilityReplayed
from engine.core.vocabulary.ids import CapabilityId
from engine.wiring import SHIPPED_POLICY, config_folder, read_policy
from simulator.evidence import Replayed
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
    results = folder("replays") / f"evidence-{recording.path.stem}.sqlite"
    with bar("replay", "facts") as advance:
        replayed = Replayed(
            recording,
            read,
            results,
            name=source,
            progress=lambda progress: advance(progress.facts / progress.of, progress.facts),
        )
    return replayed.of(capability, counted, at_us=0, by=by)
