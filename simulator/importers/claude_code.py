"""Transcripts of Claude Code: `~/.claude/projects`, a folder for each project, a file for each session.

The format is not documented by its maker; what is read here was seen in versions 1.0 to 2.1. Lines of other
kinds, and fields that are not named here, are passed over.
"""

import re
from pathlib import Path
from typing import Any, Final

from simulator.importers.conversations import PEOPLE_DECIDED, Call, Conversations, Reply, Speaker, arguments
from simulator.importers.files import Files, documents
from simulator.importers.shapes import items, table, text, time_us, words_of
from simulator.importers.source import Progress
from simulator.importers.summary import Summary
from simulator.importers.tools import Tools

FORMAT: Final = "claude-code"
PATTERNS: Final = ("*.jsonl",)
AGENT: Final = "claude-code"
_TURNED_DOWN: Final = ("The user doesn't want to proceed", "The user doesn't want to take this action")
_TOLD: Final = "User rejected"
_BLOCKED: Final = re.compile(r"PreToolUse:\S+ hook (?:error|blocking error|denied)")
_NOT_SAID: Final = (
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<system-reminder>",
    "<task-notification>",
    "Caveat: ",
)


def import_claude_code(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of one transcript, or of all in a folder. Raises `RecordingError`."""
    files = Files(path, *PATTERNS, progress=progress)
    with Conversations(
        format_name=FORMAT, agent=AGENT, unsafe_means=PEOPLE_DECIDED, tools=Tools("claude")
    ) as found:
        reader = _Reader(found)
        for source in files:
            for _, line in documents(source, found.oddities):
                reader.read(table(line))
        return found.write(out, files.origin(), rows=files.rows)


class _Reader:
    def __init__(self, found: Conversations) -> None:
        self._found = found
        self._seen: set[str] = set()

    def read(self, line: dict[str, Any]) -> None:
        kind, at_us = text(line.get("type")), time_us(line.get("timestamp"))
        if kind not in {"user", "assistant"} or at_us is None:
            return
        # A session that is resumed begins with what it had before.
        uuid = text(line.get("uuid"))
        if uuid and uuid in self._seen:
            return
        self._seen.add(uuid)
        session = text(line.get("sessionId")) or "unknown"
        content = table(line.get("message")).get("content")
        blocks = [content] if isinstance(content, str) else items(content)
        if kind == "assistant":
            self._spoke(session, at_us, blocks)
        else:
            self._heard(session, at_us, blocks, line)

    def _spoke(self, session: str, at_us: int, blocks: list[Any]) -> None:
        why = words_of([each for each in blocks if table(each).get("type") == "text"])
        self._found.say(session, at_us, "agent", why)
        for block in map(table, blocks):
            if block.get("type") == "tool_use":
                self._found.call(
                    Call(
                        conversation=session,
                        call_id=text(block.get("id")) or f"{at_us}",
                        at_us=at_us,
                        tool=text(block.get("name")),
                        args=arguments(block.get("input")),
                        why=why,
                    )
                )

    def _heard(self, session: str, at_us: int, blocks: list[Any], line: dict[str, Any]) -> None:
        # The person of a sub-agent is the agent that called it; a summary is written by a model.
        by_person = not (line.get("isSidechain") or line.get("isCompactSummary") or line.get("isMeta"))
        speaker: Speaker = "person" if by_person else "agent"
        for block in blocks:
            if isinstance(block, str) or table(block).get("type") == "text":
                said = words_of(block)
                if not line.get("isMeta") and not said.lstrip().startswith(_NOT_SAID):
                    self._found.say(session, at_us, speaker, said)
            elif table(block).get("type") == "tool_result":
                answer = words_of(block.get("content"))
                failed = block.get("is_error") is True
                told = text(line.get("toolUseResult"))
                self._found.reply(
                    Reply(
                        conversation=session,
                        call_id=text(block.get("tool_use_id")),
                        at_us=at_us,
                        text=answer,
                        ok=not failed,
                        blocked=failed and bool(_BLOCKED.match(answer)),
                        rejected=failed and (answer.startswith(_TURNED_DOWN) or told.startswith(_TOLD)),
                    )
                )
