"""Codex: `PreToolUse` can deny; whatever else a hook says, the call runs.

`ask`, and `allow` by itself, are errors there, and errors let the call run. So what is allowed is answered
with silence, and what is held is denied, with what to do about it.
"""

import re
from typing import Any, Final

from bot.hooks.calls import Ruling, ToolCall, input_of, text_of, unknown_event

_SHELL: Final = "Bash"
_STATUS: Final = re.compile(r"Exit code: (-?\d+)\n")


class Codex:
    """Codex's contract."""

    def read(self, said: dict[str, Any]) -> ToolCall:
        """Read what came in."""
        event = said.get("hook_event_name")
        if event not in {"PreToolUse", "PostToolUse"}:
            raise unknown_event(said, "codex")
        ok, detail = _went(said) if event == "PostToolUse" else (None, "")
        return ToolCall(
            event=event,
            after=event == "PostToolUse",
            tool=text_of(said, "tool_name", least=1),
            input=input_of(said),
            session=text_of(said, "session_id", least=1),
            call_id=text_of(said, "tool_use_id"),
            cwd=text_of(said, "cwd"),
            ok=ok,
            detail=detail,
        )

    def answer(self, call: ToolCall, ruling: Ruling) -> dict[str, Any] | None:
        """Deny, or say nothing."""
        if call.after or ruling.kind in {"allow", "own"}:
            return None
        if ruling.kind != "deny":
            raise ValueError(f"Codex runs what is answered with {ruling.kind}")
        return {
            "hookSpecificOutput": {
                "hookEventName": call.event,
                "permissionDecision": "deny",
                "permissionDecisionReason": ruling.reason,
            }
        }


def _went(said: dict[str, Any]) -> tuple[bool | None, str]:
    """Read how a call went, as far as the answer of the tool says it; `None` where it does not.

    Of a shell command a hook gets what it printed and not its exit status. Other tools are told of only
    when they went well, or say it themselves.
    """
    response = said.get("tool_response")
    if isinstance(response, str):
        found = _STATUS.match(response)
        if found is None:
            return (None if said.get("tool_name") == _SHELL else True), ""
        response = {"exit_code": int(found[1])}
    if isinstance(response, dict):
        code = response.get("exit_code", response.get("exitCode"))
        if isinstance(code, int):
            return code == 0, f"exit status {code}" if code else ""
        if response.get("isError") is True:
            return False, "the tool said so"
    return True, ""
