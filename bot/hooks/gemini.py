"""Gemini CLI: `BeforeTool` is answered with a decision, `AfterTool` tells how it went.

Exit status 2 blocks with what stands on standard error; any other failure is a warning, and the call runs.
Its time limits are in milliseconds.
"""

from typing import Any

from bot.hooks.calls import Ruling, ToolCall, input_of, text_of, unknown_event


class Gemini:
    """Gemini CLI's contract."""

    def read(self, said: dict[str, Any]) -> ToolCall:
        """Read what came in."""
        event = said.get("hook_event_name")
        if event not in {"BeforeTool", "AfterTool"}:
            raise unknown_event(said, "gemini")
        after = event == "AfterTool"
        response = said.get("tool_response")
        error = response.get("error") if isinstance(response, dict) else None
        return ToolCall(
            event=event,
            after=after,
            tool=text_of(said, "tool_name", least=1),
            input=input_of(said),
            session=text_of(said, "session_id", least=1),
            cwd=text_of(said, "cwd"),
            ok=(not error) if after else None,
            detail=str(error)[:500] if after and error else "",
        )

    def answer(self, call: ToolCall, ruling: Ruling) -> dict[str, Any] | None:
        """Put a ruling into a decision."""
        if call.after or ruling.kind == "own":
            return {}
        if ruling.kind not in {"allow", "deny"}:
            raise ValueError(f"Gemini CLI runs what is answered with {ruling.kind}")
        return {"decision": ruling.kind, "reason": ruling.reason}
