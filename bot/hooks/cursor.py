"""Cursor: each moment has an event of its own, answered with a permission.

`preToolUse` comes before every tool; there `ask` is taken and not carried out, so what is held is denied with
what to do about it. The older events before shell commands, MCP calls and reading can ask.
"""

import json
from typing import Any, Final

from bot.hooks.calls import Ruling, ToolCall, input_of, text_of, unknown_event
from engine.errors import InputError

_ASKABLE: Final = frozenset({"beforeShellExecution", "beforeMCPExecution"})
_AFTER: Final = frozenset({"postToolUse", "postToolUseFailure"})


class Cursor:
    """Cursor's contract."""

    def read(self, said: dict[str, Any]) -> ToolCall:
        """Read what came in."""
        event = said.get("hook_event_name")
        tool, given = _tool(event, said)
        return ToolCall(
            event=str(event),
            after=event in _AFTER,
            tool=tool,
            input=given,
            session=text_of(said, "conversation_id", least=1),
            call_id=text_of(said, "tool_use_id"),
            cwd=text_of(said, "cwd"),
            interactive=event in _ASKABLE,
            ok=None if event not in _AFTER or said.get("is_interrupt") is True else event == "postToolUse",
            detail=str(said.get("error_message", ""))[:500] if event == "postToolUseFailure" else "",
        )

    def answer(self, call: ToolCall, ruling: Ruling) -> dict[str, Any] | None:
        """Put a ruling into a permission."""
        if call.after:
            return {}
        if ruling.kind == "own":
            return {"permission": "allow"}
        if ruling.kind not in {"allow", "deny"} and not (ruling.kind == "ask" and call.event in _ASKABLE):
            raise ValueError(f"Cursor runs what is answered with {ruling.kind} at {call.event}")
        if ruling.kind == "allow" or call.event == "beforeReadFile":
            return {"permission": ruling.kind}
        return {"permission": ruling.kind, "user_message": ruling.reason, "agent_message": ruling.reason}


def _tool(event: object, said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    match event:
        case "preToolUse" | "postToolUse" | "postToolUseFailure":
            return text_of(said, "tool_name", least=1), input_of(said)
        case "beforeShellExecution":
            return "Shell", {"command": text_of(said, "command", least=1)}
        case "beforeReadFile":
            # What is in the file is nobody's business here.
            return "Read", {"file_path": text_of(said, "file_path", least=1)}
        case "beforeMCPExecution":
            return f"MCP:{text_of(said, 'tool_name', least=1)}", _mcp_input(said.get("tool_input"))
        case _:
            raise unknown_event(said, "cursor")


def _mcp_input(given: object) -> dict[str, Any]:
    """Read the input of an MCP tool, which comes as JSON in a text."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise InputError("tool_input is not JSON", cure="is this the right hook for Cursor?") from None
    if not isinstance(given, dict):
        raise InputError("tool_input is not an object", cure="is this the right hook for Cursor?")
    return given
