"""The roster: people, schedules and addresses, from the files that were read and the links people made."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from engine.adapters.rotations import Schedule, Window, on_call, taken, wall
from engine.core.vocabulary.escalations import SEVERITIES, LeftOut, Severity
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import Role
from engine.core.vocabulary.units import DAY_US, time_text
from engine.core.work.escalations.roster import Duty
from engine.errors import WatchkeeperError
from engine.ports import Linked

ADDRESSES: Final = {
    "call": "phone",
    "sms": "phone",
    "email": "email",
    "ntfy": "ntfy",
    "pushover": "pushover",
    "discord": "discord",
    "slack": "slack",
}
"""What a channel that reaches one person needs to know of them."""
FRONTS: Final = frozenset({"discord", "slack"})
"""Addresses that people give themselves, by linking an account."""
_WHAT: Final = {
    "phone": "no phone number",
    "email": "no e-mail address",
    "ntfy": "no ntfy topic",
    "pushover": "no Pushover key",
    "discord": "linked no Discord account",
    "slack": "linked no Slack account",
}
_LONGEST_QUIET_US: Final = 7 * DAY_US


class Capable(Protocol):
    """What the roster must know of a channel; every channel states it."""

    @property
    def loud(self) -> bool:
        """Whether it wakes somebody who sleeps."""

    @property
    def personal(self) -> bool:
        """Whether it reaches one person."""

    @property
    def acknowledge(self) -> bool:
        """Whether people can acknowledge within it."""

    @property
    def critical(self) -> bool:
        """Whether it may be trusted with what is critical."""

    @property
    def text(self) -> str:
        """How much can be said: `full`, `short`, `spoken`."""


class Quiet(Struct, frozen=True, kw_only=True):
    """Hours in which somebody is not to be woken."""

    window: Window
    unless: Severity
    """What is this bad, or worse, wakes them all the same."""


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who can be reached. An empty address is one they do not have."""

    person_id: PersonId
    name: str
    """As others call them."""
    role: Role
    zone: str
    phone: str = ""
    """E.164: `+49301234567`."""
    email: str = ""
    ntfy: str = ""
    """The topic they listen to."""
    pushover: str = ""
    """Their user key."""
    quiet: tuple[Quiet, ...] = ()

    def own_address(self, channel: str) -> str:
        """Return the address for a channel that stands in the file; empty where there is none."""
        match ADDRESSES.get(channel):
            case "phone":
                return self.phone
            case "email":
                return self.email
            case "ntfy":
                return self.ntfy
            case "pushover":
                return self.pushover
        return ""

    def quiet_until(self, severity: Severity, at_us: int) -> tuple[bool, int | None]:
        """Say whether these are quiet hours for what is this bad, and until when; `None`: no end in sight."""
        windows = [each.window for each in self.quiet if SEVERITIES[severity] < SEVERITIES[each.unless]]
        if not windows:
            return False, None
        pieces = taken(self.zone, windows, at_us, at_us + _LONGEST_QUIET_US)
        for begin, end in pieces:
            if begin <= at_us < end:
                return True, end if end - at_us <= _LONGEST_QUIET_US else None
        return False, None


class Hour(Struct, frozen=True, kw_only=True):
    """What time it is for somebody."""

    person: PersonId
    shown: str
    """On their wall: `Fri 03:12`."""
    quiet: bool
    """Whether they are not to be woken by anything but the worst."""
    until_us: int | None = None
    """When that ends; `None` where it is not so, or has no end in sight."""


class FileRoster:
    """The port `Roster`, and where messages go."""

    def __init__(
        self,
        people: Iterable[Person],
        schedules: Iterable[Schedule],
        *,
        channels: Mapping[str, Capable],
        links: Callable[[], Sequence[Linked]] = tuple,
    ) -> None:
        """Know people, schedules and channels; `links` is asked each time, for people link at any time."""
        self.people = {each.person_id: each for each in people}
        self.schedules = {each.name: each for each in schedules}
        self._channels, self._links = channels, links

    def found(self, target: str, at_us: int, duty: Duty) -> tuple[PersonId, ...]:
        """Return who is meant by a target of a rung at a time; nobody where nobody is.

        Nobody is where a schedule has a gap, and where one, or a role, is no longer known: an escalation
        keeps the ladder it began with.
        """
        kind, _, name = target.rpartition(":")
        match kind or name:
            case "role":
                return self._with_role(name)
            case "everyone":
                return self._with_role("responder", "captain")
            case "captain" if duty.captain is None:
                return self._with_role("captain")
            case "captain":
                one = duty.deputy if duty.away and duty.deputy is not None else duty.captain
            case "deputy":
                one = duty.deputy
            case "on-call":
                schedule = self.schedules.get(name)
                one = on_call(schedule, at_us, duty.changes) if schedule is not None else None
            case _:
                one = PersonId(target)
        return (one,) if one is not None else ()

    def against(self, person: PersonId, channel: str, severity: Severity, at_us: int) -> LeftOut | None:
        """Say why a channel must not or cannot reach a person now; `None` when nothing speaks against it."""
        capable, known = self._channels.get(channel), self.people.get(person)
        why, until_us = "", None
        if capable is None:
            why = f"there is no channel {channel}"
        elif capable.personal and not self.address(person, channel):
            why = self._unreachable(person, channel)
        elif capable.loud and known is not None:
            quiet, until_us = known.quiet_until(severity, at_us)
            if quiet:
                end = f" until {time_text(until_us)}" if until_us is not None else ""
                why = f"quiet hours{end}"
        return LeftOut(who=person, channel=channel, why=why, until_us=until_us) if why else None

    def rings(self, channel: str) -> bool:
        """Whether a channel does nothing but ring, so that it is no use for a quiet word: a phone call."""
        capable = self._channels.get(channel)
        return capable is not None and capable.text == "spoken"

    def has_person(self, person: PersonId) -> bool:
        """Whether anybody of this name is known: from the file, or from an account they linked."""
        return person in self.people or any(each.person == person for each in self._linked())

    def has_schedule(self, schedule: str) -> bool:
        """Whether there is such a schedule."""
        return schedule in self.schedules

    def address(self, person: PersonId, channel: str) -> str:
        """Return where a channel reaches a person; empty where it does not, or needs to know nothing."""
        front = ADDRESSES.get(channel, "")
        if front in FRONTS:
            linked = [
                each.account_id for each in self._linked() if (each.front, each.person) == (front, person)
            ]
            # Whoever linked another account since wants to be reached there.
            return linked[-1] if linked else ""
        known = self.people.get(person)
        return known.own_address(channel) if known is not None else ""

    def hours(self, at_us: int) -> tuple[Hour, ...]:
        """Say what time it is for each person, and whether they are to be left asleep."""
        found = []
        for person, known in self.people.items():
            quiet, until_us = known.quiet_until("info", at_us)
            shown = f"{wall(known.zone, at_us):%a %H:%M}"
            found.append(Hour(person=person, shown=shown, quiet=quiet, until_us=until_us))
        return tuple(found)

    def _with_role(self, *roles: str) -> tuple[PersonId, ...]:
        return tuple(person for person, known in self.people.items() if known.role in roles)

    def _linked(self) -> Sequence[Linked]:
        try:
            return self._links()
        except WatchkeeperError:
            # A file that is broken at night must not keep the other channels from ringing.
            return ()

    def _unreachable(self, person: PersonId, channel: str) -> str:
        needed = ADDRESSES.get(channel, "")
        if person not in self.people and needed not in FRONTS:
            return "not in people.yaml"
        return _WHAT.get(needed, f"no address for {channel}")
