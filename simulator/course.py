"""Courses: how the evidence on each rollout grew, worked out again from the journal's facts.

The engine keeps what its evidence is now. How it came there is in the journal alone, so it is folded anew, a
piece at a time, by the fold the engine itself uses.
"""

import threading
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from engine.commands.steering import STEPS
from engine.core.evolve import evolve
from engine.core.state import State
from engine.core.statistics import mixture, risk_ratio
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import Head
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.rollouts import Arm, Requirement, Stage
from engine.core.work.rollout.candidates import Candidate
from engine.core.work.rollout.evidence import broken
from engine.core.work.rollout.showing import RolloutShown, names, show
from engine.core.work.rollout.steps import WATCHED
from engine.ports import JournalReader
from engine.runtime.loop import fact_of

MOST_STEPS: Final = 200
"""As many steps of one capability are kept, the newest."""
_MOST_SAMPLES: Final = 600
"""More than a picture has room for; past that every other one is left out."""


class Point(Struct, frozen=True, kw_only=True):
    """What was known of one version at a moment."""

    at_us: int
    stage: Stage
    agreement: float
    """E-value that candidate and incumbent agree enough; it counts in shadow."""
    good: float
    """E-value that the candidate does not fail too often; it counts as a canary."""
    bad: float
    """E-value that it fails more often than the incumbent."""
    canary_failures: int
    canary: int


class Sample(Struct, frozen=True):
    """A point, and after how many decisions of the rollout it was."""

    decisions: int
    point: Point


class Mark(Struct, frozen=True):
    """A change of stage, and after how many decisions of the rollout it was."""

    decisions: int
    stage: Stage
    at_us: int
    by: str


class Spent(Struct, frozen=True):
    """What one arm carried out in one stage, as it was estimated."""

    executed: int = 0
    cost_usd: float = 0.0


class Course(Struct):
    """One version on its way."""

    capability: CapabilityId
    decisions: int = 0
    """Decisions in its rollout, of either arm."""
    samples: list[Sample] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    spent: dict[Arm, Spent] = field(default_factory=dict)
    """In this stage; after a rollback, in the one that ended with it."""
    shadow: RolloutShown | None = None
    """How it stood when it left shadow: its later stages forget where it differed from the incumbent."""
    every: int = 1
    """How many episodes lie between two samples."""
    judged: int = 0
    """Episodes of this stage that were judged when last looked at."""
    sampled: int = 0
    """The same when the last sample was taken."""


class CourseShown(Struct, frozen=True, kw_only=True):
    """What the journal says of one capability, as far as it was read."""

    behind: int
    """Records that were not read yet."""
    standing: RolloutShown | None
    """`None` where nothing of it was found yet."""
    course: Course | None
    """`None` where no version is on its way, or was."""
    steps: tuple[tuple[int, f.Fact], ...]
    """The newest first, each with the number of its record."""
    against: tuple[Requirement, ...]
    """Everything that takes authority away, with its limit; empty while nothing is a canary."""
    alpha: float
    guardrails: int


def point_of(candidate: Candidate, at_us: int) -> Point:
    """Return what is known of a candidate now."""
    return Point(
        at_us=at_us,
        stage=candidate.stage,
        agreement=mixture.e_value(candidate.agreement),
        good=mixture.e_value(candidate.good),
        bad=risk_ratio.bad(candidate.bad),
        canary_failures=candidate.canary_failures,
        canary=candidate.canary,
    )


class Courses:
    """The courses of all rollouts in one journal. Safe from many threads; each call works for a while."""

    def __init__(self) -> None:
        """Begin before the first record."""
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._state, self._head = State(), Head()
        self._courses: dict[CapabilityName, Course] = {}
        self._steps: dict[CapabilityName, list[tuple[int, f.Fact]]] = {}

    def read(self, journal: JournalReader, most: int) -> int:
        """Read so many records more, and return how many are left.

        Begins anew where the journal is another one than before. Raises `JournalError` for a record that this
        version cannot read.
        """
        with self._lock:
            if not self._fits(journal):
                self._begin()
            end = journal.head().seq
            for record in journal.read(after=self._head.seq, until=min(end, self._head.seq + most)):
                self._take(record.seq, fact_of(record))
                self._head = Head(record.seq, record.hash)
            return end - self._head.seq

    def all(self, now_us: int) -> tuple[RolloutShown, ...]:
        """Return how every capability stands, as far as the journal was read."""
        with self._lock:
            rollouts = self._state.rollouts
            return tuple(show(rollouts, name, now_us) for name in names(rollouts))

    def shown(self, journal: JournalReader, name: CapabilityName, now_us: int) -> CourseShown:
        """Return what is known of one capability, as far as the journal was read."""
        with self._lock:
            rollouts = self._state.rollouts
            plan, candidate = rollouts.settings.plan_of(name), rollouts.candidates.get(name)
            course = self._courses.get(name)
            return CourseShown(
                behind=max(0, journal.head().seq - self._head.seq),
                standing=show(rollouts, name, now_us) if name in names(rollouts) else None,
                course=_copy(course, candidate, now_us) if course is not None else None,
                steps=tuple(reversed(self._steps.get(name, []))),
                against=broken(candidate, plan) if candidate is not None else (),
                alpha=plan.alpha,
                guardrails=len(plan.guardrails),
            )

    # ------------------------------------------------------------ within the lock

    def _fits(self, journal: JournalReader) -> bool:
        seq = self._head.seq
        if seq == 0:
            return True
        last = next(iter(journal.read(after=seq - 1, until=seq)), None)
        return last is not None and last.hash == self._head.hash

    def _take(self, seq: int, fact: f.Fact) -> None:
        rollouts = self._state.rollouts
        if isinstance(fact, STEPS):
            steps = self._steps.setdefault(capability_name(CapabilityId(fact.capability)), [])
            steps.append((seq, fact))
            del steps[:-MOST_STEPS]
        if isinstance(fact, f.StageChanged):
            # The step begins its counts anew: what it was taken on is the last that this stage shows.
            self._end_stage(fact)
        evolve(self._state, fact)
        if isinstance(fact, f.StageChanged):
            self._mark(fact)
        elif isinstance(fact, f.VerdictReached):
            self._count(fact)
        elif isinstance(fact, WATCHED):
            for name in rollouts.candidates:
                self._look(name, fact.at_us)

    def _end_stage(self, fact: f.StageChanged) -> None:
        name = capability_name(fact.capability)
        self._sample(name, fact.at_us)
        course = self._courses.get(name)
        if fact.was == "shadow" and course is not None and course.capability == fact.capability:
            course.shadow = show(self._state.rollouts, name, fact.at_us)

    def _mark(self, fact: f.StageChanged) -> None:
        name = capability_name(fact.capability)
        course = self._courses.get(name)
        if course is None or course.capability != fact.capability:
            self._courses[name] = course = Course(fact.capability)
        course.marks.append(Mark(course.decisions, fact.now, fact.at_us, fact.by))
        course.judged = course.sampled = 0
        if fact.now != "rolled_back":
            course.spent = {}

    def _count(self, fact: f.VerdictReached) -> None:
        verdict = fact.verdict
        name = capability_name(verdict.capability)
        candidate, course = self._state.rollouts.candidates.get(name), self._courses.get(name)
        if not verdict.assignment or candidate is None or course is None or not candidate.watched:
            return
        course.decisions += 1
        if verdict.word == "allow" and not verdict.shadowed:
            arm: Arm = "canary" if verdict.capability == candidate.capability else "control"
            known = course.spent.get(arm, Spent())
            course.spent[arm] = Spent(known.executed + 1, known.cost_usd + float(verdict.impact.cost_usd))
        self._look(name, fact.at_us)

    def _look(self, name: CapabilityName, at_us: int) -> None:
        candidate, course = self._state.rollouts.candidates[name], self._courses.get(name)
        if course is None or not candidate.watched or candidate.stage == "live":
            return
        judged = candidate.compared + candidate.canary + candidate.control
        if judged == course.judged:
            return
        course.judged = judged
        if judged - course.sampled >= course.every:
            course.sampled = judged
            self._sample(name, at_us)

    def _sample(self, name: CapabilityName, at_us: int) -> None:
        candidate, course = self._state.rollouts.candidates.get(name), self._courses.get(name)
        if candidate is None or course is None or not candidate.watched or candidate.stage == "live":
            return
        course.samples.append(Sample(course.decisions, point_of(candidate, at_us)))
        if len(course.samples) > _MOST_SAMPLES:
            course.samples[:] = _thinned(course.samples)
            course.every *= 2


def _thinned(samples: list[Sample]) -> list[Sample]:
    """Leave out every other sample, but none that ends a stage."""
    ends = {place for place, (one, two) in enumerate(pairwise(samples)) if one.point.stage != two.point.stage}
    return [each for place, each in enumerate(samples) if place % 2 or place in ends]


def _copy(course: Course, candidate: Candidate | None, now_us: int) -> Course:
    """Return a course that nobody changes any more, with what is known now as its last sample."""
    samples = list(course.samples)
    if candidate is not None and candidate.watched and candidate.stage != "live":
        samples.append(Sample(course.decisions, point_of(candidate, now_us)))
    return replace(course, samples=samples, marks=list(course.marks), spent=dict(course.spent))


def stages_of(marks: Iterable[Mark]) -> dict[Stage, Mark]:
    """Return when each stage was reached last."""
    return {each.stage: each for each in marks}
