"""Incidents: what happens to the services, whoever deals with it.

When an incident comes, how hard it is and how it will end in whose hands is drawn here, before anybody acts.
So the same seed has the same incidents under any agent, any verdict and any fault, and what another would
have made of an episode is known too.
"""

from bisect import bisect_right
from collections.abc import Iterator
from random import Random
from typing import Final

from msgspec import Struct

from engine.core.vocabulary.ids import EpisodeId
from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.chance import exponential, level, stream, weekend
from simulator.world.stories import RECENT_US, Service, Story, Work

_OFFICE_US: Final = (8 * HOUR_US, 18 * HOUR_US)
_WEEKEND: Final = 0.5
"""On weekends half as much happens."""
_MORE: Final = 2.0
"""Right after a deploy there are this many more incidents for each usual one; it wears off evenly."""
_HARDER: Final = 1.5
"""While a deploy is recent, what goes wrong goes wrong this much more often."""


class Incident(Struct, frozen=True, kw_only=True, gc=False):
    """Something broke. All its chances are drawn; who acts decides which of them count."""

    episode: EpisodeId
    service: Service
    at_us: int
    hardness: float
    """How many times as often as an ordinary one it ends badly, in anybody's hands."""
    ending: float
    """It ends badly in the hands of whoever fails with a probability over this."""
    wish: float
    """A candidate that agrees in a larger share of episodes than this agrees here."""
    detail: float
    """Decides on arguments where there is a choice."""
    covered: float
    """A partner that covers more than this share of failures covers this one."""
    triggered: float
    woken: float
    """Who is asleep wakes up if pages wake them more probably than this."""
    candidate_speed: float
    """How long each would take, as a multiple of their own mean."""
    incumbent_speed: float
    people_speed: float


class _Draws:
    """What one kind of incident draws: a stream for each chance, so that none shifts another."""

    def __init__(self, seed: int, *names: str) -> None:
        def named(what: str) -> Random:
            return stream(seed, *names, what)

        self.gaps, self.taken = named("gaps"), named("taken").random
        self._even = [
            named(what).random for what in ("ending", "wish", "detail", "covered", "triggered", "woken")
        ]
        self._speeds = [named(what) for what in ("candidate", "incumbent", "people")]

    def incident(self, episode: str, service: Service, at_us: int, hardness: float) -> Incident:
        """Draw one."""
        ending, wish, detail, covered, triggered, woken = [draw() for draw in self._even]
        candidate, incumbent, people = [exponential(chance) for chance in self._speeds]
        return Incident(
            episode=EpisodeId(episode),
            service=service,
            at_us=at_us,
            hardness=hardness,
            ending=ending,
            wish=wish,
            detail=detail,
            covered=covered,
            triggered=triggered,
            woken=woken,
            candidate_speed=candidate,
            incumbent_speed=incumbent,
            people_speed=people,
        )


def deploys(story: Story, seed: int, service: Service) -> list[int]:
    """Return when a service is deployed: in office hours of working days, at random moments."""
    chance, found = stream(seed, "deploys", service.name), []
    if not service.deploys:
        return []
    begins, ends = _OFFICE_US
    mean_us = (ends - begins) / service.deploys
    for day_us in range(story.start_us, story.until_us, DAY_US):
        if weekend(day_us):
            continue
        at_us = begins + int(mean_us * exponential(chance))
        while at_us < ends:
            found.append(day_us + at_us)
            at_us += int(mean_us * exponential(chance))
    return found


def incidents(story: Story, seed: int, work: Work, service: Service) -> Iterator[Incident]:
    """Give the incidents of one line of work at one service, in order of time.

    Moments come evenly at the highest rate there can be, and each counts with the share that the load and the
    last deploy make of it (thinning: Lewis and Shedler, 1979). A moment that does not count draws all the
    same, so that a busier world has the same incidents and more.
    """
    if work.incidents <= 0 or service.share <= 0:
        return
    draws = _Draws(seed, "incidents", work.name, service.name)
    deployed, most = deploys(story, seed, service), max(story.hours) * (1 + _MORE)
    mean_us = DAY_US / (work.incidents * service.share * most)
    at_us, number = story.start_us, 0
    while (at_us := at_us + 1 + int(mean_us * exponential(draws.gaps))) < story.until_us:
        number += 1
        load, since_us = _load(story, at_us), _since(deployed, at_us)
        incident = draws.incident(
            f"{work.name}-{service.name}-{number}", service, at_us, hardness(load, since_us)
        )
        if draws.taken() * most < load * (1 + _MORE * max(0.0, 1 - since_us / RECENT_US)):
            yield incident


def extra(story: Story, seed: int, kind: str, work: Work, episodes: Iterator[str]) -> Iterator[Incident]:
    """Give incidents beside the usual ones, each as it is asked for: at the first service, and ordinary.

    Whoever asks sets their time; `kind` names their streams.
    """
    draws = _Draws(seed, kind, work.name)
    for episode in episodes:
        yield draws.incident(episode, story.services[0], story.start_us, 1.0)


def hardness(load: float, since_us: int) -> float:
    """Say how hard an incident is at this load, so long after a deploy.

    >>> hardness(1.0, RECENT_US), hardness(1.0, 0)
    (1.0, 1.5)
    """
    usual = 0.9 + 0.1 * load
    return usual * _HARDER if since_us < RECENT_US else usual


def _load(story: Story, at_us: int) -> float:
    return level(story.hours, at_us) * (_WEEKEND if weekend(at_us) else 1.0)


def _since(deployed: list[int], at_us: int) -> int:
    nth = bisect_right(deployed, at_us)
    return at_us - deployed[nth - 1] if nth else RECENT_US
