"""Rollouts over HTTP: people ask, evidence answers."""

import pytest

from engine.core.vocabulary.rollouts import RolloutPlan
from tests.http.placing import GRANTED


@pytest.mark.asyncio
async def test_a_promotion_without_evidence_is_refused_with_what_is_missing(place):
    async with place.engine(), place.talking("cat") as client:
        answer = await client.post("/v1/capabilities/edit@1/promote", json={"reason": "I trust it"})
        assert answer.status_code == 409, answer.text
        told = answer.json()
        assert told["type"].endswith("unproven")
        assert told["detail"].startswith("it must show in a replay")
        assert "decisions replayed: 0 of 200" in told["cure"]
        agent = place.bearer("coder-1")
        new = GRANTED | {"capability": "edit@1"}
        assert (await client.post("/v1/proposals", json=new, headers=agent)).json()["shadowed"]


@pytest.mark.asyncio
async def test_an_abort_takes_what_was_live_out_of_the_world(place):
    async with place.engine(), place.talking("cat") as client:
        agent = place.bearer("coder-1")
        before = (await client.post("/v1/proposals", json=GRANTED, headers=agent)).json()
        answer = await client.post("/v1/capabilities/heal/abort", json={"reason": "it erred"})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["was"], answer.json()["now"]) == ("live", "rolled_back")
        after = (await client.post("/v1/proposals", json=GRANTED, headers=agent)).json()
        again = await client.post("/v1/capabilities/heal/abort", json={"reason": "it erred"})
        assert again.status_code == 409
    assert [before["shadowed"], after["shadowed"]] == [False, True]


@pytest.mark.asyncio
async def test_a_pause_holds_until_its_own_reason_is_lifted(place):
    async with place.engine(), place.talking("ray") as client:
        agent = place.bearer("coder-1")
        answer = await client.post("/v1/capabilities/heal/pause", json={"reason": "a sale is on"})
        assert answer.json() == {"capability": "heal", "paused": True, "by": "ray", "reason": "a sale is on"}
        held = (await client.post("/v1/proposals", json=GRANTED, headers=agent)).json()
        assert held["status"] == "held"
        wrong = await client.post("/v1/capabilities/heal/resume", json={"reason": "another"})
        assert wrong.status_code == 409
        assert "a sale is on" in wrong.json()["cure"]
        assert (
            await client.post("/v1/capabilities/heal/resume", json={"reason": "a sale is on"})
        ).status_code == 200
        free = (await client.post("/v1/proposals", json=GRANTED, headers=agent)).json()
        assert free["status"] == "granted"


@pytest.mark.asyncio
async def test_rollouts_are_shown_and_strangers_are_not_found(place):
    async with place.engine(), place.talking("vic") as client:
        (shown,) = (await client.get("/v1/rollouts")).json()["rollouts"]
        assert (shown["name"], shown["live"], shown["stage"]) == ("heal", "heal@1", "unproven")
        assert (await client.get("/v1/rollouts/heal@1")).json()["rollouts"] == [shown]
        missing = await client.get("/v1/rollouts/nobody")
        assert missing.status_code == 404, missing.text


@pytest.mark.asyncio
async def test_the_answer_to_a_promotion_warns_of_arms_that_cannot_be_compared(place):
    by_host = {"by_name": {"heal": RolloutPlan(unit="argument:service", replay_decisions=0)}}
    async with place.engine(**by_host), place.talking("cat") as client:
        begun = await client.post("/v1/capabilities/heal@2/promote", json={"reason": "it is time"})
        assert begun.json()["now"] == "shadow"
        assert begun.json()["confounded"].startswith("the arm is drawn for each service")
        refused = await client.post("/v1/capabilities/heal@2/promote", json={"reason": "and on"})
        assert refused.status_code == 409
        assert "the arm is drawn for each service" in refused.json()["cure"]


@pytest.mark.asyncio
async def test_what_people_did_is_journaled_under_their_name(place):
    body = {"capability": "heal@2", "action": "cache.clear", "args": {"service": "web"}, "ok": True}
    async with place.engine() as live, place.talking("ray") as client:
        answer = await client.post("/v1/episodes/incident-7/incumbent", json=body)
        assert answer.status_code == 200, answer.text
        facts = [record.body for record in live.intake.journal.read() if b"incumbent_acted" in record.body]
        viewer = await client.post("/v1/episodes/i/incumbent", json=body, headers=place.bearer("vic"))
        assert viewer.status_code == 403
    assert len(facts) == 1
    assert b'"by":"ray"' in facts[0]
    assert b'"capability":"heal"' in facts[0]
