"""Watchkeeper: agents propose, the engine decides, people hold the override.

What agents' programs import stands here: `from watchkeeper import Client, governed`. Each name is loaded when
it is first asked for, so that a command of ours pays for none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.errors import Forbidden, Unreachable, WatchkeeperError
    from watchkeeper.sdk.clients import AsyncClient, Client
    from watchkeeper.sdk.errors import (
        Conflict,
        Denied,
        Expired,
        Held,
        Invalid,
        Killed,
        NotAllowed,
        Performed,
        Replaced,
        Shadowed,
        Vetoed,
    )
    from watchkeeper.sdk.governing import episode, governed
    from watchkeeper.sdk.words import (
        Decision,
        Impact,
        Message,
        Proposal,
        Question,
        Reason,
        Replacement,
        Wait,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "Conflict",
    "Decision",
    "Denied",
    "Expired",
    "Forbidden",
    "Held",
    "Impact",
    "Invalid",
    "Killed",
    "Message",
    "NotAllowed",
    "Performed",
    "Proposal",
    "Question",
    "Reason",
    "Replaced",
    "Replacement",
    "Shadowed",
    "Unreachable",
    "Vetoed",
    "Wait",
    "WatchkeeperError",
    "episode",
    "governed",
]

_PLACES: Final = {
    "engine.errors": "Forbidden Unreachable WatchkeeperError",
    "watchkeeper.sdk.clients": "AsyncClient Client",
    "watchkeeper.sdk.errors": "Conflict Denied Expired Held Invalid Killed NotAllowed Performed Replaced "
    "Shadowed Vetoed",
    "watchkeeper.sdk.governing": "episode governed",
    "watchkeeper.sdk.words": "Decision Impact Message Proposal Question Reason Replacement Wait",
}
_PLACE_OF: Final = {name: place for place, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_PLACE_OF[name]), name)
    return found
