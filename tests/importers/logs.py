"""One small story in the format of each log: a person asks, a file is read, a command fails."""

import json

SECRET = "AKIA" + "QWERTYUIOPASDFGH"


def lines(records):
    """Write records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _claude(kind, second, content, **more):
    return {
        "type": kind,
        "uuid": f"{kind}-{second}",
        "parentUuid": None,
        "sessionId": "s-1",
        "timestamp": f"2026-03-01T10:00:{second:02}.000Z",
        "version": "2.1.0",
        "cwd": "/work",
        "message": {"role": kind, "content": content},
    } | more


CLAUDE = [
    {"type": "summary", "summary": "a title", "leafUuid": "x"},
    _claude("user", 0, "tidy up the build folder"),
    _claude(
        "assistant",
        1,
        [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "I look first."},
            {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "notes.txt"}},
        ],
    ),
    _claude("user", 2, [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "the disk is full"}]),
    _claude(
        "assistant",
        3,
        [{"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {"command": "rm -r build"}}],
    ),
    _claude(
        "user",
        4,
        [
            {
                "type": "tool_result",
                "tool_use_id": "toolu_2",
                "is_error": True,
                "content": "rm: no such folder",
            }
        ],
    ),
]


def _codex(second, kind, **payload):
    return {"timestamp": f"2026-03-01T10:00:{second:02}Z", "type": kind, "payload": payload}


def _said(second, role, text):
    return _codex(
        second, "response_item", type="message", role=role, content=[{"type": "input_text", "text": text}]
    )


CODEX = [
    _codex(0, "session_meta", id="s-1", cwd="/work", cli_version="0.65.0"),
    _said(0, "user", "<environment_context>\n  <cwd>/work</cwd>\n</environment_context>"),
    _said(1, "user", "tidy up the build folder"),
    _codex(1, "event_msg", type="user_message", message="tidy up the build folder"),
    _codex(2, "response_item", type="reasoning", summary=[], encrypted_content="x"),
    _codex(
        3,
        "response_item",
        type="function_call",
        name="view_image",
        call_id="c1",
        arguments='{"path": "notes.txt"}',
    ),
    _codex(4, "response_item", type="function_call_output", call_id="c1", output="the disk is full"),
    _codex(
        5,
        "response_item",
        type="local_shell_call",
        call_id="c2",
        status="completed",
        action={"type": "exec", "command": ["bash", "-lc", "rm -r build"]},
    ),
    _codex(
        6,
        "response_item",
        type="function_call_output",
        call_id="c2",
        output='{"output": "rm: no such folder", "metadata": {"exit_code": 1}}',
    ),
]


def _openai(number, second, data, **more):
    return {
        "object": "trace.span",
        "id": f"span_{number}",
        "trace_id": "trace_1",
        "parent_id": None,
        "started_at": f"2026-03-01T10:00:{second:02}+00:00",
        "ended_at": f"2026-03-01T10:00:{second + 1:02}+00:00",
        "span_data": data,
        "error": None,
    } | more


OPENAI = [
    {"object": "trace", "id": "trace_1", "workflow_name": "tidy", "group_id": None, "metadata": None},
    _openai(
        1,
        0,
        {
            "type": "generation",
            "model": "m",
            "input": [
                {"role": "system", "content": "be good"},
                {"role": "user", "content": "tidy up the build folder"},
            ],
        },
    ),
    _openai(
        2,
        1,
        {
            "type": "function",
            "name": "read_file",
            "input": '{"path": "notes.txt"}',
            "output": "the disk is full",
        },
    ),
    _openai(
        3,
        4,
        {"type": "function", "name": "shell", "input": '{"command": "rm -r build"}', "output": None},
        error={"message": "rm: no such folder", "data": {}},
    ),
]


def _typed(value):
    return {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}


def _otel(number, second, attributes, **more):
    start = 1_772_359_200 + second
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": f"eee19b7ec3c1b17{number}",
        "name": "a span",
        "startTimeUnixNano": f"{start}000000000",
        "endTimeUnixNano": f"{start + 1}000000000",
        "attributes": [{"key": key, "value": _typed(value)} for key, value in attributes.items()],
    } | more


_MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "tidy up the build folder"}]}])
OTEL = [
    {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "tidier"}}]},
                "scopeSpans": [
                    {
                        "scope": {"name": "x"},
                        "spans": [
                            _otel(
                                1, 0, {"gen_ai.operation.name": "chat", "gen_ai.input.messages": _MESSAGES}
                            ),
                            _otel(
                                2,
                                1,
                                {
                                    "gen_ai.operation.name": "execute_tool",
                                    "gen_ai.tool.name": "read_file",
                                    "gen_ai.tool.call.arguments": '{"path": "notes.txt"}',
                                    "gen_ai.tool.call.result": "the disk is full",
                                },
                            ),
                            _otel(
                                3,
                                4,
                                {
                                    "gen_ai.operation.name": "execute_tool",
                                    "gen_ai.tool.name": "shell",
                                    "gen_ai.tool.call.arguments": '{"command": "rm -r build"}',
                                },
                                status={"code": 2, "message": "rm: no such folder"},
                            ),
                        ],
                    }
                ],
            }
        ]
    }
]


def _langsmith(number, second, kind, name, inputs, **more):
    return {
        "id": f"run-{number}",
        "trace_id": "trace-1",
        "run_type": kind,
        "name": name,
        "inputs": inputs,
        "outputs": None,
        "error": None,
        "start_time": f"2026-03-01T10:00:{second:02}.000000",
        "end_time": f"2026-03-01T10:00:{second + 1:02}.000000",
    } | more


LANGSMITH = [
    _langsmith(
        1,
        0,
        "llm",
        "ChatModel",
        {
            "messages": [
                [
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "schema", "messages", "HumanMessage"],
                        "kwargs": {"content": "tidy up the build folder"},
                    }
                ]
            ]
        },
    ),
    _langsmith(2, 1, "tool", "read_file", {"path": "notes.txt"}, outputs={"output": "the disk is full"}),
    _langsmith(3, 4, "tool", "shell", {"input": '{"command": "rm -r build"}'}, error="rm: no such folder"),
]


def _langfuse(number, second, kind, name, given, **more):
    return {
        "id": f"obs-{number}",
        "traceId": "trace-1",
        "type": kind,
        "name": name,
        "input": given,
        "output": None,
        "level": "DEFAULT",
        "startTime": f"2026-03-01 10:00:{second:02}.000000",
        "endTime": f"2026-03-01 10:00:{second + 1:02}.000000",
    } | more


LANGFUSE = [
    _langfuse(1, 0, "GENERATION", "chat", [{"role": "user", "content": "tidy up the build folder"}]),
    _langfuse(2, 1, "TOOL", "read_file", {"path": "notes.txt"}, output="the disk is full"),
    _langfuse(
        3,
        4,
        "TOOL",
        "shell",
        '{"command": "rm -r build"}',
        level="ERROR",
        statusMessage="rm: no such folder",
    ),
]
