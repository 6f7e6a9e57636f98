"""A story told: a made-up world against the real core, from replay to the end of every rollout in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.core.kpis.definitions import Kpi
from engine.core.statistics.intervals import rate
from engine.core.vocabulary.facts import StageChanged
from engine.core.vocabulary.ids import CapabilityId, capability_name
from engine.core.vocabulary.rollouts import ArmTally
from engine.core.vocabulary.units import DAY_US, time_text
from engine.ports import Journal
from engine.wiring import PolicySource, build_policy
from simulator import kpi_text
from simulator.course import Point, point_of
from simulator.evidence import Replayed
from simulator.kpis import KpiCourse, course_of
from simulator.recording import Recording
from simulator.rederive import Rederived, rederive
from simulator.world.policies import policy_for
from simulator.world.recorded import record
from simulator.world.running import World
from simulator.world.sink import Engine
from simulator.world.stories import Story, before

_HISTORY_DAYS: Final = 7
"""How much was recorded before: enough decisions for the replay that a plan asks for."""


class Told(Struct, frozen=True, kw_only=True):
    """How a story went."""

    story: Story
    seed: int
    steps: list[StageChanged]
    points: dict[CapabilityId, list[Point]]
    records: int
    again: Rederived
    kpis: KpiCourse | None
    """`None` where nobody asked for them."""


def tell(
    story: Story,
    seed: int,
    source: PolicySource,
    *,
    journal: Journal,
    folder: Path,
    kpis: tuple[Kpi, ...] = (),
    progress: Callable[[float, int], None] = lambda _part, _records: None,
) -> Told:
    """Live through a story, in simulated time, with a journal that must be empty.

    First some days are recorded while others do the work, and replayed under the policy: that is the evidence
    with which each rollout begins. Then the core decides. Recording and results are left in `folder`.
    Raises `StorageError`.
    """
    versions = [work.candidate.capability for work in story.works if work.candidate is not None]
    # Of the week before, under another seed: a history that is replayed must not be the one that follows.
    record(folder / "history.wkr", before(story, _HISTORY_DAYS), seed + 1, days=_HISTORY_DAYS, labels=False)
    recording = Recording(folder / "history.wkr")
    source = policy_for(story, source)
    read = source.with_recorded(recording.header.actions)
    replayed = Replayed(recording, read, folder / "history.sqlite", name="history.wkr")
    opening = [replayed.of(each, each, at_us=story.start_us, by="ada") for each in versions]
    world, sink = World(story, seed), Engine(build_policy(source), journal)
    points: dict[CapabilityId, list[Point]] = {each: [] for each in versions}
    for day in world.by_day(sink, opening):
        for each in versions:
            if (point := _point(sink, each, story.start_us + day * DAY_US)) is not None:
                points[each].append(point)
        progress(day / story.days, journal.head().seq)
    return Told(
        story=story,
        seed=seed,
        steps=list(world.books.steps),
        points=points,
        records=journal.head().seq,
        again=rederive(journal),
        kpis=course_of(kpis, journal) if kpis else None,
    )


def _point(sink: Engine, capability: CapabilityId, at_us: int) -> Point | None:
    candidate = sink.loop.state.rollouts.candidates.get(capability_name(capability))
    if candidate is None:
        return None
    return point_of(candidate, at_us)


def text(told: Told) -> str:
    """Say in lines what happened to each version."""
    lines = [f"{told.story.summary} (seed {told.seed}, {told.records:,} records)"]
    for capability in told.points:
        lines += ["", f"{capability}"]
        for step in told.steps:
            if step.capability == capability:
                lines.append(f"  {time_text(step.at_us)[:16]}  {step.now:<11} {why(step)}")
    if told.kpis is not None:
        lines += ["", f"KPIs of autonomy at {time_text(told.kpis.standings[0].until_us)}"]
        lines += [f"  {word:<8} {line}" for word, line in kpi_text.lines(told.kpis.standings)]
    return "\n".join([*lines, "", str(told.again)])


def _tally(tally: ArmTally) -> str:
    """Write so many of so many, with what the true rate may be (a 95 % confidence sequence)."""
    found = rate(tally.failures, tally.episodes, 0.05)
    span = f" ({100 * found.low:.1f} to {100 * (found.high or 0.0):.1f} %)" if tally.episodes else ""
    return f"{tally.failures:,} of {tally.episodes:,}{span}"


def why(step: StageChanged) -> str:
    """Say in a few words what a step was taken on."""
    evidence = step.evidence
    if step.now == "rolled_back":
        return step.reason
    if step.was == "shadow":
        return f"agreed in {evidence.agreed:,} of {evidence.compared:,} episodes, for {step.by}"
    if evidence.canary.episodes:
        canary, control = _tally(evidence.canary), _tally(evidence.control)
        return f"canary failed in {canary}, control in {control}, for {step.by}"
    return step.reason
