"""The world, running: services break, somebody deals with it, people press buttons or sleep.

Time is simulated by SimPy in whole microseconds. Events at one moment happen in the order in which they were
planned, so that nothing but the seed decides.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import count
from typing import Any, Final

import simpy
from msgspec import structs

from engine.core.vocabulary.facts import (
    Fact,
    MetricObserved,
    PersonSeen,
    PromotionAsked,
    PromotionReady,
    PromotionRefused,
    RolloutPaused,
    StageChanged,
    TimePassed,
)
from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.acting import again_at
from simulator.world.books import Books
from simulator.world.chance import exponential, level, stream, waited
from simulator.world.faults import NONE, Faults
from simulator.world.hands import Hands
from simulator.world.incidents import Incident, extra, incidents
from simulator.world.people import awake, wakes_at
from simulator.world.sink import Sink
from simulator.world.stories import Candidate, Person, Service, Story, Work

Steps = Generator[simpy.Event, Any, None]
"""A process of SimPy."""

_USUAL_ERRORS: Final = 0.5
_BROKEN_ERRORS: Final = 25.0
"""Errors a minute of a healthy service at a load of 1, and of each incident that ended badly."""


class World:
    """One story and one seed, on its way through time.

    Nobody decides into this sink, so the version that does the work goes on doing it:

    >>> from simulator.world.sink import Nobody
    >>> from simulator.world.stories import GOOD_STORY
    >>> books = World(GOOD_STORY, seed=7).run(Nobody(), until_us=GOOD_STORY.start_us + DAY_US)
    >>> len(books.truths), sum(truth.failed for truth in books.truths)
    (492, 13)
    """

    def __init__(self, story: Story, seed: int, *, faults: Faults = NONE) -> None:
        """Plan everything; nothing happens before `run`."""
        self.story, self.faults, self.books = story, faults, Books()
        self._env = simpy.Environment(initial_time=story.start_us)
        self._hands = Hands(
            self._env, story, seed, faults=faults, books=self.books, tell=self._tell, again=self._again
        )
        self._sink: Sink | None = None
        self._seed = seed
        plans: list[Steps] = [self._ticks()]
        plans += [self._seen(person) for person in story.people]
        plans += [self._measured(service, seed) for service in story.services]
        for work in story.works:
            plans += [self._broken(work, incidents(story, seed, work, each)) for each in story.services]
            plans += [
                self._burst(work, seed, nth, story.start_us + after_us, many)
                for nth, (after_us, many) in enumerate(faults.bursts)
            ]
        for plan in plans:
            self._env.process(plan)
        self._triggered = {
            work.name: extra(story, seed, "triggered", work, (f"{work.name}-again-{n}" for n in count(1)))
            for work in story.works
        }

    @property
    def now_us(self) -> int:
        """The world's own time, whatever its clock says."""
        return int(self._env.now)

    def run(self, sink: Sink, until_us: int | None = None, opening: Iterable[Fact] = ()) -> Books:
        """Live on until a moment, or the story's end, telling this sink; return the books so far.

        `opening` is told first. It may be called again to go on, into another sink too: whatever happens does
        not depend on where one stopped. Raises what the sink's journal raises.
        """
        until_us = self.story.until_us if until_us is None else until_us
        self._sink = sink
        sink.open(self.now_us)
        for fact in opening:
            self._tell(fact)
        if until_us > self.now_us:
            self._env.run(until=until_us)
        sink.close()
        return self.books

    def by_day(self, sink: Sink, opening: Iterable[Fact] = ()) -> Iterator[int]:
        """Live a day at a time until every candidate is live or rolled back, or the story ends.

        Gives the number of each day that is over, counting from 1: for whoever shows how far it is.
        """
        candidates = [work.candidate.capability for work in self.story.works if work.candidate is not None]
        for day in range(1, self.story.days + 1):
            self.run(sink, self.story.start_us + day * DAY_US, opening)
            opening = ()
            yield day
            if all(self.books.stages.get(each) in {"live", "rolled_back"} for each in candidates):
                return

    # ---------------------------------------------------------------- telling and hearing

    def _tell(self, fact: Fact) -> tuple[Fact, ...]:
        if self._sink is None:
            raise ValueError("the world is not running")
        wrong_us = sum(by for after, by in self.faults.jumps if self.story.start_us + after <= self.now_us)
        heard = self._sink.tell(again_at(fact, fact.at_us + wrong_us) if wrong_us else fact)
        for each in heard:
            self._hear(each)
        return heard

    def _hear(self, fact: Fact) -> None:
        books = self.books
        if isinstance(fact, StageChanged):
            books.stages[fact.capability] = fact.now
            books.steps.append(fact)
        elif isinstance(fact, PromotionReady):
            books.ready.append(fact)
            self._env.process(self._pressed(fact))
        elif isinstance(fact, PromotionRefused):
            books.refused.append(fact)
        elif isinstance(fact, RolloutPaused):
            books.paused.append(fact)

    # ---------------------------------------------------------------- what happens

    def _broken(self, work: Work, coming: Iterator[Incident]) -> Steps:
        for incident in coming:
            yield self._env.timeout(incident.at_us - self.now_us)
            self._env.process(self._hands.deal(work, incident))

    def _burst(self, work: Work, seed: int, nth: int, at_us: int, many: int) -> Steps:
        yield self._env.timeout(at_us - self.now_us)
        names = (f"{work.name}-burst-{nth}-{n}" for n in range(many))
        for incident in extra(self.story, seed, f"burst-{nth}", work, names):
            self._now(work, incident)

    def _again(self, candidate: Candidate) -> None:
        """Give a candidate's partner work."""
        for work in self.story.works:
            if work.candidate is not None and work.candidate.agent == candidate.partner:
                self._now(work, next(self._triggered[work.name]))

    def _now(self, work: Work, incident: Incident) -> None:
        self._env.process(self._hands.deal(work, structs.replace(incident, at_us=self.now_us)))

    def _ticks(self) -> Steps:
        while True:
            self._tell(TimePassed(at_us=self.now_us, schedule="minute"))
            yield self._env.timeout(self.story.tick_us)

    def _measured(self, service: Service, seed: int) -> Steps:
        chance, story = stream(seed, "metrics", service.name).random, self.story
        while True:
            usual = _USUAL_ERRORS * level(story.hours, self.now_us) * (0.5 + chance())
            errors = usual + _BROKEN_ERRORS * self._hands.hurt()[service.name]
            series = f"{service.name}/errors_per_minute"
            self._tell(MetricObserved(at_us=self.now_us, series=series, value=round(errors, 3)))
            yield self._env.timeout(story.metrics_us)

    def _seen(self, person: Person) -> Steps:
        """Let the engine see somebody each time they get up."""
        while True:
            if awake(person, self.now_us):
                self._tell(PersonSeen(at_us=self.now_us, person=person.name, role=person.role))
                asleep_us = (person.asleep_from * HOUR_US - self.now_us) % DAY_US
                yield self._env.timeout(asleep_us or DAY_US)
            yield self._env.timeout(wakes_at(person, self.now_us) - self.now_us)

    def _pressed(self, ready: PromotionReady) -> Steps:
        """Let the first captain press the button, once awake; what is refused is asked for again next day."""
        captain = next((person for person in self.story.people if person.role == "captain"), None)
        stage = self.books.stages.get(ready.capability)
        chance = stream(self._seed, "presses", ready.capability, ready.stage)
        while captain is not None:
            up_us = wakes_at(captain, self.now_us) - self.now_us
            yield self._env.timeout(up_us + waited(captain.answers_us, exponential(chance)))
            if self.books.stages.get(ready.capability) != stage:
                return
            asked = PromotionAsked(
                at_us=self.now_us,
                capability=ready.capability,
                by=captain.name,
                reason="the evidence is there",
            )
            if not any(isinstance(fact, PromotionRefused) for fact in self._tell(asked)):
                return
            yield self._env.timeout(DAY_US)
