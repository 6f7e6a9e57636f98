"""An agent that holds the veto, on a live engine: before, during and after, as for people; and no allow."""

import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.ids import decision_id, undo_id
from engine.runtime import wire
from engine.runtime.outbox import said_of
from tests.builders import changed
from tests.live.engines import AGAIN, engine, eventually, performing
from tests.live.test_holds import facts, hold

pytestmark = pytest.mark.asyncio
POLICY = changed(performing(cache_clear=AGAIN), captaincy=CaptaincySettings(vetoers=("agent-4",)))


def says(word, number=1, agent="agent-4"):
    return wire.Override(
        decision_id=decision_id(f"p-{number}"), by=f"agent:{agent}", word=word, reason="it smells"
    )


async def test_it_vetoes_what_waits_what_runs_and_what_is_done(tmp_path):
    async with engine(tmp_path, POLICY) as it, it.working():
        await hold(it)
        assert (await it.ask(says("veto"))).status == "vetoed"
        it.runner.go.clear()
        await it.propose(2)
        await eventually(lambda: it.runner.running == 1)
        said = await it.ask(says("veto", 2))
        assert (said.counted, said.undo) == (True, undo_id(decision_id("p-2"), 1))
        it.runner.go.set()
        await it.propose(3)
        await it.until("done", 3)
        assert (await it.ask(says("veto", 3))).undo == undo_id(decision_id("p-3"), 1)
        await eventually(lambda: decision_id("p-3") in it.runner.undone)
    assert facts(tmp_path, f.PersonSeen) == [], "an agent is no captain at the controls"
    assert it.told.of("vetoed")[0].startswith("agent:agent-4 vetoed")


async def test_its_allow_is_refused_with_the_reason_and_journaled_once(tmp_path):
    async with engine(tmp_path, POLICY) as it:
        await hold(it)
        for _ in range(3):
            said = await it.ask(says("allow"))
            assert (said.counted, said.status) == (False, "held")
            assert "never an allow" in said.reason
        kinds = [type(each) for each in said_of(it.live.intake.journal, decision_id("p-1"))]
        assert kinds == [f.DecisionOverridden, f.AnswerRefused]
        assert not (await it.ask(says("veto", agent="coder-2"))).counted
    async with engine(tmp_path, POLICY) as again:
        assert again.status_of() == "held", "what did not count left nothing behind"
        assert (await again.ask(says("veto"))).counted


async def test_who_is_stopped_holds_no_veto(tmp_path):
    async with engine(tmp_path, POLICY) as it:
        await hold(it)
        await it.ask(wire.SetStop(scope=f.Scope("agent", "agent-4"), by="ann", reason="it vetoes all"))
        said = await it.ask(says("veto"))
        assert not said.counted
        assert said.reason == "ann stopped agent:agent-4, and what is stopped holds no veto"
        assert it.status_of() == "held"
