"""People: who is awake, who answers, and after how long."""

from collections.abc import Sequence

from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.chance import waited
from simulator.world.stories import Person

_SLOWER = 3
"""Somebody who was woken takes this many times as long."""


def awake(person: Person, at_us: int) -> bool:
    """Whether somebody is awake at a moment.

    >>> ada = Person(name="ada", role="captain", asleep_from=22)
    >>> awake(ada, 21 * HOUR_US), awake(ada, 22 * HOUR_US), awake(ada, 6 * HOUR_US)
    (True, False, True)
    """
    return _asleep_for(person, at_us) >= person.asleep_h * HOUR_US


def wakes_at(person: Person, at_us: int) -> int:
    """Return when somebody gets up next by themselves: this very moment for one who is awake."""
    slept_us = _asleep_for(person, at_us)
    return at_us + max(0, person.asleep_h * HOUR_US - slept_us)


def answer(people: Sequence[Person], at_us: int, speed: float, woken: float) -> tuple[Person, int]:
    """Say who deals with something that came up, and how long that takes from then on.

    The first in the list who is awake does; where all sleep, the page goes to the first, who wakes or does
    not. `speed` is the time it takes as a multiple of their mean; they wake if `woken` is under `wakes`.
    """
    for person in people:
        if awake(person, at_us):
            return person, waited(person.answers_us, speed)
    first = people[0]
    if woken < first.wakes:
        return first, waited(first.answers_us * _SLOWER, speed)
    return first, wakes_at(first, at_us) - at_us + waited(first.answers_us, speed)


def _asleep_for(person: Person, at_us: int) -> int:
    """How long ago somebody last went to sleep."""
    return (at_us - person.asleep_from * HOUR_US) % DAY_US
