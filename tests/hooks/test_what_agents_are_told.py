"""What each agent is told, and what it makes of it."""

import json

import pytest

from engine.core.vocabulary.facts import HoldEnded
from tests.hooks.agents_at_work import (
    AGENTS,
    afterwards,
    call,
    command_in,
    question,
    read_claude,
    reading,
    settings_of,
    shell,
)

ASKING = {"claude": "asks"}


@pytest.mark.parametrize("agent", AGENTS)
def test_what_policy_allows_runs(project, agent):
    assert project.reads(agent, shell(agent, "ls -l")) == "runs"
    assert project.reads(agent, reading(agent, "/srv/shop/notes.md", "call-2")) == "runs"
    assert [(each.word, each.action) for each in project.verdicts()] == [
        ("allow", "tool.shell"),
        ("allow", "tool.read"),
    ]
    assert {each.episode for each in project.verdicts()} == {"session-1"}


@pytest.mark.parametrize("agent", AGENTS)
def test_what_policy_denies_is_blocked_with_the_reason(project, agent):
    ended = project.ask(agent, shell(agent, "rm -rf /"))
    assert project.reads(agent, shell(agent, "rm -rf /", "call-2")) == "blocked"
    assert "removes a root or home folder" in ended.out
    assert "denied (d_" in ended.out


@pytest.mark.parametrize("agent", AGENTS)
def test_a_tool_nobody_knows_waits_for_a_person(project, agent):
    said = question(agent, "Teleport", {"to": "mars"})
    assert project.reads(agent, said) == ASKING.get(agent, "blocked")
    (verdict,) = project.verdicts()
    assert (verdict.word, verdict.action) == ("hold", "tool.other")


@pytest.mark.parametrize("agent", AGENTS)
def test_an_mcp_tool_nobody_mapped_waits_for_a_person(project, agent):
    name = {"cursor": "MCP:create", "gemini": "mcp_github_create"}.get(agent, "mcp__github__create")
    assert project.reads(agent, question(agent, name, {"title": "x"})) == ASKING.get(agent, "blocked")
    assert project.verdicts()[0].action == "tool.mcp"


@pytest.mark.parametrize("agent", AGENTS)
def test_who_is_held_learns_how_to_have_it_approved(project, agent):
    said = question(agent, "Teleport", {}) | {"permission_mode": "dontAsk"}
    told = project.ask(agent, said).out
    decision = project.verdicts()[0].decision_id
    assert f"/approve {decision}" in told
    assert "make the very same call again" in told


@pytest.mark.parametrize("agent", AGENTS)
def test_a_stop_blocks_everything(project, agent):
    project.cli("kill", "all", "--reason", "enough")
    assert project.reads(agent, reading(agent, "/srv/shop/x")) == "blocked"
    assert project.verdicts()[0].word == "deny"


@pytest.mark.parametrize("agent", AGENTS)
def test_without_authority_nothing_runs_by_itself(project, agent):
    rollouts = project.home / "config" / "policies" / "rollouts.yaml"
    lines = [
        "established: []" if line.startswith("established:") else line
        for line in rollouts.read_text().splitlines()
    ]
    rollouts.write_text("\n".join(lines) + "\n")
    assert project.reads(agent, shell(agent, "ls")) == ASKING.get(agent, "blocked")
    assert project.verdicts()[0].shadowed


@pytest.mark.parametrize("agent", AGENTS)
def test_how_a_call_went_is_reported(project, agent):
    good, bad = shell(agent, "true", "call-1"), shell(agent, "false", "call-2")
    project.ask(agent, good)
    project.ask(agent, bad)
    fine = {"claude": {"stdout": ""}, "codex": {"exit_code": 0}, "cursor": "", "gemini": {"llmContent": ""}}
    failed = {
        "claude": afterwards(bad, agent, None, hook_event_name="PostToolUseFailure", error="exit 1"),
        "codex": afterwards(bad, agent, {"exit_code": 1}),
        "cursor": afterwards(bad, agent, None, hook_event_name="postToolUseFailure", error_message="exit 1"),
        "gemini": afterwards(bad, agent, {"error": {"message": "exit 1"}}),
    }
    for said in (afterwards(good, agent, fine[agent]), failed[agent]):
        ended = project.ask(agent, said, after=True)
        assert (ended.status, ended.err) == (0, "")
        assert ended.out.strip() in {"", "{}"}
    assert [(each.ok, each.by) for each in project.outcomes()] == [(True, "executor"), (False, "executor")]


def test_what_somebody_allowed_at_the_agents_own_prompt_is_not_by_our_leave(project):
    said = question("claude", "Teleport", {})
    assert project.reads("claude", said) == "asks"
    assert project.ask("claude", afterwards(said, "claude", {}), after=True).status == 0
    assert [(each.ok, each.by, each.without_leave) for each in project.outcomes()] == [
        (True, "incumbent", "prompt")
    ]
    # Nobody need decide on it any more, and it says nothing for the next time.
    assert [each.how for each in project.facts(HoldEnded)] == ["taken"]
    assert project.reads("claude", said | {"tool_use_id": "call-2"}) == "asks"
    assert [each.word for each in project.verdicts()] == ["hold", "hold"]


@pytest.mark.parametrize(
    ("agent", "tool", "response", "ok"),
    [
        # As Codex 0.171 and Gemini CLI 0.61 tell it.
        ("codex", "Bash", "cat: missing: No such file or directory\n", []),
        ("codex", "Bash", "Exit code: 1\nWall time: 0 seconds\n", [False]),
        ("codex", "apply_patch", "Exit code: 0\nWall time: 0 seconds\n", [True]),
        ("codex", "update_plan", "Plan updated", [True]),
        ("gemini", "run_shell_command", "<u>\nOutput: a\nExit Code: 1\nProcess Group PGID: 7\n</u>", [True]),
        (
            "gemini",
            "run_shell_command",
            "<untrusted_context>\nOutput: a\nExit Code: 1\nProcess Group PGID: 7\n</untrusted_context>",
            [False],
        ),
        ("gemini", "run_shell_command", "Output: a\nExit Code: 1\nb\nProcess Group PGID: 7", [True]),
        ("gemini", "run_shell_command", "Output: a\nExit Code: 2\nSignal: 9", [False]),
    ],
)
def test_how_a_call_went_is_read_from_what_it_printed(project, agent, tool, response, ok):
    given = {
        "Bash": {"command": "ls"},
        "run_shell_command": {"command": "ls"},
        "apply_patch": {"command": "*** Begin Patch\n*** Add File: a.py\n+x\n*** End Patch"},
    }.get(tool, {})
    said = question(agent, tool, given)
    assert project.reads(agent, said) == "runs"
    told = {"llmContent": response} if agent == "gemini" else response
    assert project.ask(agent, afterwards(said, agent, told), after=True).status == 0
    assert [each.ok for each in project.outcomes()] == ok


@pytest.mark.parametrize("agent", AGENTS)
def test_a_call_that_was_never_proposed_is_not_reported(project, agent):
    ended = project.ask(agent, afterwards(shell(agent, "ls"), agent, {}), after=True)
    assert ended.status == 0
    assert not (project.home / "journal.db").exists() or not project.outcomes()


def test_failures_in_a_row_open_the_breaker(project):
    for nth in range(5):
        said = shell("claude", f"make test-{nth}", f"call-{nth}")
        assert project.reads("claude", said) in {"runs", "asks"}
        project.ask(
            "claude",
            afterwards(said, "claude", None, hook_event_name="PostToolUseFailure", error="x"),
            after=True,
        )
    assert project.reads("claude", shell("claude", "make again", "call-9")) != "runs"
    assert "breaker" in {each.gate for each in project.verdicts()[-1].answers if each.ruling != "allow"}


def test_one_call_asked_twice_is_one_decision(project):
    first, again = (project.ask("claude", shell("claude", "ls")).out for _ in range(2))
    assert first == again
    assert len(project.verdicts()) == 1


def test_one_id_with_other_arguments_is_blocked(project):
    project.ask("claude", shell("claude", "ls"))
    assert project.reads("claude", shell("claude", "ls -a")) == "blocked"


@pytest.mark.parametrize("mode", ["bypassPermissions", "dontAsk", "auto", "something-new"])
def test_claude_asks_only_where_somebody_would_see_it(project, mode):
    said = question("claude", "Teleport", {}, permission_mode=mode)
    assert project.reads("claude", said) == "blocked"


def test_claude_without_a_terminal_is_not_asked(project):
    said = json.dumps(question("claude", "Teleport", {})).encode()
    command, _ = command_in(settings_of("claude", project.folder), "claude")
    ended = call(f"CLAUDE_CODE_ENTRYPOINT=sdk-cli; export CLAUDE_CODE_ENTRYPOINT; {command}", said)
    assert read_claude(ended) == "blocked"


def test_claude_can_defer_without_a_terminal(project):
    project.adapt("held: {interactive: ask, headless: deny}", "held: {interactive: ask, headless: defer}")
    said = question("claude", "Teleport", {}, permission_mode="dontAsk")
    assert project.reads("claude", said) == "deferred"


def test_whoever_sits_there_cannot_stand_in_for_a_captain(project):
    project.adapt(
        "requires_approval: true    # nobody here knows what it does: map it in hooks.yaml",
        "approval: {role: captain}",
        "actions.yaml",
    )
    assert project.reads("claude", question("claude", "Teleport", {})) == "blocked"


@pytest.mark.parametrize(
    ("event", "more", "action", "reads"),
    [
        ("beforeShellExecution", {"command": "ls"}, "tool.shell", "runs"),
        ("beforeShellExecution", {"command": "rm -rf /"}, "tool.shell", "blocked"),
        ("beforeReadFile", {"file_path": "/srv/shop/a", "content": "secret"}, "tool.read", "runs"),
        ("beforeMCPExecution", {"tool_name": "q", "tool_input": '{"a": 1}'}, "tool.mcp", "blocked"),
    ],
)
def test_cursors_older_events_are_answered_too(project, event, more, action, reads):
    said = {"hook_event_name": event, "conversation_id": "c", "generation_id": "g", **more}
    assert project.reads("cursor", said) == reads
    (verdict,) = project.verdicts()
    assert verdict.action == action
    assert b"secret" not in (project.home / "journal.db").read_bytes()


def test_a_patch_counts_its_files(project):
    patch = "*** Begin Patch\n*** Update File: a.py\n*** Add File: b.py\n+x\n*** End Patch"
    assert project.reads("codex", question("codex", "apply_patch", {"command": patch})) == "runs"
    (verdict,) = project.verdicts()
    assert (verdict.action, verdict.impact.files) == ("tool.patch", 2)


@pytest.mark.parametrize("before", [" ", "\t", "\u2003", "\r"])
def test_a_file_is_seen_in_a_patch_however_far_its_line_is_moved_in(project, before):
    patch = f"*** Begin Patch\n*** Add File: b.py\n+x\n{before}*** Delete File: .env\n*** End Patch"
    assert project.reads("codex", question("codex", "apply_patch", {"command": patch})) == "blocked"
    (verdict,) = project.verdicts()
    assert (verdict.word, verdict.impact.files) == ("hold", 2)


def test_a_patch_of_many_files_waits(project):
    files = "\n".join(f"*** Add File: f{nth}.py\n+x" for nth in range(6))
    patch = f"*** Begin Patch\n{files}\n*** End Patch"
    assert project.reads("codex", question("codex", "apply_patch", {"command": patch})) == "blocked"
    assert project.verdicts()[0].word == "hold"


def test_a_protected_file_waits(project):
    said = question("gemini", "write_file", {"file_path": "/srv/shop/x/.env", "content": "a"})
    assert project.reads("gemini", said) == "blocked"


@pytest.mark.parametrize("path", [".mcp.json", ".bashrc", ".vscode/tasks.json"])
def test_what_starts_programs_later_waits(project, path):
    assert project.reads("codex", shell("codex", "ls")) == "runs"
    said = question("gemini", "write_file", {"file_path": str(project.folder / path), "content": "a"})
    assert project.reads("gemini", said) == "blocked"
    assert project.verdicts()[-1].word == "hold"


@pytest.mark.parametrize("value", [True, False])
def test_a_command_outside_the_agents_own_sandbox_waits(project, value):
    said = shell("claude", "ls", permission_mode="dontAsk")
    assert project.reads("claude", said) == "runs"
    said["tool_input"] |= {"dangerouslyDisableSandbox": value}
    assert project.reads("claude", said | {"tool_use_id": "call-2"}) == "blocked"
    assert [(each.action, each.word) for each in project.verdicts()] == [
        ("tool.shell", "allow"),
        ("tool.unsandboxed", "hold"),
    ]


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize(
    "path",
    [
        ".watchkeeper/tokens.json",
        ".claude/settings.local.json",
        ".codex/hooks.json",
        ".cursor/hooks.json",
        ".gemini/settings.json",
    ],
)
def test_no_agent_edits_what_restrains_it(project, agent, path):
    where = str(project.folder / path)
    patch = f"*** Begin Patch\n*** Update File: {where}\n*** End Patch"
    said = {
        "claude": question(agent, "Edit", {"file_path": where, "old_string": "a", "new_string": "b"}),
        "codex": question(agent, "apply_patch", {"command": patch}),
        "cursor": question(agent, "Write", {"file_path": where, "content": "{}"}),
        "gemini": question(agent, "write_file", {"file_path": where, "content": "{}"}),
    }
    assert project.reads(agent, said[agent]) == "blocked"
    assert project.verdicts()[0].word == "deny"
