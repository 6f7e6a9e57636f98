"""A month of a noisy system: flapping alerts, storms of a thousand, nights, quiet hours and handovers."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, structs

from engine.adapters.roster import FileRoster
from engine.adapters.rotations import wall
from engine.core.vocabulary.escalation_facts import EscalationFact, EscalationRaised, RungReached
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.work.escalations.loads import Loads, loads
from engine.wiring.ladders import Channels, read_waking
from tests.faults.wakeups.draw import Crash, Need, Night, Outage, Ways
from tests.faults.wakeups.play import Play
from tests.faults.wakeups.providers import CAPABILITIES
from tests.faults.wakeups.virtual import VirtualLoop

DAY_S: Final = 86_400.0
DAYS: Final = 30
STORM: Final = 1_000
ZONES: Final = {"ada": "Europe/Berlin", "ben": "America/New_York", "cy": "Asia/Tokyo"}
_FILES: Final = {
    "people.yaml": """
people:
  ada: {role: captain, zone: Europe/Berlin, phone: "+4930123456", email: ada@example.org,
        quiet: [{from: "22:00", until: "07:00", unless: critical}]}
  ben: {role: responder, zone: America/New_York, phone: "+12025550123", email: ben@example.org,
        quiet: [{from: "23:00", until: "06:30", unless: critical}]}
  cy: {role: responder, zone: Asia/Tokyo, phone: "+81312345678", email: cy@example.org}
""",
    "oncall.yaml": """
schedules:
  primary:
    zone: Europe/Berlin
    layers:
      - {people: [ada, ben, cy], start: 2026-11-30 09:00, every: 2 days}
""",
    "ladders.yaml": """
defaults: {rounds: 2, ask_again_s: 3600, answer_s: 600}
ladders:
  by-phone:
    rungs:
      - {to: on-call:primary, by: [email, sms], wait_s: 120}
      - {to: on-call:primary, by: call, wait_s: 240, repeat: 1}
      - {to: everyone, by: [sms, call], wait_s: 300}
routes:
  - {kind: channel, ladder: by-phone, counts_as: info}
otherwise: by-phone
""",
}


def read(folder: Path) -> Night:
    """Write the settings down, read them as the product does, and draw nothing yet."""
    for name, text in _FILES.items():
        (folder / name).write_text(text)
    waking = read_waking(folder, Channels(by_name=CAPABILITIES, linked=True))
    known = waking.known
    return Night(
        ladders=waking.settings.ladders,
        settle_us=waking.settings.settle_us,
        ways={person: Ways(False, 1, 90.0, True) for person in known.people},
        asleep_s={},
        without=frozenset(),
        wrong=frozenset(),
        shifts=(),
        needs=(),
        outages=(),
        flaky=0.02,
        finds=frozenset({"call", "sms"}),
        crashes=(),
        lasts_s=DAYS * DAY_S,
        own=waking.settings,
        roster=FileRoster(
            known.people.values(), known.schedules.values(), channels=CAPABILITIES, links=tuple
        ),
    )


def drawn(night: Night, random: Random) -> Night:
    """Draw what happens in a month: alerts that flap, storms, providers away, crashes."""
    needs: list[Need] = []
    for day in range(DAYS):
        needs += [_flapping(random, day, nth) for nth in range(random.randint(3, 8))]
        if day % 6 == 2:
            needs += _storm(random, day)
    # Of the two that ask whether it moves only one is ever away: with both away all are woken anew.
    outages = [
        Outage(channel, "broken", at_s := random.uniform(0, DAYS) * DAY_S, at_s + random.uniform(600, 7200))
        for channel in ("email", "call")
        for _ in range(6)
    ]
    crashes = [
        Crash(random.randint(1, 1_300_000), engine=nth % 2 == 0, pager=nth % 3 == 0, away_s=20.0, step_s=0.0)
        for nth in range(20)
    ]
    return structs.replace(
        night,
        needs=tuple(needs),
        outages=tuple(outages),
        crashes=tuple(sorted(crashes, key=lambda crash: crash.after)),
    )


def _flapping(random: Random, day: int, nth: int) -> Need:
    """An alert that comes and goes, never for as long as would make it another incident."""
    at_s = day * DAY_S + random.uniform(0, DAY_S - 7200)
    moments = []
    for _ in range(random.choice((1, 2, 5, 30))):
        moments += [at_s, at_s + random.uniform(20, 240)]
        at_s = moments[-1] + random.uniform(5, 280)
    key = f"alert:{day}-{nth}"
    return Need(key, key, "alert", random.choice(("warning", "critical")), "by-phone", tuple(moments))


def _storm(random: Random, day: int) -> list[Need]:
    """A thousand alerts of one incident within a minute, which go one by one."""
    at_s = day * DAY_S + random.uniform(0, DAY_S - 7200)
    group = f"storm:{day}"
    return [
        Need(
            f"{group}-{nth}", group, "alert", "critical", "by-phone",
            (at_s + random.uniform(0, 60), at_s + random.uniform(600, 3600)),
        )
        for nth in range(STORM)
    ]  # fmt: skip


class Came(Struct, frozen=True, kw_only=True):
    """What a month came to."""

    alerts: int
    """How often an alert fired."""
    wakes: dict[str, int]
    """How often each incident had a ladder begun."""
    loads: Loads
    counts: Counter[str]


class Month(Play):
    """A month in which whoever is woken gets up, takes it, and leaves the end of it to the monitoring."""

    def __init__(self, loop: VirtualLoop, seed: str, night: Night) -> None:
        """Draw it."""
        super().__init__(loop, seed, drawn(night, Random(f"{seed}:month")))

    async def _answer(self, person: PersonId, name: EscalationId, via: str, again: bool) -> None:
        del again
        await asyncio.sleep(self.random.random() * self.night.ways[person].slow_s)
        self._busy.discard((person, name))
        await self._say(person, name, "acknowledge", via)

    def came(self) -> Came:
        """Say what it came to."""
        wakes: Counter[str] = Counter()
        groups: dict[str, str] = {}
        facts = [fact for _, fact in self.oracle.story if isinstance(fact, EscalationFact)]
        for fact in facts:
            if isinstance(fact, EscalationRaised):
                groups[fact.escalation_id] = fact.group
            elif isinstance(fact, RungReached) and (fact.round, fact.rung, fact.nth) == (1, 1, 1):
                wakes[groups[fact.escalation_id]] += 1
        return Came(
            alerts=sum((len(need.moments_s) + 1) // 2 for need in self.night.needs),
            wakes={group: wakes[group] for group in sorted({need.group for need in self.night.needs})},
            loads=loads(facts, lambda person, at_us: wall(ZONES[person], at_us).hour),
            counts=self.oracle.counts,
        )


def play_month(seed: str, folder: Path, loop: VirtualLoop) -> Came:
    """Play the month of a seed. Raises `Broken`."""
    asyncio.set_event_loop(loop)
    loop.restart()
    night = read(folder)

    async def whole() -> Came:
        month = Month(loop, seed, night)
        try:
            await month.run()
        finally:
            await month.close()
        return month.came()

    return loop.run_until_complete(whole())
