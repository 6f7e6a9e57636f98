"""Sessions of Codex: `~/.codex/sessions`, a file `rollout-….jsonl` for each.

Read as versions 0.20 to 0.171 wrote them, and the older lines without an envelope. Lines of other kinds, and
fields that are not named here, are passed over.
"""

import re
import shlex
from pathlib import Path
from typing import Any, Final

from simulator.importers.conversations import PEOPLE_DECIDED, Call, Conversations, Reply, arguments
from simulator.importers.files import Files, documents
from simulator.importers.lenient_json import parse
from simulator.importers.shapes import at, items, table, text, time_us, words_of
from simulator.importers.source import Progress
from simulator.importers.summary import Summary
from simulator.importers.tools import Tools

FORMAT: Final = "codex"
PATTERNS: Final = ("*.jsonl",)
AGENT: Final = "codex"
_NOT_SAID: Final = (
    "<environment_context>",
    "<user_instructions>",
    "<turn_aborted>",
    "# AGENTS.md",
    "<permissions",
    "<subagent_notification>",
)
_TURNED_DOWN: Final = ("rejected by user", "denied by user", "declined by user")
_BLOCKED: Final = re.compile(r"(?:Command|Tool call) blocked by PreToolUse hook: ")
_BY_PERSON: Final = "user."
"""What the kinds of a message's parts begin with that a person wrote; newer versions name them."""
_CODE: Final = re.compile(r"^(?:Exit code:|Process exited with code)\s*(-?\d+)", re.MULTILINE)
_SHELLS: Final = {"bash", "sh", "zsh", "/bin/bash", "/bin/sh", "/bin/zsh"}
_SHELL_ARGUMENTS: Final = 3
_HOOKED: Final = dict.fromkeys(
    ("shell", "exec_command", "shell_command", "local_shell", "container.exec"), "Bash"
)
"""What its hook calls tools that have other names in its log."""


def import_codex(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of one session, or of all in a folder. Raises `RecordingError`."""
    files = Files(path, *PATTERNS, progress=progress)
    with Conversations(
        format_name=FORMAT, agent=AGENT, unsafe_means=PEOPLE_DECIDED, tools=Tools("codex")
    ) as found:
        for source in files:
            reader = _Reader(found, source.path.stem)
            for _, line in documents(source, found.oddities):
                reader.read(table(line))
        return found.write(out, files.origin(), rows=files.rows)


class _Reader:
    """Reads one session."""

    def __init__(self, found: Conversations, name: str) -> None:
        self._found, self._session = found, name
        self._at_us: int | None = None
        self._why = ""
        self._is_sub_agent = False

    def read(self, line: dict[str, Any]) -> None:
        self._at_us = time_us(line.get("timestamp")) or self._at_us
        if line.get("type") == "session_meta" or "instructions" in line:
            meta = table(line.get("payload"))
            # A sub-agent has a file of its own, and names the session that it works for.
            named = (text(each) for each in (meta.get("session_id"), meta.get("id"), line.get("id")))
            self._session = next(filter(None, named), self._session)
            self._is_sub_agent = at(meta, "source", "subagent") is not None
            return
        item = table(line.get("payload")) if line.get("type") == "response_item" else line
        read = _KINDS.get(text(item.get("type")))
        if read is not None and self._at_us is not None:
            read(self, item, self._at_us)

    def message(self, item: dict[str, Any], at_us: int) -> None:
        said, role = words_of(item.get("content")), item.get("role")
        if role == "assistant":
            self._why = said
            self._found.say(self._session, at_us, "agent", said)
        elif role == "user" and not said.lstrip().startswith(_NOT_SAID):
            kinds = items(at(item, "internal_chat_message_metadata_passthrough", "content_item_kinds"))
            # The person of a sub-agent is the agent that called it.
            by_person = not self._is_sub_agent and all(text(kind).startswith(_BY_PERSON) for kind in kinds)
            self._found.say(self._session, at_us, "person" if by_person else "agent", said)

    def called(self, item: dict[str, Any], at_us: int) -> None:
        given = item.get("arguments") if "arguments" in item else item.get("input")
        self._call(item, at_us, text(item.get("name")), arguments(given))

    def shell(self, item: dict[str, Any], at_us: int) -> None:
        self._call(item, at_us, "shell", table(item.get("action")))

    def answered(self, item: dict[str, Any], at_us: int) -> None:
        said, ok = _outcome(item.get("output"))
        self._found.reply(
            Reply(
                conversation=self._session,
                call_id=text(item.get("call_id")),
                at_us=at_us,
                text=said,
                ok=ok,
                rejected=any(phrase in said[:200] for phrase in _TURNED_DOWN),
                blocked=bool(_BLOCKED.match(said)),
            )
        )

    def _call(self, item: dict[str, Any], at_us: int, tool: str, args: dict[str, Any]) -> None:
        call_id = text(item.get("call_id")) or text(item.get("id")) or f"{at_us}"
        self._found.call(
            Call(
                conversation=self._session,
                call_id=call_id,
                at_us=at_us,
                tool=_HOOKED.get(tool, tool),
                args=_as_hooked(tool, args),
                why=self._why,
            )
        )
        self._why = ""


_KINDS: Final = {
    "message": _Reader.message,
    "function_call": _Reader.called,
    "custom_tool_call": _Reader.called,
    "local_shell_call": _Reader.shell,
    "function_call_output": _Reader.answered,
    "custom_tool_call_output": _Reader.answered,
}


def _as_hooked(tool: str, args: dict[str, Any]) -> dict[str, Any]:
    """Write arguments as a hook gets them: a command as the one text that a shell would get."""
    if tool == "apply_patch":
        return {"command": args.get("input", "")}
    command = args.get("command", args.get("cmd"))
    if isinstance(command, list) and all(isinstance(each, str) for each in command):
        is_shell = len(command) == _SHELL_ARGUMENTS and command[0] in _SHELLS and command[1] in {"-c", "-lc"}
        command = command[2] if is_shell else shlex.join(command)
    if not isinstance(command, str):
        return args
    return {"command": command} | {key: value for key, value in args.items() if key not in {"command", "cmd"}}


def _outcome(output: Any) -> tuple[str, bool]:
    """Read what a call returned and whether it went well: the code stands in it, in one of three ways."""
    if isinstance(output, str):
        try:
            inner = parse(output)
        except ValueError:
            inner = None
        if not (isinstance(inner, dict) and "output" in inner):
            code = _CODE.search(output[:2_000])
            return output, code is None or code[1] == "0"
        output = inner
    if isinstance(output, dict):
        said = words_of(output.get("output", output.get("content")))
        code = at(output, "metadata", "exit_code")
        return said, output.get("success") is not False and (code is None or code == 0)
    return words_of(items(output)), True
