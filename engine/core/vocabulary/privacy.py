"""What must not be kept in clear: kinds of it, places it is found in, and what is done about it there."""

from typing import Literal

from msgspec import Struct

DataKind = Literal["secret", "card", "iban", "email", "phone"]
"""A credential; a payment card; a bank account; an e-mail address; a phone number."""

Spot = Literal["arguments", "text", "messages", "outputs"]
"""Arguments of an action; what agents and people write; what is said in an episode; what came of it."""

Treatment = Literal["keep", "redact", "refuse"]
"""Leave it; put `[redacted: …]` in its place; deny the proposal, and redact it in what is journaled."""


class Treated(Struct, frozen=True, kw_only=True):
    """What is done about one kind of data, by where it is found."""

    arguments: Treatment
    text: Treatment
    messages: Treatment
    outputs: Treatment

    def at(self, spot: Spot) -> Treatment:
        """Return what is done where it is found."""
        treatment: Treatment = getattr(self, spot)
        return treatment


_NEVER = Treated(arguments="refuse", text="redact", messages="redact", outputs="redact")
_TO_ACT = Treated(arguments="keep", text="redact", messages="keep", outputs="redact")


class PrivacySettings(Struct, frozen=True, kw_only=True):
    """What is done about each kind of data."""

    secret: Treated = _NEVER
    card: Treated = _NEVER
    iban: Treated = _TO_ACT
    email: Treated = _TO_ACT
    phone: Treated = _TO_ACT
    owner: str = "captain"
    """The role that may change this."""

    def treated(self, kind: DataKind) -> Treated:
        """Return what is done about one kind."""
        treated: Treated = getattr(self, kind)
        return treated


class Found(Struct, frozen=True, array_like=True):
    """What was found in a proposal, never its value: `[kind, name, place, taken]`."""

    kind: DataKind
    name: str
    """What it is in particular: `github token`."""
    place: str
    """Where it stands: `args.headers.Authorization`."""
    taken: bool
    """Whether it was taken out, so that the journal has not what the agent sent."""
