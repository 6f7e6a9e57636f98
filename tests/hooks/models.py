"""A model on loopback that says what a test wants, in the words of three makers' APIs.

Real coding agents run against it with no account. It answers each turn of a conversation with the next line
of a script: calls of tools, or a text; when the script is over it says that it is done.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DONE = "Done."
MARK = "SUBAGENT"


@dataclass(frozen=True)
class Use:
    """One call of a tool that the model asks for."""

    tool: str
    input: dict[str, Any]
    text: str = ""
    """Where a tool takes a text instead, such as a patch."""
    space: str = ""
    """Codex names the tools of an MCP server within a space of its own."""


Turn = list[Use] | str | Callable[[dict[str, Any]], "Turn"]


@dataclass
class Model:
    """A scripted model. `with Model([...]) as model:`, and point an agent at `model.url`."""

    turns: list[Turn]
    between: Any = None
    """Called with the number of each turn before it is answered."""
    sub_turns: list[Turn] = field(default_factory=list)
    """What a sub-agent's model says: it is one that `MARK` was said to."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What it was asked, turn by turn."""
    strangers: list[str] = field(default_factory=list)
    """Every path that was asked for and that it does not know."""

    def __enter__(self) -> Self:
        model = self
        self._lock, self._next, self._sub_next = threading.Lock(), 0, 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                model.strangers.append(self.path)
                self._send(404, "application/json", b"{}")

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._send(*model.answer(self.path.partition("?")[0], body))

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sub_turns_taken(self) -> int:
        """How many turns sub-agents had."""
        return self._sub_next

    @property
    def told(self) -> str:
        """Everything the model was told in its last turn."""
        return json.dumps(self.asked[-1], ensure_ascii=False)

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Answer one request."""
        stream = "text/event-stream"
        asked = json.loads(body or b"{}")
        if path.endswith("/v1/messages"):
            turn = self._turn(asked, has_tools=bool(asked.get("tools")))
            return 200, stream, _events(_messages(turn), named=True)
        if path.endswith("/responses"):
            return 200, stream, _events(_responses(self._turn(asked)), named=True)
        if path.endswith(":streamGenerateContent"):
            turn = self._turn(asked, has_tools=bool(asked.get("tools")))
            return 200, stream, _events([_content(turn)])
        if path.endswith(":generateContent"):
            return 200, "application/json", json.dumps(_content("{}")).encode()
        if path.endswith((":countTokens", "/count_tokens")):
            return 200, "application/json", b'{"totalTokens": 1, "input_tokens": 1}'
        self.strangers.append(path)
        return 404, "application/json", b"{}"

    def _turn(self, asked: dict[str, Any], *, has_tools: bool = True) -> Turn:
        if not has_tools:
            # Titles and summaries: not a turn of the conversation.
            return DONE
        with self._lock:
            if self.sub_turns and MARK in _words_of_people(asked):
                nth, self._sub_next, turns = self._sub_next, self._sub_next + 1, self.sub_turns
            else:
                nth, self._next, turns = self._next, self._next + 1, self.turns
                self.asked.append(asked)
        if self.between is not None and turns is self.turns:
            self.between(nth)
        turn = turns[nth] if nth < len(turns) else DONE
        return turn(asked) if callable(turn) else turn


def heard(asked: dict[str, Any]) -> str:
    """What the tool that ran last, or was kept from it, answered: a model that repeats it as it stands."""
    last = ""
    for said in asked.get("messages") or asked.get("input") or asked.get("contents") or []:
        if said.get("type") == "function_call_output":
            last = str(said["output"])
        for part in [*(said.get("parts") or ()), *(said.get("content") or ())]:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "tool_result":
                last = str(part["content"])
            if "functionResponse" in part:
                response = part["functionResponse"]["response"]
                last = str(response.get("error") or response.get("output"))
    return last


def _words_of_people(asked: dict[str, Any]) -> str:
    """What the model was told in the part of a person: for a sub-agent, that is the agent that called it."""
    said = asked.get("messages") or asked.get("input") or asked.get("contents") or []
    return json.dumps([each for each in said if each.get("role") == "user"])


def _events(events: list[dict[str, Any]], *, named: bool = False) -> bytes:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events
    ]
    return "".join(lines).encode()


_count = iter(range(1, 1_000_000))


def _id(prefix: str) -> str:
    return f"{prefix}{next(_count):08}"


def _messages(turn: Turn) -> list[dict[str, Any]]:
    """Anthropic's Messages API."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {
        "id": _id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    if isinstance(turn, str):
        blocks = [({"type": "text", "text": ""}, {"type": "text_delta", "text": turn})]
    else:
        blocks = [
            (
                {"type": "tool_use", "id": _id("toolu_"), "name": use.tool, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(use.input)},
            )
            for use in turn
        ]
    for index, (block, delta) in enumerate(blocks):
        events += [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    stop = "end_turn" if isinstance(turn, str) else "tool_use"
    return [
        *events,
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]


def _responses(turn: Turn) -> list[dict[str, Any]]:
    """OpenAI's Responses API."""
    if isinstance(turn, str):
        content = [{"type": "output_text", "text": turn, "annotations": []}]
        items: list[dict[str, Any]] = [
            {"type": "message", "role": "assistant", "id": _id("msg_"), "content": content}
        ]
    else:
        items = [_response_item(use) for use in turn]
    response = {"id": _id("resp_"), "object": "response", "output": items, "status": "completed"}
    usage = {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    }
    return [
        {"type": "response.created", "response": response | {"output": [], "status": "in_progress"}},
        *[
            {"type": "response.output_item.done", "output_index": i, "item": each}
            for i, each in enumerate(items)
        ],
        {"type": "response.completed", "response": response | {"usage": usage}},
    ]


def _response_item(use: Use) -> dict[str, Any]:
    call = {"id": _id("fc_"), "call_id": _id("call_"), "name": use.tool, "status": "completed"}
    if use.space:
        call["namespace"] = use.space
    if use.text:
        return call | {"type": "custom_tool_call", "input": use.text}
    return call | {"type": "function_call", "arguments": json.dumps(use.input)}


def _content(turn: Turn) -> dict[str, Any]:
    """Google's generateContent API."""
    if isinstance(turn, str):
        parts: list[dict[str, Any]] = [{"text": turn}]
    else:
        parts = [{"functionCall": {"name": use.tool, "args": use.input}} for use in turn]
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        "modelVersion": "scripted",
    }
