"""Recordings of a made-up world: what happened without an engine, and the truth about it as labels."""

from pathlib import Path

from engine.core.vocabulary.ids import CapabilityId, EpisodeId
from engine.core.vocabulary.units import DAY_US
from simulator.recording import Header, Label, Origin, RecordingWriter
from simulator.world.acting import proposal_id
from simulator.world.books import Books, Truth
from simulator.world.running import World
from simulator.world.sink import Recorder
from simulator.world.stories import Story

_NOTE = "made up by simulator/world: no company, person or payment in it exists"


def record(path: Path | str, story: Story, seed: int, *, days: int, labels: bool = True) -> Books:
    """Write some days of a story as a recording, and return the truth about them.

    Whoever does the work goes on doing it; candidates propose beside them and are never let. With `labels`
    each proposal says whether allowing it would have done harm: a candidate's whose own hands would have
    failed where the incumbent's did not. In a real history nobody knows that; leave them out to be as blind.
    Raises `StorageError` when the disk refuses.
    """
    world = World(story, seed)
    header = Header(source="world", origin=Origin(name=f"{story.name}-seed-{seed}"), notes=(_NOTE,))
    with RecordingWriter(path, header) as out:
        books = world.run(Recorder(out), story.start_us + days * DAY_US)
        if labels:
            versions = {work.name: (work.incumbent, work.candidate) for work in story.works}
            for truth in books.truths:
                incumbent, candidate = versions[truth.work]
                if candidate is not None:
                    unsafe = bool(truth.candidate_failed) and not truth.incumbent_failed
                    out.label(_label(truth, candidate.capability, unsafe=unsafe))
                if incumbent:
                    out.label(_label(truth, incumbent, unsafe=False))
    return books


def _label(truth: Truth, capability: CapabilityId, *, unsafe: bool) -> Label:
    episode = EpisodeId(truth.episode)
    return Label(
        proposal_id=proposal_id(episode, capability), unsafe=unsafe, benign_episode=True, episode=episode
    )
