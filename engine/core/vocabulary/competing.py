"""Competing: what two proposals may want at once, and how it is said which of them gets it."""

from typing import Any, Literal

from msgspec import Struct

from engine.core.vocabulary.ids import DecisionId, PersonId

Method = Literal["approval", "borda"]
"""How ballots are counted: each names all its owner could live with, or puts them in order."""


class Competition(Struct, frozen=True, kw_only=True):
    """How it is decided which of several proposals gets the resource they all want."""

    method: Method = "approval"
    within_us: int
    """How long ballots are taken."""
    captain_us: int
    """How long a captain may settle what the ballots left open."""
    quorum: int
    """How many votes must have been cast for a ballot to decide; abstentions count."""
    losers: Literal["deny", "wait"] = "deny"
    """What becomes of those that lost: denied, or waiting until the winner is done."""
    failsafe: Literal["deny", "hold"] = "hold"
    """What becomes of all of them when neither votes, nor a captain, nor the priority score decide."""


class Touches(Struct, frozen=True, array_like=True, gc=False):
    """What a proposal needs for itself: `[resource, performed, score]`."""

    resource: str
    """As the registry's template has it: `service:web`."""
    performed: bool
    """Whether we perform it, and so know when it ends; otherwise its agent reports that."""
    score: int
    """Its priority score: 100, less its risk score, less five for each step of the registry's priority.

    What an agent says of itself, its confidence or its own priority, does not count."""


class Ballot(Struct, frozen=True, array_like=True):
    """One ballot that counts: `[voter, owner, choices, weight, nth, changes]`. Each owner has one."""

    voter: PersonId
    owner: PersonId
    choices: tuple[DecisionId, ...]
    """Best first where order counts; none abstains."""
    weight: int
    nth: int
    """Which of all ballots of this contest it was, from 1."""
    changes: int = 0
    """How often this owner's ballot was changed before."""


def resource_of(template: str, args: dict[str, Any]) -> str:
    """Fill an action's template in with a proposal's arguments; empty where one of them is missing.

    >>> resource_of("service:{service}", {"service": "web"}), resource_of("file:{path}", {})
    ('service:web', '')
    >>> resource_of("file:{path}", {"path": "./a/../b"})
    'file:b'
    """
    pieces = template.split("{")
    said = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}")
        value = args.get(name)
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            return ""
        said += [_plain(str(value)), rest]
    return "".join(said)[:_LONGEST]


_LONGEST = 300


def _plain(value: str) -> str:
    """Write a path one way only, so that nobody gets round another by writing it differently."""
    if "/" not in value and value not in {".", ".."}:
        return value
    parts: list[str] = []
    for part in value.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return ("/" if value.startswith("/") else "") + "/".join(parts)
