"""Claude Code: `PreToolUse` is answered with a permission decision, `PostToolUse` tells how it went.

Exit status 2 blocks with what stands on standard error; any other failure, and a timeout, lets the call run.
A decision counts only inside `hookSpecificOutput`, and with a reason.
"""

import os
from typing import Any, Final

from bot.hooks.calls import Ruling, ToolCall, input_of, text_of, unknown_event

_ASKABLE: Final = frozenset({"default", "acceptEdits", "plan"})
"""Permission modes in which a question reaches somebody. In all others a call may run without one."""
_ENTRY: Final = "CLAUDE_CODE_ENTRYPOINT"
_HEADLESS: Final = ("sdk", "github", "mcp", "print")


class Claude:
    """Claude Code's contract."""

    def read(self, said: dict[str, Any]) -> ToolCall:
        """Read what came in."""
        event = said.get("hook_event_name")
        if event not in {"PreToolUse", "PostToolUse", "PostToolUseFailure"}:
            raise unknown_event(said, "claude")
        after = event != "PreToolUse"
        interrupted = said.get("is_interrupt") is True
        return ToolCall(
            event=event,
            after=after,
            tool=text_of(said, "tool_name", least=1),
            input=input_of(said),
            session=text_of(said, "session_id", least=1),
            call_id=text_of(said, "tool_use_id"),
            cwd=text_of(said, "cwd"),
            interactive=said.get("permission_mode", "default") in _ASKABLE
            and not os.environ.get(_ENTRY, "").startswith(_HEADLESS),
            # Whoever stops a call with a key says nothing about how it went.
            ok=None if not after or interrupted else event == "PostToolUse",
            detail=str(said.get("error", ""))[:500] if event == "PostToolUseFailure" else "",
        )

    def answer(self, call: ToolCall, ruling: Ruling) -> dict[str, Any] | None:
        """Put a ruling into a permission decision."""
        if call.after or ruling.kind == "own":
            return None
        return {
            "hookSpecificOutput": {
                "hookEventName": call.event,
                "permissionDecision": ruling.kind,
                "permissionDecisionReason": ruling.reason,
            }
        }
