"""A live engine whose held decisions people approve with changes: across restarts, and in races."""

import asyncio
import json

import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import decision_id
from engine.errors import InputError
from engine.runtime import wire
from engine.runtime.outbox import said_of, status_of, verdict_of
from tests.live.engines import ONCE, engine, performing
from tests.live.test_holds import approve, facts, hold, veto

pytestmark = pytest.mark.asyncio
FIRST = decision_id("p-1")


def change(by="ann", role="responder", **values):
    given = {"decision_id": FIRST, "texts": {"service": "web-9"}, "reason": "that one"}
    return wire.ChangeHold(by=by, role=role, **given | values)


async def test_what_was_changed_is_performed_once_with_the_new_arguments_and_the_old_never(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it, it.working():
        await hold(it)
        said = await it.ask(change())
        assert (said.counted, said.status) == (True, "replaced")
        journal = it.live.intake.journal
        async with asyncio.timeout(10):
            while status_of(journal, verdict_of(journal, said.replaced_by)) != "done":
                await asyncio.sleep(0.01)
        for request in (approve("ben"), veto()):
            assert (await it.ask(request)).counted is False
    assert it.runner.performed == ["web-9"]
    (received,) = [each for each in facts(tmp_path, f.ProposalReceived) if each.proposal.changed]
    assert (received.proposal.changed.of, received.proposal.rationale) == (FIRST, "that one")


async def test_of_two_who_change_it_at_once_one_takes_its_place(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        said = await asyncio.gather(
            it.ask(change("ann")), it.ask(change("ben", texts={"service": "web-8"})), it.ask(approve("cy"))
        )
        assert sorted(each.counted for each in said) == [False, False, True]
    assert len(facts(tmp_path, f.HoldEnded)) == 2, "of what was replaced, and of what took its place"


async def test_files_that_a_change_names_count_though_its_estimate_stays(tmp_path):
    paths = [f"f{number}" for number in range(11)]
    async with engine(tmp_path) as it:
        await hold(it, action="file.delete", args={"paths": ["f0"]})
        said = await it.ask(change(texts={"paths": json.dumps(paths)}))
    assert not said.counted
    assert "at most 10 files, not 11" in said.reason


async def test_a_restart_knows_what_was_replaced_and_what_still_waits(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        with pytest.raises(InputError, match="takes no nonsense"):
            await it.ask(change(texts={"nonsense": "1"}))
        said = await it.ask(change(texts={"service": "web-8", "cost": "60"}))
        assert said.counted, said.reason
        before = it.live.intake.state.holds
        it.live.intake.snapshot()
    async with engine(tmp_path) as again:
        assert again.live.intake.state.holds == before
        journal = again.live.intake.journal
        assert status_of(journal, verdict_of(journal, FIRST)) == "replaced"
        new = verdict_of(journal, said.replaced_by)
        assert {wait.kind for wait in new.waits} == {"person", "votes"}, "60 USD takes votes"
        later = await again.ask(change("ben", decision_id=said.replaced_by, texts={"cost": "1"}))
        assert later.counted, later.reason
        newest = verdict_of(journal, later.replaced_by)
        assert {wait.kind for wait in newest.waits} == {"person", "votes"}, "a small estimate is no way round"


async def test_a_change_that_the_gates_deny_is_journaled_and_changes_nothing(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        said = await it.ask(change(texts={}, args={"service": 3}))
        assert (said.counted, said.status) == (False, "held")
        assert "expected string, got integer 3" in said.reason
        refused = said_of(it.live.intake.journal, FIRST)
        assert [type(each) for each in refused] == [f.AnswerRefused]
        assert (await it.ask(approve())).counted, "it still waits as it was"


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ({"texts": {"service": "web-1"}}, "nothing of it would be otherwise"),
        ({"texts": {"cost": "much"}}, "is no number"),
        ({"cost_usd": -1}, "cost_usd must be from 0"),
        ({"decision_id": decision_id("p-9")}, "no such decision"),
    ],
)
async def test_what_cannot_be_read_is_told_with_its_cure(tmp_path, given, because):
    async with engine(tmp_path) as it:
        await hold(it)
        with pytest.raises(InputError, match=because) as refused:
            await it.ask(change(**{"texts": {}} | given))
        assert refused.value.cure
    assert facts(tmp_path, f.HoldEnded) == []
