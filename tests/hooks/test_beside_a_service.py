"""With a service running, hooks ask it; what a person approves there then runs, once."""

import json
import signal

import pytest

from tests.hooks.agents_at_work import AGENTS, afterwards, question, shell

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hooks-service")]
SETTINGS = "watchkeeper.yaml"


def test_a_service_decides_and_its_people_approve(project):
    with project.up():
        for agent in AGENTS:
            held = question(agent, "Teleport", {"to": agent}, "call-1", permission_mode="dontAsk")
            assert project.reads(agent, shell(agent, "ls", "call-0")) == "runs"
            assert project.reads(agent, shell(agent, "rm -rf /", "call-x")) == "blocked"
            told = project.ask(agent, held)
            decision = next(word for word in told.out.split() if word.startswith("d_")).strip(".:`,")
            assert f"/decisions/{decision}" in told.out
            # The same again asks nobody anew.
            assert decision in project.ask(agent, held | {"tool_use_id": "call-2"}).out
            project.cli("do", f"/approve {decision} fine")
            again = held | {"tool_use_id": "call-3"}
            assert project.reads(agent, again) == "runs"
            assert project.ask(agent, afterwards(again, agent, {"exit_code": 0}), after=True).status == 0
            # One approval, one call.
            assert project.reads(agent, held | {"tool_use_id": "call-4"}) == "blocked"
            assert (
                project.reads(agent, held | {"tool_input": {"to": "venus"}, "tool_use_id": "call-5"})
                == "blocked"
            )
    reported = project.outcomes()
    assert [(each.ok, each.by) for each in reported] == [(True, "executor")] * 4


def test_what_was_approved_still_runs_when_the_service_is_gone(project):
    held = question("codex", "Teleport", {})
    with project.up():
        project.ask("codex", held)
        project.cli("do", f"/approve {project.verdicts()[0].decision_id}")
    assert project.reads("codex", held | {"tool_use_id": "call-2"}) == "runs"
    assert project.reads("codex", held | {"tool_use_id": "call-3"}) == "blocked"


def test_what_a_person_denied_is_blocked_with_that(project):
    held = question("gemini", "Teleport", {})
    with project.up():
        project.ask("gemini", held)
        project.cli("do", f"/deny {project.verdicts()[0].decision_id} no")
        told = project.ask("gemini", held)
    assert json.loads(told.out)["decision"] == "deny"
    assert "a person denied it" in told.out


def test_a_stop_after_the_approval_counts(project):
    held = question("codex", "Teleport", {})
    with project.up():
        project.ask("codex", held)
        project.cli("do", f"/approve {project.verdicts()[0].decision_id}")
        project.cli("kill", "agent:codex", "--reason", "enough")
        assert project.reads("codex", held | {"tool_use_id": "call-2"}) == "blocked"


def test_a_service_that_is_killed_blocks_until_it_is_gone(project):
    with project.up() as service:
        assert project.reads("claude", shell("claude", "ls", "call-1")) == "runs"
        processes = json.loads((project.home / "processes.json").read_text())
        engine = next(each for each in processes["processes"] if each["name"] == "engine")
        service.send_signal(signal.SIGSTOP)
        try:
            __import__("os").kill(engine["pid"], signal.SIGKILL)
            project.adapt("deadline_s: 585", "deadline_s: 3")
            assert project.reads("claude", shell("claude", "ls", "call-2")) == "blocked"
        finally:
            service.send_signal(signal.SIGCONT)
