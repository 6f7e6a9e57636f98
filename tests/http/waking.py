"""People, a schedule and ladders for the tests of escalations over HTTP; channels that say what they can."""

from __future__ import annotations

from typing import Any

from engine.adapters.roster import FileRoster, Person
from engine.adapters.rotations import Layer, Schedule
from engine.core.vocabulary.escalations import EscalationSettings, Ladder, Route, Rung
from engine.core.vocabulary.ids import Digest, PersonId
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.runtime.parts import Ladders
from notifiers.channel import Capabilities

LOUD = Capabilities(loud=True, personal=True, receipt=False, acknowledge=True, latency_s=1, cost_usd=0)
PEOPLE = (
    Person(person_id=PersonId("ray"), name="Ray", role="responder", zone="UTC", ntfy="ray-topic"),
    Person(person_id=PersonId("cat"), name="Cat", role="captain", zone="Asia/Kathmandu", ntfy="cat-topic"),
    Person(person_id=PersonId("vic"), name="Vic", role="viewer", zone="UTC", ntfy="vic-topic"),
)
SCHEDULE = Schedule(name="primary", zone="UTC", layers=(Layer(people=(PersonId("ray"),)),))


def roster() -> FileRoster:
    """Ray, who is on call, Cat and Vic, each with a topic of ntfy."""
    return FileRoster(PEOPLE, (SCHEDULE,), channels={"ntfy": LOUD})


def ladder(name: str = "nightly", **changes: Any) -> Ladder:
    """Ray first, and Cat after a minute."""
    rungs = (
        Rung(to=("on-call:primary",), by=("ntfy",), wait_us=MINUTE_US),
        Rung(to=("cat",), by=("ntfy",), wait_us=MINUTE_US),
    )
    given = {"rungs": rungs, "ask_again_us": 15 * MINUTE_US, "answer_us": 5 * MINUTE_US}
    return Ladder(name=name, **given | changes)


def ladders() -> Ladders:
    """Two ladders; all climb the first unless they say otherwise."""
    settings = EscalationSettings(
        ladders={"nightly": ladder(), "other": ladder("other")},
        routes=(Route(ladder="nightly"),),
        settle_us=30 * SECOND_US,
        storm_most=10,
        storm_within_us=MINUTE_US,
        hash=Digest(""),
    )
    return Ladders(settings=settings, roster=roster())
