"""The book: where people are reached, from the roster."""

from engine.adapters.roster import FileRoster
from engine.adapters.rotations import wall
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import Role
from engine.core.vocabulary.units import SECOND_US, time_text
from engine.settings.channels import ChannelsFile
from engine.wiring.oncall import read_known
from engine.wiring.service import Service, roster_of
from notifiers.stating import capabilities_of


def read_roster(service: Service, settings: ChannelsFile) -> FileRoster:
    """Read people and schedules. Raises `InputError` and `PolicyError`."""
    return roster_of(service, read_known(service.config), capabilities_of(settings))


class RosterBook:
    """The port `Book` over a roster."""

    def __init__(self, roster: FileRoster) -> None:
        """Look in this roster, each time anew."""
        self._roster = roster

    def address(self, person: PersonId, channel: str) -> str:
        """Return the address of a person on a channel; empty where there is none."""
        return self._roster.address(person, channel) if person else ""

    def clock(self, person: PersonId, at_us: int) -> str:
        """Write a moment as it stands on a person's wall, and in UTC for nobody in particular."""
        known = self._roster.people.get(person)
        if known is None:
            return time_text(at_us // SECOND_US * SECOND_US)
        return f"{wall(known.zone, at_us):%H:%M}"

    def role(self, person: PersonId) -> Role:
        """Return what a person may do; who is in no file may look."""
        known = self._roster.people.get(person)
        return known.role if known is not None else "viewer"
