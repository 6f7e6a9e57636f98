"""`people.yaml`: who there is, what they may do, and how they are reached."""

import re
from typing import Annotated, Final, Literal, Self

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from engine.settings.base import Role, Settings
from engine.settings.captaincy import PersonName
from engine.settings.times import Day, TimeOfDay, Zone, minutes

DUTIES: Final = frozenset({"captain", "deputy", "everyone"})
"""What ladders mean by these is a duty, so nobody can be called so."""


def _name(name: str) -> str:
    if name.lower() in DUTIES:
        raise ValueError(f"nobody can be called {name}: ladders mean something else by it; give another name")
    return name


def _phone(value: object) -> object:
    """Refuse what no phone answers to. YAML makes a number of one without quotes, and drops its plus."""
    shown = value if isinstance(value, str) else f"+{value}"
    try:
        number = phonenumbers.parse(shown, None)
    except phonenumbers.NumberParseException as wrong:
        raise ValueError(
            f'{value!r} is not a phone number; write it with its country, in quotes: "+49 30 1234567"'
        ) from wrong
    if not isinstance(value, str):
        # pydantic makes a complaint of a ValueError only.
        raise ValueError(f'a phone number needs quotes; write "+{value}"')  # noqa: TRY004 - see above
    if not phonenumbers.is_valid_number(number):
        raise ValueError(f"{value!r} is no number that its country has given out; look for a slip of a digit")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(address: str) -> str:
    local, at, host = address.rpartition("@")
    labels = host.split(".")
    if (
        not at
        or not re.fullmatch(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}", local)
        or len(labels) < 2
        or not all(re.fullmatch(r"[^\W_]([\w-]{0,61}[^\W_])?", label) for label in labels)
    ):
        raise ValueError(f"{address!r} is not an e-mail address; write one such as ada@example.org")
    return address


class QuietSection(Settings):
    """Hours in which somebody is not to be woken, unless it is bad enough."""

    start: Annotated[TimeOfDay, Field(alias="from")]
    until: TimeOfDay
    days: Annotated[tuple[Day, ...], Field(min_length=1)] | None = None
    """On which they begin; `None`: on all."""
    unless: Literal["warning", "critical"] = "critical"

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if minutes(self.start) == minutes(self.until):
            raise ValueError(
                f"from and until are both {self.start}; for whole days write from 00:00 until 24:00"
            )
        return self


class PersonSection(Settings):
    """One person."""

    name: Annotated[str, StringConstraints(pattern=r"^\S(.{0,98}\S)?$")] | None = None
    role: Role
    zone: Zone
    phone: Annotated[str, BeforeValidator(_phone)] | None = None
    email: Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)] | None = None
    ntfy: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    pushover: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{30}$")] | None = None
    quiet: Annotated[tuple[QuietSection, ...], Field(max_length=14)] = ()


class PeopleFile(Settings):
    """`people.yaml`."""

    people: Annotated[
        dict[Annotated[PersonName, AfterValidator(_name)], PersonSection], Field(max_length=10_000)
    ] = {}
