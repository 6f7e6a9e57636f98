"""`watchkeeper status` says which rollouts are under way, and which are held back."""

import asyncio

import pytest

from engine.core.vocabulary.facts import CapabilityReplayed
from engine.runtime import wire
from tests.cli.running import here

REPLAY = CapabilityReplayed(
    at_us=0,
    capability="mend@2",
    recording="aa",
    journal_hash="bb",
    policy_hash="cc",
    decisions=500,
    allowed=500,
    failed=0,
    unsafe=0,
    from_us=0,
    until_us=1,
    by="cat",
)


@pytest.mark.asyncio
async def test_status_shows_rollouts_under_way(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    async with place.engine() as live:
        before = await asyncio.to_thread(here, "status")
        await live.answer(wire.TellReplay(fact=REPLAY, by="cat"))
        await live.answer(wire.PauseRollout(capability="heal", by="ray", reason="a sale"))
        after = await asyncio.to_thread(here, "status")
    assert "rollout   " not in before.output
    assert "live      heal@1\nPAUSED    heal by ray: a sale\nrollout   mend@2 is in shadow\n" in after.output
