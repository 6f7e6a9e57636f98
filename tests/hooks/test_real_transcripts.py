"""What Claude Code and Codex leave behind is read back: their own transcripts of a scripted session.

Transcripts hold their makers' words, so none is kept: each is made when the test runs.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.vocabulary.facts import MessageObserved, OutcomeReported, ProposalReceived
from simulator.importers import import_source
from simulator.recording import Recording
from tests.hooks.models import MARK, Model, Use
from tests.hooks.real_agents import run
from tests.hooks.test_real_agents import shell, until, writing
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("real-agents")]

LOGS = {"claude": ("claude-code", ".claude/projects"), "codex": ("codex", ".codex/sessions")}
SUB = {
    "claude": Use("Agent", {"description": "x", "prompt": MARK, "subagent_type": "general-purpose"}),
    "codex": Use("spawn_agent", {"message": MARK}, space="multi_agent_v1"),
}
NOTHING_ASKED = "tidy up the shop"


@pytest.fixture(params=list(LOGS))
def left(request, tmp_path):
    """Run a session of an agent without a hook; return the agent and where its transcripts are."""
    agent, shop, home = request.param, tmp_path / "shop", tmp_path / "home"
    shop.mkdir()
    turns = [
        [writing(agent, shop / "made.txt", "bread")],
        [shell(agent, "cat made.txt"), shell(agent, "cat missing.txt")],
        [SUB[agent]],
    ]
    with Model(turns, sub_turns=[[shell(agent, "echo from-below > below.txt")]]) as model:
        turns.append(lambda _: until(lambda: model.sub_turns_taken > 1) or "That was all.")
        ended = run(agent, shop, model, home, prompt=NOTHING_ASKED)
    assert ended.returncode == 0, ended.stderr
    assert (shop / "below.txt").exists()
    return agent, home / LOGS[agent][1]


def test_a_real_transcript_becomes_a_recording(left, tmp_path):
    agent, log = left
    summary = import_source(LOGS[agent][0], log, tmp_path / "a.wkr")
    facts = [fact for _, fact in Recording(tmp_path / "a.wkr").facts()]
    proposed = [each.proposal for each in facts if isinstance(each, ProposalReceived)]
    assert [each.action for each in proposed] == [
        "tool.patch" if agent == "codex" else "tool.write",
        "tool.shell",
        "tool.shell",
        "tool.delegate",
        "tool.shell",
    ]
    assert [each.args.get("command") for each in proposed if each.action == "tool.shell"] == [
        "cat made.txt",
        "cat missing.txt",
        "echo from-below > below.txt",
    ]
    ok = {each.proposal_id: each.ok for each in facts if isinstance(each, OutcomeReported)}
    assert [ok.get(each.proposal_id) for each in proposed] == [True, True, False, True, True]
    by_person = [each.text for each in facts if isinstance(each, MessageObserved) and each.source == "person"]
    # Nothing that the agent, a tool or a sub-agent said stands there as a person's word.
    assert by_person == [NOTHING_ASKED]
    assert summary.warnings == ()
    assert len({each.episode for each in proposed}) == 1


def test_it_is_replayed_by_the_words_of_the_page(left):
    agent, log = left
    watchkeeper = Path(sys.executable).with_name("watchkeeper")
    told = subprocess.run(
        [watchkeeper, "replay", f"{LOGS[agent][0]}:{log}", "--report", "out.html"],
        cwd=log,
        env={"WATCHKEEPER_HOME": str(log / ".watchkeeper"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "decisions               5" in told.stdout
    assert (log / "out.html").stat().st_size > 10_000


def test_what_a_hook_blocked_is_no_failure(project, tmp_path):
    for agent, (name, log) in LOGS.items():
        home = tmp_path / agent
        with Model([[shell(agent, "echo hi > made.txt")]]) as model:
            run(agent, project.folder, model, home)
        import_source(name, home / log, tmp_path / f"{agent}.wkr")
        facts = [fact for _, fact in Recording(tmp_path / f"{agent}.wkr").facts()]
        assert [
            type(each).__name__ for each in facts if isinstance(each, ProposalReceived | OutcomeReported)
        ] == ["ProposalReceived"]
