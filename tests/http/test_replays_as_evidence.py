"""`watchkeeper rollout replayed`: a history is replayed here, and what it shows is handed to the engine."""

import asyncio
import json

import pytest

from engine.core.vocabulary.facts import CapabilityReplayed, ProposalReceived, StageChanged, decode
from simulator.recording import Recording
from tests.cli.running import here
from tests.determinism import histories

VERSION = "restart-unhealthy@3"
"""In the made history some of what it was allowed went wrong, and some is labelled harmful."""


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return histories.record(tmp_path_factory.mktemp("history") / "made.wkr", known=histories.labels())


@pytest.fixture
def terminal(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    monkeypatch.setenv("WATCHKEEPER_TOKEN", place.token["cat"])

    async def run(*words):
        return await asyncio.to_thread(here, "rollout", "replayed", *words)

    return run


def journaled(live, kind):
    return [fact for record in live.intake.journal.read() if isinstance(fact := decode(record.body), kind)]


@pytest.mark.asyncio
async def test_a_history_counts_for_its_own_version_and_by_name_for_another(place, terminal, history):
    told = [fact for _, fact in Recording(history).facts() if isinstance(fact, ProposalReceived)]
    decisions = sum(fact.proposal.capability == VERSION for fact in told)
    async with place.engine() as live:
        own = await terminal(VERSION, history, "--json")
        other = await terminal("fresh@1", history, "--as", VERSION, "--json")
        none = await terminal("fresh@2", history)
        facts = journaled(live, CapabilityReplayed)
    mine, theirs = json.loads(own.output)["fact"], json.loads(other.output)["fact"]
    assert mine["decisions"] == decisions
    assert 0 < mine["failed"] < mine["allowed"] < decisions
    assert 0 < mine["unsafe"] < mine["allowed"]
    same = ("decisions", "allowed", "failed", "unsafe", "recording", "journal_hash", "policy_hash")
    assert [mine[key] for key in same] == [theirs[key] for key in same]
    assert (theirs["capability"], theirs["by"]) == ("fresh@1", "cat")
    assert (own.exit_code, other.exit_code, none.exit_code) == (1, 1, 1), "harm in replay begins no rollout"
    assert "0 decisions of fresh@2" in none.output
    assert "no rollout began; fresh@2 is unproven" in none.output
    assert [fact.capability for fact in facts] == [VERSION, "fresh@1", "fresh@2"]


@pytest.mark.asyncio
async def test_an_agent_and_a_responder_cannot_hand_in_evidence(place, terminal, monkeypatch, history):
    async with place.engine() as live:
        for who in ("ray", "coder-1"):
            monkeypatch.setenv("WATCHKEEPER_TOKEN", place.token[who])
            result = await terminal("fresh@1", history)
            assert result.exit_code != 0
            assert "it takes a captain" in result.stderr
        assert journaled(live, CapabilityReplayed) == []
        assert journaled(live, StageChanged) == []


@pytest.mark.asyncio
async def test_what_is_no_history_and_what_is_no_version_are_refused_in_a_line(place, terminal, tmp_path):
    (tmp_path / "bad.wkr").write_text("no recording")
    wrong = (("fresh@1", tmp_path / "bad.wkr"), ("fresh@1", tmp_path / "gone.wkr"), ("fresh", "x.wkr"))
    async with place.engine():
        for words in wrong:
            result = await terminal(*words)
            assert result.exit_code == 2
            assert result.stderr.count("\n") == 1, result.stderr
