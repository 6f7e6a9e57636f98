"""What arguments of commands are: decisions, scopes and reasons, each checked as it is read."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from engine.adapters.redaction import redact
from engine.commands.language import argument
from engine.errors import InputError
from engine.runtime.stops import scope_of

_CODE: Final = re.compile(r"\s*\d{3}[ -]?\d{3}\s*")
_ID: Final = re.compile(r"[du]_[0-9a-f]{15}\Z")


def checked_scope(text: str) -> str:
    """Write a scope as the journal does. Raises `ValueError`."""
    try:
        scope = str(scope_of(text))
    except InputError as wrong:
        raise ValueError(f"{wrong.message}; {wrong.cure}") from None
    if redact(scope) != scope:
        raise ValueError("this looks like a secret, and a stop is named for everybody to read")
    return scope


def _decision(text: str) -> str:
    if _ID.match(text) is None:
        raise ValueError(f"{text!r} is no decision; copy the whole id, such as d_7e566b8fac673f6")
    return text


def _decisions(text: str) -> str:
    """Write ids with commas between. Raises `ValueError`."""
    return ",".join(_decision(each.strip()) for each in text.strip(" ,").split(","))


def _reason(text: str) -> str:
    if _CODE.fullmatch(text):
        raise ValueError("six digits are no reason; a one-time code is asked for apart")
    return text


Scope = Annotated[str, AfterValidator(checked_scope)]
DecisionKey = Annotated[str, AfterValidator(_decision)]
DecisionKeys = Annotated[str, AfterValidator(_decisions)]
Reason = Annotated[str, AfterValidator(_reason)]
ANY_DECISION: Final = "Id of a decision, such as d_7e566b8fac673f6"
WHAT: Final = "What: all, agent:NAME, capability:NAME or action:NAME"
WHY: Final = "Why, for the journal"


def why(default: Any = "") -> Any:
    """Describe the reason, which takes all that is left."""
    return argument(WHY, default, rest=True, max_length=500)
