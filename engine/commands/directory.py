"""The directory: people, schedules and ladders, as the files of the configuration have them."""

from collections.abc import Mapping

from msgspec import Struct

from engine.adapters.roster import Person
from engine.adapters.rotations import Schedule
from engine.core.vocabulary.escalations import EscalationSettings
from engine.core.vocabulary.ids import PersonId
from engine.errors import InputError


class Directory(Struct, frozen=True, kw_only=True):
    """Who there is, who is on call when, and how people are woken. Empty: nobody was ever named."""

    people: Mapping[PersonId, Person] = {}
    schedules: Mapping[str, Schedule] = {}
    settings: EscalationSettings | None = None

    def schedule(self, name: str) -> Schedule:
        """Return a schedule. Raises `InputError` naming those there are."""
        found = self.schedules.get(name)
        if found is None:
            known = ", ".join(sorted(self.schedules)) or "none, see oncall.yaml"
            raise InputError(f"there is no schedule {name!r}", cure=f"those there are: {known}")
        return found

    @property
    def ladders(self) -> tuple[str, ...]:
        """The names of all ladders."""
        return tuple(sorted(self.settings.ladders)) if self.settings is not None else ()
