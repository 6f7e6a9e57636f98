"""Coding agents as far as a hook can tell: how each calls the installed command, and how it reads the answer.

Stand-ins, written after each agent's own code or reference: what is read here as `runs` runs there. Where
an agent's reading changed with its versions, the reading that lets more run is taken.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S

AGENTS = ("claude", "codex", "cursor", "gemini")


@dataclass(frozen=True)
class Ended:
    """How a hook ended."""

    status: int | None
    """`None` when a signal or the agent's own time limit ended it."""
    out: str
    err: str
    delivered: bool = True
    """Whether the whole question could be written."""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def read_claude(ended: Ended, event: str = "PreToolUse") -> str:
    """Exit 2 blocks; on 0 the decision inside hookSpecificOutput counts; everything else proceeds."""
    if ended.status == 2:
        # With output that is not its schema, versions before 2.1.214 let it run.
        return "blocked" if not ended.out.strip() else "runs"
    if ended.status != 0:
        return "runs"
    said = _json(ended.out)
    inner = said.get("hookSpecificOutput") if isinstance(said, dict) else None
    if not isinstance(inner, dict) or inner.get("hookEventName") != event:
        return "runs"
    if not inner.get("permissionDecisionReason"):
        return "runs"
    return {"deny": "blocked", "ask": "asks", "defer": "deferred"}.get(
        str(inner.get("permissionDecision")), "runs"
    )


def read_codex(ended: Ended, event: str = "PreToolUse") -> str:
    """Only a denial, and exit 2 with a reason, block. A question it cannot hand over lets the call run."""
    if not ended.delivered or ended.status is None:
        return "runs"
    if ended.status == 2:
        return "blocked" if ended.err.strip() else "runs"
    said = _json(ended.out)
    inner = said.get("hookSpecificOutput") if isinstance(said, dict) else None
    if ended.status != 0 or not isinstance(inner, dict) or set(said) - {"hookSpecificOutput"}:
        return "runs"
    known = {"hookEventName", "permissionDecision", "permissionDecisionReason"}
    denied = (
        inner.get("permissionDecision") == "deny" and str(inner.get("permissionDecisionReason", "")).strip()
    )
    return "blocked" if denied and set(inner) <= known and inner["hookEventName"] == event else "runs"


def read_cursor(ended: Ended, event: str = "preToolUse") -> str:
    """Exit 2 denies; on 0 the permission counts, `ask` where it is carried out; failClosed is left aside."""
    if ended.status == 2:
        return "blocked"
    said = _json(ended.out)
    if ended.status != 0 or not isinstance(said, dict):
        return "runs"
    asked = "runs" if event == "preToolUse" else "asks"
    return {"deny": "blocked", "ask": asked}.get(str(said.get("permission")), "runs")


def read_gemini(ended: Ended, event: str = "BeforeTool") -> str:
    """As hookRunner does: JSON wherever it stands, else text by status; a signal counts as status 0."""
    status = ended.status or 0
    text = ended.out.strip() or ended.err.strip()
    if not text:
        return "runs"
    said = _json(text)
    if isinstance(said, dict):
        return "blocked" if said.get("decision") in {"deny", "block"} else "runs"
    return "blocked" if status not in {0, 1} else "runs"


READ = {"claude": read_claude, "codex": read_codex, "cursor": read_cursor, "gemini": read_gemini}

SHELL = {"claude": "Bash", "codex": "Bash", "cursor": "Shell", "gemini": "run_shell_command"}
READING = {"claude": "Read", "codex": "view_image", "cursor": "Read", "gemini": "read_file"}
_BEFORE = {"claude": "PreToolUse", "codex": "PreToolUse", "cursor": "preToolUse", "gemini": "BeforeTool"}
_AFTER = {"claude": "PostToolUse", "codex": "PostToolUse", "cursor": "postToolUse", "gemini": "AfterTool"}


def question(
    agent: str, tool: str, given: dict[str, Any], call_id: str = "call-1", **more: Any
) -> dict[str, Any]:
    """What an agent says before a call."""
    said: dict[str, Any] = {
        "session_id": "session-1",
        "transcript_path": "/srv/shop/transcript.jsonl",
        "cwd": "/srv/shop",
        "hook_event_name": _BEFORE[agent],
        "tool_name": tool,
        "tool_input": given,
    }
    if agent != "gemini":
        said["tool_use_id"] = call_id
    if agent == "cursor":
        said |= {"conversation_id": "session-1", "generation_id": "g", "workspace_roots": ["/srv/shop"]}
    if agent == "claude":
        said["permission_mode"] = "default"
    if agent == "codex":
        said |= {"turn_id": "t", "model": "m", "permission_mode": "default"}
    return said | more


def shell(agent: str, command: str, call_id: str = "call-1", **more: Any) -> dict[str, Any]:
    """The question before a shell command."""
    return question(agent, SHELL[agent], {"command": command}, call_id, **more)


def reading(agent: str, path: str, call_id: str = "call-1", **more: Any) -> dict[str, Any]:
    """The question before a file is read."""
    name = "path" if agent == "codex" else "file_path"
    return question(agent, READING[agent], {name: path}, call_id, **more)


def afterwards(asked: dict[str, Any], agent: str, response: Any, **more: Any) -> dict[str, Any]:
    """What an agent says after a call."""
    return asked | {"hook_event_name": _AFTER[agent], "tool_response": response} | more


def settings_of(agent: str, project: Path) -> Path:
    """Where a project's settings of an agent are."""
    name = "settings.json" if agent in {"claude", "gemini"} else "hooks.json"
    return project / f".{agent}" / name


def command_in(settings: Path, agent: str, *, after: bool = False) -> tuple[str, float]:
    """The command that an agent's settings name, and its time limit in seconds."""
    hooks = json.loads(settings.read_text())["hooks"]
    (entry,) = hooks[(_AFTER if after else _BEFORE)[agent]]
    inner = entry if agent == "cursor" else entry["hooks"][0]
    return inner["command"], inner["timeout"] / (1000 if agent == "gemini" else 1)


def call(command: str, body: bytes, limit_s: float = PATIENCE_S, **options: Any) -> Ended:
    """Call a hook as an agent does: its command in a shell, the question on its input, an end to its time."""
    hook = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )
    return ended(hook, body, limit_s)


def ended(hook: subprocess.Popen[bytes], body: bytes, limit_s: float = PATIENCE_S) -> Ended:
    """Write the question and wait for the end."""
    delivered = True
    try:
        hook.stdin.write(body)
        hook.stdin.flush()
    except BrokenPipeError:
        delivered = False
    try:
        out, err = hook.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        hook.kill()
        hook.communicate()
        return Ended(None, "", "", delivered)
    status = hook.returncode if hook.returncode >= 0 else None
    return Ended(status, out.decode(errors="replace"), err.decode(errors="replace"), delivered)
