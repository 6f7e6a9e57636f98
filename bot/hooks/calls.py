"""Tool calls: what an agent is about to do, whichever agent it is, and what it is told."""

from typing import Any, Literal, Protocol

from msgspec import Struct

from engine.errors import InputError


class ToolCall(Struct, frozen=True, kw_only=True):
    """One call of a tool, as an agent's hook tells of it."""

    event: str
    """The agent's own name for the moment, such as `PreToolUse`."""
    after: bool
    """Whether it ran already."""
    tool: str
    input: dict[str, Any]
    session: str
    call_id: str = ""
    """The agent's own id of the call; empty where it gives none."""
    cwd: str = ""
    interactive: bool = False
    """Whether somebody sits there who can be asked."""
    ok: bool | None = None
    """Whether it went well; `None` before it ran, and where nobody can say."""
    detail: str = ""
    """What went wrong."""


class Ruling(Struct, frozen=True, kw_only=True):
    """What became of a call."""

    kind: Literal["allow", "ask", "defer", "deny", "own"]
    """`own`: nothing is said, and the agent's own permissions decide."""
    reason: str
    decision_id: str = ""
    waits: bool = False
    """Whether it is denied only because people have not answered yet."""


class Contract(Protocol):
    """How one agent's hook talks."""

    def read(self, said: dict[str, Any]) -> ToolCall:
        """Read what came in. Raises `InputError` for what this hook does not know."""

    def answer(self, call: ToolCall, ruling: Ruling) -> dict[str, Any] | None:
        """Put a ruling into the agent's words; `None` says nothing. Raises `ValueError` for what has none."""


def text_of(said: dict[str, Any], name: str, *, least: int = 0) -> str:
    """Return a text among what came in; empty where it is missing and need not be there."""
    value = said.get(name, "")
    if not isinstance(value, str) or len(value) < least:
        raise InputError(f"{name} is not a text", cure="is this the right hook for this agent?")
    return value


def input_of(said: dict[str, Any], name: str = "tool_input") -> dict[str, Any]:
    """Return the input of a tool."""
    value = said.get(name)
    if not isinstance(value, dict):
        raise InputError(f"{name} is not an object", cure="is this the right hook for this agent?")
    return value


def unknown_event(said: dict[str, Any], agent: str) -> InputError:
    """Say that the hook is not made for what it was called with."""
    event = str(said.get("hook_event_name", "nothing"))[:60]
    return InputError(
        f"{agent} called it at {event!r}", cure=f"install it again: watchkeeper hook install {agent}"
    )
