"""Traces of agents as their observers export them: a tool call is one span, with its start, end and result.

Four kinds, told apart by their fields: the OpenAI Agents SDK (`trace.span` objects), OpenTelemetry (OTLP as
JSON, with the GenAI conventions 1.28 to 1.41), LangSmith (runs) and Langfuse (observations, of the API, the
page and the blob export). Spans of other kinds, and fields not named here, are passed over.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from simulator.importers.conversations import Call, Conversations, Reply, Speaker, arguments
from simulator.importers.files import Files, documents
from simulator.importers.lenient_json import parse
from simulator.importers.shapes import at, first, items, table, text, time_us, words_of
from simulator.importers.source import Progress
from simulator.importers.summary import Summary

PATTERNS: Final = ("*.jsonl", "*.json")


class Span(Struct, frozen=True, kw_only=True):
    """One tool call as it was observed."""

    conversation: str
    span_id: str
    tool: str
    args: dict[str, Any]
    start_us: int
    end_us: int
    agent: str = ""
    result: str = ""
    error: str = ""


class Words(Struct, frozen=True, kw_only=True):
    """A message that was observed, perhaps with each turn again."""

    conversation: str
    at_us: int
    speaker: Speaker
    text: str


Seen = Span | Words


def import_openai_agents(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of traces of the OpenAI Agents SDK. Raises `RecordingError`."""
    return _import("openai-agents", path, out, progress, _openai_agents)


def import_otel(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of OpenTelemetry spans. Raises `RecordingError`."""
    return _import("otel", path, out, progress, _otel)


def import_langsmith(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of LangSmith runs. Raises `RecordingError`."""
    return _import("langsmith", path, out, progress, _langsmith)


def import_langfuse(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of Langfuse observations. Raises `RecordingError`."""
    return _import("langfuse", path, out, progress, _langfuse)


def _import(
    format_name: str,
    path: Path,
    out: Path,
    progress: Progress | None,
    read: Callable[[dict[str, Any]], Iterator[Seen]],
) -> Summary:
    files = Files(path, *PATTERNS, progress=progress)
    with Conversations(format_name=format_name, agent="agent") as found:
        said: set[tuple[str, str, int]] = set()
        for source in files:
            for _, document in documents(source, found.oddities):
                for seen in read(table(document)):
                    _take(found, seen, said)
        return found.write(out, files.origin(), rows=files.rows)


def _take(found: Conversations, seen: Seen, said: set[tuple[str, str, int]]) -> None:
    if isinstance(seen, Words):
        # Each turn is observed with all that was said before it.
        key = (seen.conversation, seen.speaker, hash(seen.text))
        if key not in said:
            said.add(key)
            found.say(seen.conversation, seen.at_us, seen.speaker, seen.text)
        return
    found.call(
        Call(
            conversation=seen.conversation,
            call_id=seen.span_id,
            at_us=seen.start_us,
            tool=seen.tool,
            args=seen.args,
            agent=seen.agent,
        )
    )
    found.reply(
        Reply(
            conversation=seen.conversation,
            call_id=seen.span_id,
            at_us=max(seen.start_us, seen.end_us),
            text=seen.error or seen.result,
            ok=not seen.error,
        )
    )


# ---------------------------------------------------------------- OpenAI Agents SDK


def _openai_agents(document: dict[str, Any]) -> Iterator[Seen]:
    # What is sent to the server is a list under `data`.
    for item in map(table, items(document.get("data")) or [document]):
        data, start_us = table(item.get("span_data")), time_us(item.get("started_at"))
        if item.get("object") != "trace.span" or start_us is None:
            continue
        trace = text(item.get("trace_id")) or "unknown"
        if data.get("type") == "function":
            yield Span(
                conversation=trace,
                span_id=text(item.get("id")),
                tool=text(data.get("name")),
                args=arguments(data.get("input")),
                start_us=start_us,
                end_us=time_us(item.get("ended_at")) or start_us,
                result=words_of(data.get("output")),
                error=_message_of(item.get("error")),
            )
        elif data.get("type") == "generation":
            yield from _chat(trace, start_us, data.get("input"))


# ---------------------------------------------------------------- OpenTelemetry


def _otel(document: dict[str, Any]) -> Iterator[Seen]:
    for resource in map(table, items(first(document, "resourceSpans", "resource_spans"))):
        service = text(_attributes(table(resource.get("resource"))).get("service.name"))
        for scope in map(table, items(first(resource, "scopeSpans", "scope_spans"))):
            for span in map(table, items(scope.get("spans"))):
                yield from _otel_span(span, service)


def _otel_span(span: dict[str, Any], service: str) -> Iterator[Seen]:
    values = _attributes(span)
    start_us = time_us(first(span, "startTimeUnixNano", "start_time_unix_nano"))
    if start_us is None:
        return
    conversation = text(values.get("gen_ai.conversation.id")) or text(first(span, "traceId", "trace_id"))
    operation = text(values.get("gen_ai.operation.name"))
    tool = text(values.get("gen_ai.tool.name"))
    if operation == "execute_tool" or (tool and not operation):
        status = table(span.get("status"))
        failed = str(status.get("code")) in {"2", "STATUS_CODE_ERROR"}
        yield Span(
            conversation=conversation or "unknown",
            span_id=text(first(span, "spanId", "span_id")),
            tool=tool or text(span.get("name")).removeprefix("execute_tool "),
            args=arguments(values.get("gen_ai.tool.call.arguments")),
            start_us=start_us,
            end_us=time_us(first(span, "endTimeUnixNano", "end_time_unix_nano")) or start_us,
            agent=text(values.get("gen_ai.agent.name")) or service,
            result=_words(values.get("gen_ai.tool.call.result")),
            error=(text(status.get("message")) or text(values.get("error.type")) or "failed")
            if failed
            else "",
        )
    elif operation in {"chat", "generate_content", "text_completion", "invoke_agent"}:
        yield from _chat(
            conversation or "unknown", start_us, _structured(values.get("gen_ai.input.messages"))
        )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    """Read a list of keys and typed values; some exporters write a plain object."""
    found = holder.get("attributes")
    if isinstance(found, dict):
        return found
    return {text(each.get("key")): _value(each.get("value")) for each in map(table, items(found))}


def _value(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind == "arrayValue":
        return [_value(each) for each in items(table(inner).get("values"))]
    if kind == "kvlistValue":
        pairs = map(table, items(table(inner).get("values")))
        return {text(each.get("key")): _value(each.get("value")) for each in pairs}
    return inner


# ---------------------------------------------------------------- LangSmith


def _langsmith(document: dict[str, Any]) -> Iterator[Seen]:
    for run in map(table, items(document.get("runs")) or [document]):
        start_us = time_us(run.get("start_time"))
        if start_us is None:
            continue
        metadata = table(at(run, "extra", "metadata"))
        thread = first(metadata, "thread_id", "session_id", "conversation_id")
        conversation = text(thread) or text(run.get("trace_id")) or text(run.get("id")) or "unknown"
        inputs = _structured(run.get("inputs"))
        if run.get("run_type") == "tool":
            yield Span(
                conversation=conversation,
                span_id=text(run.get("id")),
                tool=text(run.get("name")),
                args=_tool_inputs(inputs),
                start_us=start_us,
                end_us=time_us(run.get("end_time")) or start_us,
                agent=text(first(metadata, "lc_agent_name", "agent_name")),
                result=_words(_structured(run.get("outputs"))),
                error=text(run.get("error")),
            )
        elif text(run.get("run_type")) in {"llm", "chat_model"}:
            yield from _chat(conversation, start_us, table(inputs).get("messages"))
        for child in items(run.get("child_runs")):
            yield from _langsmith(table(child))


def _tool_inputs(inputs: Any) -> dict[str, Any]:
    """Take the arguments out of the envelope that older tracers put around them."""
    found = table(inputs)
    if set(found) == {"input"}:
        inner = found["input"]
        # Written by Python's repr, not as JSON, where a tool took an object.
        return arguments(inner)
    return arguments(inputs)


# ---------------------------------------------------------------- Langfuse


def _langfuse(document: dict[str, Any]) -> Iterator[Seen]:
    inner = first(document, "observations", "data")
    trace = document if isinstance(inner, list) else {}
    for row in map(table, items(inner) or [document]):
        start_us = time_us(first(row, "startTime", "start_time"))
        if start_us is None:
            continue
        session = first(row, "sessionId", "session_id") or first(trace, "sessionId", "session_id")
        conversation = text(session) or text(first(row, "traceId", "trace_id")) or "unknown"
        kind = text(row.get("type")).upper()
        if kind == "TOOL":
            failed = text(row.get("level")).upper() == "ERROR"
            yield Span(
                conversation=conversation,
                span_id=text(row.get("id")),
                tool=text(row.get("name")),
                args=arguments(row.get("input")),
                start_us=start_us,
                end_us=time_us(first(row, "endTime", "end_time")) or start_us,
                agent=text(first(row, "traceName", "trace_name")) or text(trace.get("name")),
                result=_words(_structured(row.get("output"))),
                error=(text(first(row, "statusMessage", "status_message")) or "failed") if failed else "",
            )
        elif kind == "GENERATION":
            given = _structured(row.get("input"))
            yield from _chat(conversation, start_us, table(given).get("messages", given))


# ---------------------------------------------------------------- what they share


def _chat(conversation: str, at_us: int, messages: Any) -> Iterator[Words]:
    """Yield what people said: tools are heard where their own spans end."""
    for message in items(messages):
        if isinstance(message, list):
            yield from _chat(conversation, at_us, message)
            continue
        found = table(message)
        said = table(found.get("kwargs")) or found
        kind = (items(found.get("id")) or [first(said, "role", "type")])[-1]
        if text(kind) in {"user", "human", "HumanMessage"}:
            spoken = words_of(first(said, "content", "parts"))
            yield Words(conversation=conversation, at_us=at_us, speaker="person", text=spoken)


def _structured(value: Any) -> Any:
    """Read what is written as the text of JSON, where it is."""
    if isinstance(value, str):
        try:
            return parse(value)
        except ValueError:
            return value
    return value


def _words(value: Any) -> str:
    return words_of(value) or ("" if value is None else str(value))


def _message_of(error: Any) -> str:
    if error is None:
        return ""
    return text(table(error).get("message")) or str(error)
