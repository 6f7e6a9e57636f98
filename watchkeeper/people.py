"""Who is at this terminal: the holder of a token, or for a stop anybody who can reach the state folder."""

import getpass
import os
from pathlib import Path
from typing import Final, Literal

from engine.adapters.files import storage_errors
from engine.adapters.token_file import TokenFile, private_write
from engine.commands.model import Account
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import RANKS
from engine.errors import Forbidden
from engine.ports import Holder
from engine.runtime.layout import Layout

VARIABLE: Final = "WATCHKEEPER_TOKEN"
_MAKE: Final = "watchkeeper token create --person NAME --role captain"


def local_name() -> str:
    """Return the name of whoever runs this program, as the machine knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def person(layout: Layout, role: Literal["viewer", "responder", "captain"]) -> PersonId:
    """Return the person whose token is at hand, if the role is theirs or a lower one.

    The token is the one in `$WATCHKEEPER_TOKEN`, else the state folder's own. Raises `Forbidden`.
    """
    token = os.environ.get(VARIABLE, "").strip() or _own(layout)
    if not token:
        raise Forbidden(f"this takes a {role}", cure=f"set {VARIABLE}; `{_MAKE}` makes a token")
    holder = TokenFile(layout.tokens).holder_of(token)
    if holder is None:
        raise Forbidden("the token is wrong, revoked or past its time", cure=f"`{_MAKE}` makes another")
    if holder.kind != "person" or RANKS[holder.role or "viewer"] < RANKS[role]:
        raise Forbidden(f"{_shown(holder)} may not do this: it takes a {role}", cure=f"ask a {role}")
    return PersonId(holder.name)


def account(layout: Layout) -> Account:
    """Return who sits at this terminal, as the desk needs it: the person of the token at hand.

    Without one it is whoever is logged in, as a viewer: they could read the state folder anyway. Raises
    `Forbidden` for a token that is wrong, or an agent's.
    """
    token = os.environ.get(VARIABLE, "").strip() or _own(layout)
    name = local_name()
    if not token:
        return Account(front="terminal", account_id=name, name=name, person=PersonId(name), role="viewer")
    holder = TokenFile(layout.tokens).holder_of(token)
    if holder is None:
        raise Forbidden("the token is wrong, revoked or past its time", cure=f"`{_MAKE}` makes another")
    if holder.kind != "person":
        raise Forbidden(f"{_shown(holder)} speaks over the HTTP API", cure=f"`{_MAKE}` makes a person's")
    return Account(
        front="terminal", account_id=name, name=name, person=PersonId(holder.name), role=holder.role
    )


def _shown(holder: Holder) -> str:
    return f"{holder.role} {holder.name}" if holder.kind == "person" else f"agent {holder.name}"


def _own(layout: Layout) -> str:
    path = layout.own_token
    if not path.exists():
        return ""
    with storage_errors(path):
        return path.read_text().strip()


def first_captain(layout: Layout) -> tuple[str, Path] | None:
    """Make whoever starts on a fresh state folder its captain; `None` when there are tokens already.

    The token lies in the state folder, readable by its owner alone, so that the command line on this machine
    need not be told it. Whoever can read it could also write the journal.
    """
    tokens = TokenFile(layout.tokens)
    if tokens.entries():
        return None
    name = local_name()
    _, text = tokens.create(kind="person", name=name, role="captain")
    private_write(layout.own_token, text.encode() + b"\n")
    return name, layout.own_token
