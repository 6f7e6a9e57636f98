"""Whether people can be woken, by what the files and the journal say: found out before the night does."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Final

from msgspec import Struct

from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.link_file import LinkFile
from engine.adapters.roster import FRONTS, FileRoster
from engine.adapters.rotations import spans
from engine.commands.captaincy import captaincy_of
from engine.commands.oncall import changes_in
from engine.commands.spans import local_text
from engine.core.plain_text import count_text
from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.escalations import Ladder
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US
from engine.core.work.captaincy import Captaincy
from engine.core.work.escalations.roster import Duty
from engine.errors import WatchkeeperError
from engine.wiring.checks import Check
from engine.wiring.ladders import Waking, read_waking
from engine.wiring.service import Service, read_channels
from notifiers.channel import Capabilities
from notifiers.pager_process import ladder_channels
from notifiers.stating import capabilities_of

_AHEAD_US: Final = 30 * DAY_US


class Reach(Struct, frozen=True, kw_only=True):
    """Everything that says who is reached by what."""

    waking: Waking
    roster: FileRoster
    can: Mapping[str, Capabilities]
    """What each channel that is used can do."""
    changes: tuple[OnCallChanged, ...] = ()
    captaincy: Captaincy
    now_us: int

    @property
    def duty(self) -> Duty:
        """Who has which duty now."""
        known = self.captaincy
        return Duty(
            captain=PersonId(known.captain) if known.captain else None,
            deputy=PersonId(known.deputy) if known.deputy else None,
            away=known.away,
            changes=self.changes,
        )

    def wakes(self, person: PersonId, channels: Iterable[str]) -> list[str]:
        """Return those of the channels that are loud and have the person's address."""
        return [
            name
            for name in channels
            if name in self.can
            and self.can[name].loud
            and self.can[name].personal
            and self.roster.address(person, name)
        ]


def reach_of(service: Service) -> Reach:
    """Read who is reached by what. Raises as a start would."""
    can = capabilities_of(read_channels(service.config))
    waking = read_waking(service.config, ladder_channels(service))
    roster = FileRoster(
        waking.known.people.values(),
        waking.known.schedules.values(),
        channels=can,
        links=LinkFile(service.layout.links).all,
    )
    now_us = time.time_ns() // 1000
    changes: tuple[OnCallChanged, ...] = ()
    captaincy = Captaincy()
    if service.layout.journal.exists():
        with closing(Current(service.layout.journal, DecisionsView)) as journal:
            changes, captaincy = changes_in(journal(), now_us), captaincy_of(journal())
    return Reach(waking=waking, roster=roster, can=can, changes=changes, captaincy=captaincy, now_us=now_us)


def unreached(service: Service) -> list[Check]:
    """Return what is amiss, worst first. What cannot be read is amiss too: never raises."""
    try:
        found = [check for check in waking_checks(reach_of(service)) if check.verdict != "ok"]
    except WatchkeeperError as wrong:
        place = f"{wrong.place}: " if wrong.place else ""
        return [Check(what="waking", verdict="bad", said=f"{place}{wrong.message}", cure=wrong.cure or "")]
    return sorted(found, key=lambda check: check.verdict)


def waking_checks(reach: Reach) -> Iterator[Check]:
    """Look for people nobody could wake, hours nobody is on call, and ladders that let everybody sleep."""
    people = reach.waking.known.people
    if not people:
        yield Check(
            what="waking",
            verdict="warn",
            said="people.yaml names nobody: only channels that belong to nobody in particular ring",
            cure="docs/howto/on-call.md",
        )
        return
    found = [*_unreached(reach), *_quiet_ladders(reach), *_gaps(reach), *_captains(reach)]
    yield from found
    if not found:
        counts = {
            "people": len(people),
            "ladders": len(reach.waking.settings.ladders),
            "schedules": len(reach.waking.known.schedules),
        }
        said = ", ".join(count_text(count, what) for what, count in counts.items())
        yield Check(what="waking", verdict="ok", said=f"{said}: everybody is reached, for 30 days")


def _meant(reach: Reach, ladder: Ladder) -> dict[PersonId, dict[str, None]]:
    """Return everybody a ladder means now or within the time looked at, and by which channels."""
    found: dict[PersonId, dict[str, None]] = {}
    for rung in ladder.rungs:
        for target in rung.to:
            for person in _people(reach, target):
                found.setdefault(person, {}).update(dict.fromkeys(rung.by))
    return found


def _people(reach: Reach, target: str) -> tuple[PersonId, ...]:
    kind, _, name = target.rpartition(":")
    schedule = reach.roster.schedules.get(name) if kind == "on-call" else None
    if schedule is None:
        return reach.roster.found(target, reach.now_us, reach.duty)
    ahead = spans(schedule, reach.now_us, reach.now_us + _AHEAD_US, reach.changes)
    return tuple(dict.fromkeys(span.person for span in ahead if span.person is not None))


def _unreached(reach: Reach) -> Iterator[Check]:
    """Name people whom a channel of their rung does not reach; bad where none of a ladder does."""
    for name, ladder in reach.waking.settings.ladders.items():
        for person, channels in _meant(reach, ladder).items():
            missing = [each for each in channels if not _reaches(reach, person, each)]
            if not missing:
                continue
            none_left, ways = len(missing) == len(channels), " nor ".join(missing)
            linked = any(each in FRONTS for each in missing)
            yield Check(
                what=person,
                verdict="bad" if none_left else "warn",
                said=f"{name} means them, and does not reach them at all: not by {ways}"
                if none_left
                else f"{name} means them, and does not reach them by {ways}",
                cure=f"watchkeeper link code {person} --role ROLE, and they say /link CODE there"
                if linked
                else f"give {person} an address in people.yaml, or another channel in ladders.yaml",
            )


def _reaches(reach: Reach, person: PersonId, channel: str) -> bool:
    can = reach.can.get(channel)
    return can is not None and (not can.personal or bool(reach.roster.address(person, channel)))


def _quiet_ladders(reach: Reach) -> Iterator[Check]:
    for name, ladder in reach.waking.settings.ladders.items():
        posts = {channel for rung in ladder.rungs for channel in rung.post}
        loud = any(channel in reach.can and reach.can[channel].loud for channel in posts)
        woken = any(reach.wakes(person, channels) for person, channels in _meant(reach, ladder).items())
        if not loud and not woken:
            yield Check(
                what=name,
                verdict="warn",
                said="this ladder wakes nobody: none of its channels is loud and has somebody's address",
                cure="add a rung by call, sms or a push in ladders.yaml",
            )


def _gaps(reach: Reach) -> Iterator[Check]:
    """Name hours in which nobody is on call, and people on call whom nothing loud reaches."""
    every = list(reach.can)
    for name, schedule in reach.roster.schedules.items():
        ahead = spans(schedule, reach.now_us, reach.now_us + _AHEAD_US, reach.changes)
        empty = [span for span in ahead if span.person is None]
        if empty:
            first, more = empty[0], len(empty) - 1
            begin = local_text(schedule.zone, first.from_us)
            end = local_text(schedule.zone, first.until_us)
            said = f"nobody is on call from {begin} until {end}" + (
                f", and {more} times more" if more else ""
            )
            yield Check(
                what=name,
                verdict="warn",
                said=f"{said} ({schedule.zone})",
                cure=f"watchkeeper oncall cover {name} PERSON from … until …, or a layer in oncall.yaml",
            )
        for person in dict.fromkeys(span.person for span in ahead):
            if person is not None and not reach.wakes(person, every):
                when = next(span.from_us for span in ahead if span.person == person)
                yield Check(
                    what=person,
                    verdict="bad",
                    said=f"is on call for {name} from {local_text(schedule.zone, when)}, and nothing loud "
                    "reaches them",
                    cure=f"give {person} a phone number or a push in people.yaml",
                )


def _captains(reach: Reach) -> Iterator[Check]:
    """Name captains who would sleep through everything."""
    people = reach.waking.known.people
    acting = reach.captaincy.acting
    if acting and acting not in people:
        yield Check(
            what=acting,
            verdict="bad",
            said="acts as captain, and is not in people.yaml: ladders reach nobody by `captain`",
            cure="add them there, or hand the captaincy over: /captain handover",
        )
    for person, known in people.items():
        if known.role == "captain" and not reach.wakes(person, reach.can):
            yield Check(
                what=person,
                verdict="warn",
                said="is a captain whom nothing loud reaches",
                cure=f"give {person} a phone number or a push in people.yaml",
            )
