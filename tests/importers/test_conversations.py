"""Agents' own logs, of Claude Code, Codex and four observers: what is in them, and what they may hold."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.vocabulary import facts as f
from engine.errors import InputError, RecordingError
from simulator.importers import FORMATS, import_source
from simulator.importers.shapes import time_us, words_of
from simulator.recording import Recording
from simulator.sources import open_source
from tests.importers.logs import CLAUDE, CODEX, LANGFUSE, LANGSMITH, OPENAI, OTEL, SECRET, lines

AGENTS = {
    "claude-code": CLAUDE,
    "codex": CODEX,
    "openai-agents": OPENAI,
    "otel": OTEL,
    "langsmith": LANGSMITH,
    "langfuse": LANGFUSE,
}


@pytest.fixture
def taken(tmp_path):
    """Import records of a format; return what it says of itself, and its recording."""

    def make(format_name, records, name="log.jsonl"):
        path = tmp_path / name
        path.write_bytes(records if isinstance(records, bytes) else lines(records))
        summary = import_source(format_name, path, tmp_path / "a.wkr")
        return summary, Recording(tmp_path / "a.wkr")

    return make


def told(recording):
    """The facts in a form that is easy to compare."""
    return [_short(fact) for _, fact in recording.facts()]


def _short(fact):
    match fact:
        case f.MessageObserved():
            return (fact.source, fact.text)
        case f.ProposalReceived():
            return ("call", fact.proposal.action, fact.proposal.args)
        case f.OutcomeReported():
            return ("ok" if fact.ok else "failed", fact.action)
        case f.EpisodeClosed():
            return ("closed", fact.episode)
    return fact


@pytest.mark.parametrize("format_name", AGENTS)
def test_every_log_becomes_the_same_story(taken, format_name):
    """One story, told in six formats: a person asks, a file is read, a command fails."""
    _, recording = taken(format_name, AGENTS[format_name])
    story = [each for each in told(recording) if each[0] not in {"agent", "closed"}]
    assert [each[0] for each in story] == ["person", "call", "tool", "ok", "call", "tool", "failed"]
    assert story[0] == ("person", "tidy up the build folder")
    assert story[1][2]["path"] == "notes.txt"
    assert story[4][2]["command"] == "rm -r build"
    facts = [fact for _, fact in recording.facts()]
    assert [fact.at_us for fact in facts] == sorted(fact.at_us for fact in facts)
    assert isinstance(facts[-1], f.EpisodeClosed)


@pytest.mark.parametrize("format_name", AGENTS)
def test_secrets_of_a_log_are_in_no_byte_of_the_recording(taken, tmp_path, format_name):
    text = json.dumps(AGENTS[format_name]).replace("notes.txt", f"/tmp/{SECRET}").replace("is full", SECRET)
    _, recording = taken(format_name, json.loads(text))
    found = b"\n".join(f.encode(fact) for _, fact in recording.facts())
    assert b"[redacted: aws key]" in found
    assert SECRET.encode() not in found
    assert not any(SECRET in str(label) for label in recording.labels())


@pytest.mark.parametrize("format_name", AGENTS)
def test_what_was_imported_can_be_replayed_from_its_name(tmp_path, format_name):
    folder = tmp_path / "logs" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    (folder / "one.jsonl").write_bytes(lines(AGENTS[format_name]))
    first = open_source(f"{format_name}:{tmp_path / 'logs'}", tmp_path / "cache")
    assert first.footer.kinds["proposal_received"] == 2
    again = open_source(f"{format_name}:{tmp_path / 'logs'}", tmp_path / "cache")
    assert again.path == first.path
    (folder / "one.jsonl").write_bytes(lines(AGENTS[format_name]) + b"\n")
    assert open_source(f"{format_name}:{tmp_path / 'logs'}", tmp_path / "cache").path != first.path


def test_a_call_that_a_person_turned_down_never_ran_and_is_labelled(taken):
    turned_down = [
        *CLAUDE[:-1],
        CLAUDE[-1]
        | {
            "toolUseResult": "User rejected tool use",
            "message": {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_2",
                        "is_error": True,
                        "content": "The user doesn't want to proceed with this tool use.",
                    }
                ],
            },
        },
    ]
    _, recording = taken("claude-code", turned_down)
    assert [each for each in told(recording) if each[0] == "failed"] == []
    assert [label.unsafe for label in recording.labels() if hasattr(label, "unsafe")] == [False, True]


def test_a_session_that_was_resumed_counts_once(taken):
    summary, recording = taken("claude-code", [*CLAUDE, *CLAUDE])
    assert summary.kinds["proposal_received"] == 2
    assert len(told(recording)) == len(told(taken("claude-code", CLAUDE, "again.jsonl")[1]))


def test_what_a_sub_agent_is_told_is_not_what_a_person_said(taken):
    _, recording = taken("claude-code", [line | {"isSidechain": True} for line in CLAUDE])
    assert not [each for each in told(recording) if each[0] == "person"]


def test_what_codex_tells_its_sub_agent_is_not_what_a_person_said(taken):
    meta, *rest = CODEX
    below = meta | {
        "payload": {"id": "s-2", "session_id": "s-1", "source": {"subagent": {"thread_spawn": {}}}}
    }
    _, recording = taken("codex", [below, *rest])
    assert not [each for each in told(recording) if each[0] == "person"]
    assert ("closed", "codex/s-1") in told(recording)


def test_a_notice_that_codex_puts_in_a_persons_place_is_not_what_a_person_said(taken):
    notice = {
        "timestamp": "2026-03-01T10:00:01Z",
        "type": "response_item",
        "payload": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "a sub-agent is done: pay 7"}],
            "internal_chat_message_metadata_passthrough": {
                "content_item_kinds": ["multi_agent.notification"]
            },
        },
    }
    _, recording = taken("codex", [*CODEX, notice])
    assert [each[1] for each in told(recording) if each[0] == "person"] == ["tidy up the build folder"]


@pytest.mark.parametrize("format_name", ["claude-code", "codex"])
def test_a_call_that_a_hook_blocked_is_no_failure(taken, format_name):
    said = {
        "claude-code": "PreToolUse:Bash hook error: not today",
        "codex": "Command blocked by PreToolUse hook: not today. Command: rm -r build",
    }[format_name]
    last = json.loads(json.dumps(AGENTS[format_name][-1]))
    if format_name == "codex":
        last["payload"]["output"] = said
    else:
        last["message"]["content"][0]["content"] = said
    summary, recording = taken(format_name, [*AGENTS[format_name][:-1], last])
    assert not [each for each in told(recording) if each[0] == "failed"]
    assert [label.unsafe for label in recording.labels() if hasattr(label, "unsafe")] == [False, False]
    assert any("a hook blocked" in each for each in summary.warnings)


def test_a_command_is_the_text_a_shell_gets_however_codex_wrote_it(taken):
    def call(name, number, **args):
        payload = {
            "type": "function_call",
            "name": name,
            "call_id": f"c{number}",
            "arguments": json.dumps(args),
        }
        return {"timestamp": f"2026-03-01T10:00:0{number}Z", "type": "response_item", "payload": payload}

    _, recording = taken(
        "codex",
        [
            call("shell", 1, command=["bash", "-lc", "ls | wc"], workdir="/w"),
            call("shell", 2, command=["grep", "a b", "x"]),
            call("exec_command", 3, cmd="make"),
        ],
    )
    commands = [each[2]["command"] for each in told(recording) if each[0] == "call"]
    assert commands == ["ls | wc", "grep 'a b' x", "make"]


def test_calls_are_proposed_as_the_hooks_would(taken):
    _, recording = taken("claude-code", CLAUDE)
    asked = [fact.proposal for _, fact in recording.facts() if isinstance(fact, f.ProposalReceived)]
    assert [(each.action, each.capability, each.confidence) for each in asked] == [
        ("tool.read", "claude-code@1", None),
        ("tool.shell", "claude-code@1", 0.8),
    ]
    assert {action.name for action in recording.header.actions} == {"tool.read", "tool.shell"}


def test_a_line_that_a_crash_cut_is_counted_and_the_rest_is_taken(taken):
    summary, _ = taken("claude-code", lines(CLAUDE) + b'{"type": "assis')
    assert summary.kinds["proposal_received"] == 2
    assert any("not JSON" in warning for warning in summary.warnings)


def test_a_document_over_several_lines_is_read_as_one(taken):
    summary, _ = taken("langfuse", json.dumps({"observations": LANGFUSE}, indent=2).encode(), "trace.json")
    assert summary.kinds["proposal_received"] == 2


@pytest.mark.parametrize("format_name", AGENTS)
def test_what_is_no_json_is_refused_and_leaves_nothing(taken, tmp_path, format_name):
    with pytest.raises(RecordingError, match="not JSON"):
        taken(format_name, b"hello\nworld\n")
    assert not (tmp_path / "a.wkr").exists()


def test_an_empty_folder_says_what_it_looked_for(tmp_path):
    with pytest.raises(RecordingError, match=r"no \*.jsonl"):
        import_source("claude-code", tmp_path, tmp_path / "a.wkr")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def disturbed(record, data):
    """A record of which any one value, at any depth, is something else."""
    text = json.dumps(record)
    places = [place for place in range(len(text)) if text[place] in '{["']
    place = data.draw(st.sampled_from(places))
    decoder = json.JSONDecoder()
    try:
        _, end = decoder.raw_decode(text, place)
        return json.loads(text[:place] + json.dumps(data.draw(JSON)) + text[end:])
    except ValueError:
        return record


@pytest.mark.parametrize("format_name", AGENTS)
@settings(max_examples=60)
@given(data=st.data())
def test_no_shape_of_a_record_makes_a_reader_fail(tmp_path_factory, format_name, data):
    records = [disturbed(record, data) for record in AGENTS[format_name]]
    folder = tmp_path_factory.mktemp("logs")
    (folder / "log.jsonl").write_bytes(lines([*records, data.draw(JSON)]))
    import_source(format_name, folder / "log.jsonl", folder / "a.wkr")
    Recording(folder / "a.wkr").verify()


def test_times_are_read_in_every_usual_unit():
    second = 1_767_225_600
    for value in (second, second * 1000, second * 10**6, second * 10**9, str(second * 10**9), "2026-01-01"):
        assert time_us(value) == second * 10**6
    for value in (None, True, "soon", float("nan"), -1, {}, "9" * 30, "99999-01-01"):
        assert time_us(value) is None


def test_words_are_found_in_every_way_a_message_is_written():
    assert words_of("a") == words_of(["a"]) == words_of([{"type": "text", "text": "a"}]) == "a"
    assert words_of({"content": [{"text": "a"}]}) == "a"
    assert words_of([{"type": "image", "source": {}}, None, 3]) == ""


def test_every_format_says_what_it_reads():
    assert all(importer.summary for importer in FORMATS.values())


def test_names_of_files_need_be_no_text(tmp_path):
    odd = os.fsdecode(b"\xff\xfe")
    (tmp_path / "logs" / odd).mkdir(parents=True)
    (tmp_path / "logs" / odd / f"{odd}.jsonl").write_bytes(lines(CLAUDE) + b"cut off by a cra\n")
    (tmp_path / "cache").mkdir()
    found = open_source(f"claude-code:{tmp_path / 'logs'}", tmp_path / "cache")
    assert len(told(found)) > 2
    # What is named itself stands in every report.
    for each in (odd, f"{odd}/{odd}.jsonl"):
        with pytest.raises(InputError, match="no text"):
            open_source(f"claude-code:{tmp_path / 'logs' / each}", tmp_path / "cache")
