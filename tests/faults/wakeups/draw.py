"""What one night is drawn from: ladders, people and their ways, needs, faults of providers, crashes."""

from __future__ import annotations

from random import Random
from typing import Final, Literal

from msgspec import Struct

from engine.core.vocabulary.escalations import EscalationSettings, Ladder, LeftOut, Route, Rung, Severity
from engine.core.vocabulary.ids import Digest, PersonId
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.escalations.roster import Duty, Roster

BASE_US: Final = 1_800_000_000 * SECOND_US
"""When every night begins, by the clock on the wall."""
LONGEST_S: Final = 7200.0
PEOPLE: Final = tuple(map(PersonId, ("ann", "ben", "cat")))
PERSONAL: Final = ("call", "sms", "slack", "email", "push")
POSTED: Final = ("slack-channel", "console")
LOUD: Final = frozenset({"call", "sms"})
Fault = Literal[
    "busy", "busy-for", "broken", "dns", "hang", "hang-sent", "lost", "setup", "lie", "fails-later"
]
FAULTS: Final[tuple[Fault, ...]] = (
    "busy", "busy-for", "broken", "broken", "dns", "hang", "hang-sent", "lost", "lost", "lie", "fails-later",
    "setup",
)  # fmt: skip
"""`busy`: 429, `busy-for`: with Retry-After. `broken`: 5xx. `setup`: 401. `hang`: no answer, nothing sent;
`hang-sent`: no answer, and sent all the same. `lost`: the connection goes right after it was sent. `lie`:
"delivered", and nobody ever hears of it. `fails-later`: taken, then reported as failed."""
OUTAGES: Final[tuple[Fault, ...]] = ("busy", "busy-for", "broken", "dns", "hang")


class Ways(Struct, frozen=True):
    """How somebody is woken, and what they do then."""

    sleeps: bool
    """Whether nothing wakes them."""
    rings: int
    """How many pages it takes."""
    slow_s: float
    """How long they take to find the phone, at most."""
    voicemail: bool


class Need(Struct, frozen=True):
    """Something that comes to need somebody, and what becomes of it by itself."""

    key: str
    group: str
    kind: Literal["request", "alert", "trouble"]
    severity: Severity
    ladder: str
    moments_s: tuple[float, ...]
    """When it comes, goes, comes back, and so on."""


class Outage(Struct, frozen=True):
    """A provider that does one thing wrong for a while."""

    channel: str
    fault: Fault
    from_s: float
    until_s: float


class Crash(Struct, frozen=True):
    """Who dies after how many steps, and for how long."""

    after: int
    engine: bool
    pager: bool
    away_s: float
    step_s: float
    """By how much the clock on the wall is ahead when the engine comes back."""


class Night(Struct, frozen=True):
    """All that was drawn."""

    ladders: dict[str, Ladder]
    settle_us: int
    ways: dict[PersonId, Ways]
    asleep_s: dict[PersonId, float]
    """Until when quiet hours keep what is loud from somebody."""
    without: frozenset[tuple[str, str]]
    """Who has no address on what channel."""
    wrong: frozenset[tuple[str, str]]
    """Whose address on what channel is wrong."""
    shifts: tuple[tuple[float, PersonId], ...]
    """Who is on call from when."""
    needs: tuple[Need, ...]
    outages: tuple[Outage, ...]
    flaky: float
    """How likely any one send goes wrong, beyond outages."""
    finds: frozenset[str]
    """Channels that can be asked what became of a send."""
    crashes: tuple[Crash, ...]
    lasts_s: float = LONGEST_S
    """When it ends at the latest."""
    own: EscalationSettings | None = None
    """What the product is set to; `None`: to what was drawn."""
    roster: Roster | None = None
    """Who is meant by what; `None`: as was drawn."""

    def settings(self) -> EscalationSettings:
        """Return what the product is set to."""
        if self.own is not None:
            return self.own
        first = next(iter(self.ladders))
        return EscalationSettings(
            ladders=self.ladders,
            routes=(Route(kinds=("channel",), ladder=first, severity="info"), Route(ladder=first)),
            settle_us=self.settle_us,
            storm_most=1000,
            storm_within_us=60 * SECOND_US,
            hash=Digest("drawn"),
        )


class Crew:
    """The roster of a night."""

    def __init__(self, night: Night) -> None:
        """Know whom the night has."""
        self.night = night

    def found(self, target: str, at_us: int, duty: Duty) -> tuple[PersonId, ...]:
        """Return who is meant."""
        if target == "everyone":
            return PEOPLE
        if not target.startswith("on-call:"):
            return (PersonId(target),)
        for change in reversed(duty.changes):
            if change.from_us <= at_us < change.until_us:
                return (change.person,)
        at_s = (at_us - BASE_US) / SECOND_US
        on = [person for from_s, person in self.night.shifts if from_s <= at_s]
        return (on[-1],) if on else ()

    def against(self, person: PersonId, channel: str, _severity: Severity, at_us: int) -> LeftOut | None:
        """Say what speaks against reaching somebody so."""
        if (person, channel) in self.night.without:
            return LeftOut(who=person, channel=channel, why=f"no address for {channel}")
        until_us = BASE_US + round(self.night.asleep_s.get(person, -1.0) * SECOND_US)
        if channel in LOUD and at_us < until_us:
            return LeftOut(who=person, channel=channel, why="quiet hours", until_us=until_us)
        return None

    def has_person(self, person: PersonId) -> bool:
        """Whether there is such a one."""
        return person in PEOPLE

    def has_schedule(self, schedule: str) -> bool:
        """Whether there is such a schedule."""
        return schedule == "primary"

    def rings(self, channel: str) -> bool:
        """Whether it does nothing but ring."""
        return channel == "call"


def night(random: Random) -> Night:
    """Draw one."""
    ladders = {f"ladder-{nth}": _ladder(random, f"ladder-{nth}") for nth in range(3)}
    channels = PERSONAL + POSTED
    down = random.sample(channels, random.choice((0, 0, 1, 2, 2)))
    return Night(
        ladders=ladders,
        settle_us=random.choice((20, 60, 120)) * SECOND_US,
        ways={person: _ways(random) for person in PEOPLE},
        asleep_s={person: random.uniform(60, 900) for person in PEOPLE if random.random() < 0.2},
        without=frozenset(
            (person, channel) for person in PEOPLE for channel in PERSONAL if random.random() < 0.05
        ),
        wrong=frozenset(
            (person, channel) for person in PEOPLE for channel in PERSONAL if random.random() < 0.03
        ),
        shifts=((-1e9, random.choice(PEOPLE)), (random.uniform(0, 300), random.choice(PEOPLE))),
        needs=tuple(_needs(random, ladders)),
        outages=tuple(_outage(random, channel) for channel in down),
        flaky=random.choice((0.0, 0.02, 0.1, 0.3)),
        finds=frozenset(channel for channel in channels if random.random() < 0.5),
        crashes=_crashes(random),
    )


def _ladder(random: Random, name: str) -> Ladder:
    return Ladder(
        name=name,
        rungs=tuple(_rung(random) for _ in range(random.choice((1, 2, 2, 3, 4)))),
        rounds=random.choice((1, 1, 1, 2)),
        failsafe=random.choice(("hold", "hold", "stop")),
        ask_again_us=random.choice((120, 300, 600)) * SECOND_US,
        answer_us=random.choice((30, 60)) * SECOND_US,
    )


def _rung(random: Random) -> Rung:
    wait_us = random.choice((10, 20, 30, 60, 120)) * SECOND_US
    repeat = random.choice((0, 0, 0, 0, 1, 2))
    posts = random.random() < 0.2
    alone = posts and random.random() < 0.5
    to = random.choice(("on-call:primary", "on-call:primary", "on-call:primary", "everyone", *PEOPLE))
    return Rung(
        to=() if alone else (to,),
        by=() if alone else tuple(random.sample(PERSONAL, random.choice((1, 1, 1, 2)))),
        post=(random.choice(POSTED),) if posts else (),
        wait_us=wait_us,
        repeat=repeat,
    )


def _ways(random: Random) -> Ways:
    return Ways(
        sleeps=random.random() < 0.25,
        rings=random.choice((1, 1, 1, 2, 3)),
        slow_s=random.choice((3.0, 15.0, 90.0)),
        voicemail=random.random() < 0.3,
    )


def _needs(random: Random, ladders: dict[str, Ladder]) -> list[Need]:
    made = []
    for nth in range(random.randint(10, 16)):
        kind = random.choice(("request", "alert", "alert", "trouble"))
        key = f"{kind}:{nth}"
        group = f"group-{random.randint(0, 3)}" if kind != "trouble" and random.random() < 0.2 else key
        at_s = random.uniform(0, 240)
        moments = [at_s]
        for _ in range(random.choice((0, 0, 1, 2, 3)) if kind != "request" else 0):
            at_s += random.choice((2, 15, 60, 300)) * random.uniform(0.5, 1.5)
            moments.append(at_s)
        ladder = random.choice(list(ladders)) if kind != "trouble" else next(iter(ladders))
        severity = random.choice(("warning", "critical"))
        made.append(Need(key, group, kind, severity, ladder, tuple(moments)))
    return made


def _outage(random: Random, channel: str) -> Outage:
    from_s = random.uniform(-60, 200)
    return Outage(channel, random.choice(OUTAGES), from_s, from_s + random.uniform(30, 240))


def _crashes(random: Random) -> tuple[Crash, ...]:
    made = []
    for _ in range(random.choice((0, 0, 1, 1, 2, 3, 4))):
        who = random.choice(("engine", "pager", "both"))
        made.append(
            Crash(
                after=random.randint(1, random.choice((200, 1000, 4000))),
                engine=who != "pager",
                pager=who != "engine",
                away_s=random.choice((0.0, 0.5, 5.0, 45.0, 120.0)),
                step_s=random.choice((0.0, 0.0, 0.0, 40.0, -40.0, 600.0)),
            )
        )
    return tuple(sorted(made, key=lambda crash: crash.after))
