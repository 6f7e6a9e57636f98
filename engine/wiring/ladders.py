"""Ladders, joined to the core: read, checked against people, schedules and channels, compiled."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.adapters.roster import ADDRESSES, FRONTS, Capable, Person
from engine.adapters.yaml_files import Document
from engine.core.vocabulary.escalations import EscalationSettings, Ladder, Route, Rung, Severity
from engine.core.vocabulary.facts import encode
from engine.core.vocabulary.ids import Digest, PersonId
from engine.core.vocabulary.people_facts import RANKS
from engine.core.vocabulary.units import SECOND_US
from engine.errors import PolicyError
from engine.runtime.timers import DrillPlan
from engine.settings.ladders import LaddersFile, RouteSection, RungSection
from engine.wiring.oncall import Known, open_file, read_known

_FILE: Final = "ladders.yaml"
_MOST_RUNGS: Final = 200
_DUTIES: Final = {"captain": ("captain",), "everyone": ("responder", "captain")}


class Channels(Struct, frozen=True, kw_only=True):
    """What ladders are checked against, of the ways to reach people."""

    by_name: Mapping[str, Capable]
    linked: bool
    """Whether messages carry a link that takes an answer: whether the address is known from outside."""


class Waking(Struct, frozen=True, kw_only=True):
    """All that is set about waking people."""

    settings: EscalationSettings
    known: Known
    away: Ladder
    """What is climbed when the engine does not answer."""
    away_after_s: float
    """How long it may be silent before that."""
    drills: tuple[DrillPlan, ...] = ()


def read_waking(config: Path, channels: Channels | None = None) -> Waking:
    """Read people.yaml, oncall.yaml and ladders.yaml; the shipped ones where a folder has none.

    What depends on channels is checked where they are given. Raises `InputError` and `PolicyError` naming the
    file, the line and the cure.
    """
    known = read_known(config)
    document = open_file(config, _FILE)
    file = document.checked(LaddersFile)
    _check_names(file, document)
    chains = {name: _chain(file, document, name) for name in file.ladders}
    for name, section in file.ladders.items():
        for nth, rung in enumerate(section.rungs):
            _Checks(document, ("ladders", name, "rungs", nth), known, channels).run(rung)
    ladders = {name: _ladder(file, name, chain) for name, chain in chains.items()}
    for name, ladder in ladders.items():
        if len(ladder.rungs) > _MOST_RUNGS:
            raise PolicyError(
                f"{name} has {len(ladder.rungs)} rungs with all that comes after it; at most {_MOST_RUNGS}",
                place=document.place("ladders", name),
                cure="lower rounds, or shorten what it goes on to",
            )
    if channels is not None:
        _check_loud(file, document, ladders, known, channels)
        _check_trusted(file, document, ladders, channels)
    return Waking(
        settings=_settings(file, ladders),
        known=known,
        away=ladders[file.engine_away.ladder or file.otherwise],
        away_after_s=file.engine_away.after_s,
        drills=tuple(DrillPlan(ladder=each.ladder, cron=each.cron, zone=each.zone) for each in file.drills),
    )


# ---------------------------------------------------------------- compiling


def _settings(file: LaddersFile, ladders: dict[str, Ladder]) -> EscalationSettings:
    grouping = file.grouping
    return EscalationSettings(
        ladders=ladders,
        routes=(*map(_route, file.routes), Route(ladder=file.otherwise)),
        settle_us=_us(grouping.settle_s),
        storm_most=grouping.storm.more_than,
        storm_within_us=_us(grouping.storm.within_s),
        hash=Digest(hashlib.sha256(encode(file.model_dump(mode="json"))).hexdigest()),
    )


def _route(section: RouteSection) -> Route:
    return Route(
        kinds=section.kind,
        severities=section.severity,
        capability=section.capability,
        action=section.action,
        ladder=section.ladder,
        severity=section.counts_as,
    )


def _ladder(file: LaddersFile, name: str, chain: tuple[str, ...]) -> Ladder:
    """Make one ladder of it and of all it goes on to, each climbed as often as it says."""
    defaults, first, last = file.defaults, file.ladders[name], file.ladders[chain[-1]]
    rungs: list[Rung] = []
    for part in chain:
        section = file.ladders[part]
        times = (section.rounds or defaults.rounds) if len(chain) > 1 else 1
        rungs += [_rung(rung) for rung in section.rungs] * times
    return Ladder(
        name=name,
        rungs=tuple(rungs),
        rounds=1 if len(chain) > 1 else first.rounds or defaults.rounds,
        failsafe=last.failsafe or defaults.failsafe,
        ask_again_us=_us(first.ask_again_s or defaults.ask_again_s),
        answer_us=_us(first.answer_s or defaults.answer_s),
    )


def _rung(section: RungSection) -> Rung:
    return Rung(
        to=section.to,
        by=section.by,
        post=section.post,
        wait_us=_us(section.wait_s),
        repeat=section.repeat,
    )


def _us(seconds: float) -> int:
    return round(seconds * SECOND_US)


# ---------------------------------------------------------------- checking


def _check_names(file: LaddersFile, document: Document) -> None:
    """Refuse names of ladders that are none."""
    named = [
        ("otherwise", file.otherwise, ("otherwise",)),
        *(
            [("engine_away", file.engine_away.ladder, ("engine_away", "ladder"))]
            if file.engine_away.ladder is not None
            else []
        ),
        *(("routes", route.ladder, ("routes", nth, "ladder")) for nth, route in enumerate(file.routes)),
        *(("a drill", drill.ladder, ("drills", nth, "ladder")) for nth, drill in enumerate(file.drills)),
        *(
            (f"ladder {name}", section.then, ("ladders", name, "then"))
            for name, section in file.ladders.items()
            if section.then is not None
        ),
    ]
    for who, name, steps in named:
        if name not in file.ladders:
            raise PolicyError(
                f"{who} goes to a ladder {name}, and there is none",
                place=document.place(*steps),
                cure=f"there are {', '.join(file.ladders)}",
            )


def _chain(file: LaddersFile, document: Document, name: str) -> tuple[str, ...]:
    """Return a ladder and all it goes on to, in order."""
    chain = [name]
    while (then := file.ladders[chain[-1]].then) is not None:
        if then in chain:
            raise PolicyError(
                f"{' goes on to '.join([*chain, then])}: nobody would ever hear that nobody came",
                place=document.place("ladders", chain[-1], "then"),
                cure=f"leave out then of {chain[-1]}: it ends in its failsafe",
            )
        chain.append(then)
    return tuple(chain)


class _Checks:
    """What can be wrong with one rung."""

    def __init__(
        self, document: Document, steps: tuple[str | int, ...], known: Known, channels: Channels | None
    ) -> None:
        self._document, self._steps, self._known, self._channels = document, steps, known, channels

    def run(self, rung: RungSection) -> None:
        """Raise `PolicyError` for the first wrong thing."""
        meant = {target: self._meant(target, nth) for nth, target in enumerate(rung.to)}
        if self._channels is not None:
            for nth, channel in enumerate(rung.by):
                self._check_channel(channel, self._channels, personal=True, at=("by", nth))
            for nth, channel in enumerate(rung.post):
                self._check_channel(channel, self._channels, personal=False, at=("post", nth))
        for target, people in meant.items():
            for person in people:
                self._check_addresses(rung, target, person)
        all_meant = [person for people in meant.values() for person in people]
        if all_meant and "deputy" not in rung.to and all(each.role == "viewer" for each in all_meant):
            named = " and ".join(each.person_id for each in all_meant)
            raise self._wrong(
                f"nobody can answer it: {named} may only look, and only responders and captains answer",
                "to",
                cure="name somebody else beside them, or give them another role in people.yaml",
            )
        if rung.by and self._channels is not None and not self._channels.linked:
            capable = [self._channels.by_name[name] for name in (*rung.by, *rung.post)]
            if not any(each.acknowledge for each in capable):
                raise self._wrong(
                    f"nobody can answer it: {', '.join((*rung.by, *rung.post))} take no acknowledgement, and "
                    "there is no link, for want of public_url in channels.yaml",
                    cure="set public_url there, or add a channel that can be answered",
                )

    def _meant(self, target: str, nth: int) -> tuple[Person, ...]:
        """Return everybody a target can mean."""
        people, at = self._known.people, ("to", nth)
        kind, _, name = target.rpartition(":")
        if kind == "on-call":
            if name not in self._known.schedules:
                raise self._wrong(
                    f"there is no schedule {name}", *at, cure="add it to oncall.yaml, or mend the name"
                )
            layers = self._known.schedules[name].layers
            return tuple(
                people[person] for person in dict.fromkeys(p for each in layers for p in each.people)
            )
        if kind == "role" and name not in RANKS:
            raise self._wrong(f"there is no role {name}", *at, cure=f"there are {', '.join(RANKS)}")
        roles = (name,) if kind == "role" else _DUTIES.get(target)
        if roles is not None:
            found = tuple(each for each in people.values() if each.role in roles)
            if not found:
                raise self._wrong(
                    f"{target} is nobody: nobody in people.yaml has the role {' or '.join(roles)}",
                    *at,
                    cure="give it to somebody there, or name somebody else here",
                )
            return found
        if target == "deputy":
            return ()
        if PersonId(target) not in people:
            raise self._wrong(f"{target} is not in people.yaml", *at, cure="add them there, or mend the name")
        return (people[PersonId(target)],)

    def _check_channel(
        self, name: str, channels: Channels, *, personal: bool, at: tuple[str | int, ...]
    ) -> None:
        found = channels.by_name.get(name)
        if found is None:
            raise self._wrong(
                f"there is no channel {name}", *at, cure=f"there are {', '.join(sorted(channels.by_name))}"
            )
        if found.personal and not personal:
            raise self._wrong(
                f"{name} reaches one person, and post names nobody", *at, cure="name it in by, beside to"
            )
        if personal and not found.personal:
            raise self._wrong(
                f"{name} reaches nobody in particular", *at, cure="name it in post, which needs no to"
            )

    def _check_addresses(self, rung: RungSection, target: str, person: Person) -> None:
        for nth, channel in enumerate(rung.by):
            needed = ADDRESSES.get(channel)
            # Whoever links an account does so while it runs: `doctor` says who has not.
            if needed is None or needed in FRONTS or person.own_address(channel):
                continue
            via = "" if target == person.person_id else f", whom {target} can mean,"
            raise self._wrong(
                f"{person.person_id}{via} has no {needed} in people.yaml for {channel}",
                "by",
                nth,
                cure=f"add {needed} at {self._known.places[person.person_id]}, or reach them another way",
            )

    def _wrong(self, message: str, *at: str | int, cure: str) -> PolicyError:
        return PolicyError(message, place=self._document.place(*self._steps, *at), cure=cure)


def _check_loud(
    file: LaddersFile,
    document: Document,
    ladders: Mapping[str, Ladder],
    known: Known,
    channels: Channels,
) -> None:
    """Refuse ladders for what is critical that wake nobody, where there is somebody who could be woken."""
    loud = {name for name, each in channels.by_name.items() if each.loud}
    wakeable = [
        person.person_id
        for person in known.people.values()
        if any(person.own_address(channel) for channel in loud)
    ]
    if not wakeable:
        return
    for name in dict.fromkeys(_for_critical(file)):
        if not any(loud & {*rung.by, *rung.post} for rung in ladders[name].rungs):
            raise PolicyError(
                f"{name} is climbed for what is critical, and none of its rungs wakes anybody",
                place=document.place("ladders", name),
                cure=f"add a rung by one of {', '.join(sorted(loud))}, to {wakeable[0]} for instance",
            )


def _check_trusted(
    file: LaddersFile, document: Document, ladders: Mapping[str, Ladder], channels: Channels
) -> None:
    """Refuse ladders for what is critical with a channel that is no good for that."""
    unfit = {name for name, each in channels.by_name.items() if not each.critical}
    for name in dict.fromkeys(_for_critical(file)):
        named = {channel for rung in ladders[name].rungs for channel in (*rung.by, *rung.post)}
        if found := sorted(unfit & named):
            raise PolicyError(
                f"{name} is climbed for what is critical, and {found[0]} is not for that: nobody learns "
                "whether it arrived",
                place=document.place("ladders", name),
                cure=f"take {found[0]} out of it, or give what is critical a ladder of its own",
            )


def _for_critical(file: LaddersFile) -> Iterator[str]:
    """Name the ladders that something critical can climb."""
    critical: Severity = "critical"
    for route in file.routes:
        comes = not route.severity or critical in route.severity
        if route.counts_as == critical or (comes and route.counts_as is None):
            yield route.ladder
    if file.engine_away.ladder is not None:
        yield file.engine_away.ladder
    yield file.otherwise
