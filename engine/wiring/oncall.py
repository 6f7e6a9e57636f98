"""People and schedules, joined to the roster: read, checked, compiled."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from engine.adapters.roster import Person, Quiet
from engine.adapters.rotations import DAY_MIN, DAYS, WEEK_MIN, Layer, Schedule, Window, gaps
from engine.adapters.yaml_files import Document, read_yaml
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import duration_text
from engine.errors import PolicyError
from engine.settings.oncall import DuringSection, LayerSection, OnCallFile, ScheduleSection, length_min
from engine.settings.people import PeopleFile, PersonSection, QuietSection
from engine.settings.times import minutes
from engine.wiring.policies import SHIPPED_CONFIG


class Known(Struct, frozen=True, kw_only=True):
    """The people of an installation, and who of them is on call when."""

    people: Mapping[PersonId, Person]
    schedules: Mapping[str, Schedule]
    places: Mapping[PersonId, str]
    """File and line where each person stands."""


def read_known(config: Path) -> Known:
    """Read people.yaml and oncall.yaml; the shipped ones, which name nobody, where a folder has none.

    Raises `InputError` and `PolicyError` naming the file, the line and the cure.
    """
    people_file, oncall_file = open_file(config, "people.yaml"), open_file(config, "oncall.yaml")
    people = _people(people_file)
    return Known(
        people=people,
        schedules=_schedules(oncall_file, people),
        places={person: people_file.place("people", person) for person in people},
    )


def open_file(config: Path, name: str) -> Document:
    """Read a file of the configuration, or the shipped one where the folder is older than that."""
    own = config / name
    return read_yaml(own if own.exists() else SHIPPED_CONFIG / name)


def _people(document: Document) -> dict[PersonId, Person]:
    file = document.checked(PeopleFile)
    for key, what in (("phone", "phone number"), ("email", "e-mail address")):
        seen: dict[str, str] = {}
        for name, section in file.people.items():
            address = (getattr(section, key) or "").casefold()
            if address and address in seen:
                raise PolicyError(
                    f"{name} has the {what} of {seen[address]}, so nobody could tell whose answer it is",
                    place=document.place("people", name, key),
                    cure="give each their own, or leave it out",
                )
            seen[address] = name
    return {PersonId(name): _person(name, section) for name, section in file.people.items()}


def _person(name: str, section: PersonSection) -> Person:
    return Person(
        person_id=PersonId(name),
        name=section.name or name,
        role=section.role,
        zone=section.zone,
        phone=section.phone or "",
        email=section.email or "",
        ntfy=section.ntfy or "",
        pushover=section.pushover or "",
        quiet=tuple(Quiet(window=_window(each), unless=each.unless) for each in section.quiet),
    )


def _schedules(document: Document, people: Mapping[PersonId, Person]) -> dict[str, Schedule]:
    file = document.checked(OnCallFile)
    for name, section in file.schedules.items():
        for nth, layer in enumerate(section.layers):
            for place, person in enumerate(layer.people):
                if person not in people:
                    raise PolicyError(
                        f"{name} has {person} on call, who is not in people.yaml",
                        place=document.place("schedules", name, "layers", nth, "people", place),
                        cure="add them there, or take them out here",
                    )
    found = {name: _schedule(name, section) for name, section in file.schedules.items()}
    for name, schedule in found.items():
        missing = gaps(schedule) if file.schedules[name].gaps == "refused" else ()
        if missing:
            raise PolicyError(
                f"{name} has nobody on call {' and '.join(map(_gap, missing[:3]))}"
                + (f", and {len(missing) - 3} times more" if len(missing) > 3 else ""),
                place=document.place("schedules", name, "layers"),
                cure="add a layer for these hours, or `gaps: allowed` where nobody need be",
            )
    return found


def _schedule(name: str, section: ScheduleSection) -> Schedule:
    return Schedule(name=name, zone=section.zone, layers=tuple(map(_layer, section.layers)))


def _layer(section: LayerSection) -> Layer:
    alone = section.start is None or section.every is None
    return Layer(
        people=tuple(map(PersonId, section.people)),
        start=section.start,
        every_min=0 if alone else length_min(section.every or ""),
        during=tuple(map(_window, section.during)),
    )


def _window(section: DuringSection | QuietSection) -> Window:
    begin, end = minutes(section.start), minutes(section.until)
    return Window(
        days=tuple(map(DAYS.index, section.days if section.days is not None else DAYS)),
        from_min=begin,
        until_min=end if end > begin else end + DAY_MIN,
    )


def _gap(gap: tuple[int, int]) -> str:
    """Say when a gap is: `from Fri 17:00 to Mon 09:00 (64 h)`."""
    begin, end = gap
    return f"from {_shown(begin)} to {_shown(end)} ({duration_text((end - begin) * 60)})"


def _shown(minute: int) -> str:
    day, rest = divmod(minute % WEEK_MIN, DAY_MIN)
    return f"{DAYS[day].title()} {rest // 60:02}:{rest % 60:02}"
