"""Gemini CLI: `BeforeTool` is answered with a decision, `AfterTool` tells how it went.

Exit status 2 blocks with what stands on standard error; any other failure is a warning, and the call runs.
Its time limits are in milliseconds.
"""

import re
from typing import Any, Final

from bot.hooks.calls import Ruling, ToolCall, input_of, text_of, unknown_event

_STATUS: Final = re.compile(
    r"\n(?:Exit Code|Signal): (\S+)(?:\n(?:Signal|Background PIDs|Process Group PGID): .*)*"
    r"\s*(?:</untrusted_context>)?\s*\Z"
)
"""How a shell command ended, behind what it printed; nothing stands there of one that went well."""


class Gemini:
    """Gemini CLI's contract."""

    def read(self, said: dict[str, Any]) -> ToolCall:
        """Read what came in."""
        event = said.get("hook_event_name")
        if event not in {"BeforeTool", "AfterTool"}:
            raise unknown_event(said, "gemini")
        after = event == "AfterTool"
        error = _error(said.get("tool_response")) if after else ""
        return ToolCall(
            event=event,
            after=after,
            tool=text_of(said, "tool_name", least=1),
            input=input_of(said),
            session=text_of(said, "session_id", least=1),
            cwd=text_of(said, "cwd"),
            ok=(not error) if after else None,
            detail=error[:500],
        )

    def answer(self, call: ToolCall, ruling: Ruling) -> dict[str, Any] | None:
        """Put a ruling into a decision."""
        if call.after or ruling.kind == "own":
            return {}
        if ruling.kind not in {"allow", "deny"}:
            raise ValueError(f"Gemini CLI runs what is answered with {ruling.kind}")
        return {"decision": ruling.kind, "reason": ruling.reason}


def _error(response: object) -> str:
    """Say what went wrong; empty when nothing did."""
    if not isinstance(response, dict):
        return ""
    if error := response.get("error"):
        return str(error.get("message") or error) if isinstance(error, dict) else str(error)
    ended = _STATUS.search(str(response.get("llmContent", "")))
    return f"exit status {ended[1]}" if ended else ""
