"""Proposing over HTTP: what is decided, waited for, found again and refused."""

import asyncio

import pytest

from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD, SHADOWED, begin, perform


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "word", "status"),
    [
        (DENIED, "deny", "denied"),
        (SHADOWED, "allow", "shadowed"),
        (GRANTED, "allow", "granted"),
    ],
    ids=["denied", "shadowed", "granted"],
)
async def test_what_stands_at_once_is_final_at_once(place, body, word, status):
    async with place.engine(), place.talking("coder-1") as client:
        answer = await client.post("/v1/proposals", json=body, params={"wait_s": 60})
    said = answer.json()
    assert answer.status_code == 200, said
    assert (said["word"], said["status"], said["final"]) == (word, status, True)
    assert answer.headers["location"] == f"/v1/decisions/{said['decision_id']}"


@pytest.mark.asyncio
async def test_a_denial_names_gate_rule_owner_and_reason(place):
    async with place.engine(), place.talking("coder-1") as client:
        said = (await client.post("/v1/proposals", json=DENIED)).json()
    (reason,) = [one for one in said["reasons"] if one["ruling"] == "deny"]
    assert reason["gate"] == "validation"
    assert reason["rule"] == "actions.no.such"
    assert reason["owner"] == "captain"
    assert "not in the registry" in reason["reason"]


@pytest.mark.asyncio
async def test_a_hold_says_what_was_measured_and_what_it_waits_for(place):
    async with place.engine(), place.talking("coder-1") as client:
        said = (await client.post("/v1/proposals", json=HELD)).json()
    compared = [part for reason in said["reasons"] for part in reason["compared"]]
    assert {"measure": "confidence", "measured": 0.5, "limit": 0.7} in compared
    assert said["waits"]


@pytest.mark.asyncio
async def test_what_is_performed_is_queued_and_waited_for_to_its_end(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        first = await client.post("/v1/proposals", json=ALLOWED, headers={"Idempotency-Key": "k"})
        assert (first.status_code, first.json()["status"]) == (202, "queued")
        again = asyncio.create_task(
            client.post(
                "/v1/proposals", json=ALLOWED, headers={"Idempotency-Key": "k"}, params={"wait_s": 30}
            )
        )
        await perform(live, first.json()["decision_id"], output="cleared")
        answer = await again
    assert answer.status_code == 200
    assert answer.json()["status"] == "done"
    assert answer.json()["result"]["output"] == "cleared"


@pytest.mark.asyncio
async def test_waiting_ends_with_its_time(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        first = (await client.post("/v1/proposals", json=ALLOWED)).json()
        await begin(live, first["decision_id"])
        answer = await client.post(
            "/v1/proposals",
            json=ALLOWED,
            headers={"Idempotency-Key": first["proposal_id"].partition(":")[2]},
            params={"wait_s": 0.2},
        )
    assert (answer.status_code, answer.json()["status"]) == (202, "running")


@pytest.mark.asyncio
async def test_the_same_key_and_body_find_the_same_decision(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        answers = [
            await client.post("/v1/proposals", json=GRANTED, headers={"Idempotency-Key": "k-1"})
            for _ in range(3)
        ]
        assert len({answer.text for answer in answers}) == 1
        assert len(live.intake.journal.tasks.all()) == 0


@pytest.mark.asyncio
async def test_the_same_key_with_another_body_is_a_conflict(place):
    async with place.engine(), place.talking("coder-1") as client:
        headers = {"Idempotency-Key": "k-1"}
        await client.post("/v1/proposals", json=GRANTED, headers=headers)
        answer = await client.post("/v1/proposals", json=DENIED, headers=headers)
    assert answer.status_code == 409
    assert answer.json()["place"] == "coder-1:k-1"


@pytest.mark.asyncio
async def test_two_agents_may_choose_the_same_key(place):
    async with place.engine(), place.talking() as client:
        ids = set()
        for agent in ("coder-1", "coder-2"):
            headers = place.bearer(agent) | {"Idempotency-Key": "k"}
            ids.add((await client.post("/v1/proposals", json=GRANTED, headers=headers)).json()["decision_id"])
    assert len(ids) == 2


@pytest.mark.asyncio
async def test_without_a_key_every_proposal_is_another(place):
    async with place.engine(), place.talking("coder-1") as client:
        answers = [(await client.post("/v1/proposals", json=GRANTED)).json() for _ in range(2)]
    assert answers[0]["proposal_id"] != answers[1]["proposal_id"]


@pytest.mark.asyncio
async def test_the_agent_is_the_tokens_and_never_the_bodys(place):
    async with place.engine(), place.talking("coder-1") as client:
        answer = await client.post("/v1/proposals", json=GRANTED | {"agent": "coder-2"})
        assert answer.status_code == 422
        assert (await client.post("/v1/proposals", json=GRANTED)).json()["agent"] == "coder-1"


@pytest.mark.asyncio
async def test_a_token_proposes_only_under_its_capabilities(place):
    async with place.engine(), place.talking("coder-1") as client:
        answer = await client.post("/v1/proposals", json=GRANTED | {"capability": "pay@1"})
    assert answer.status_code == 403
    assert "heal" in answer.json()["cure"]


@pytest.mark.asyncio
async def test_people_do_not_propose(place):
    async with place.engine(), place.talking("cat") as client:
        assert (await client.post("/v1/proposals", json=GRANTED)).status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("cost", [10, 0.1, "0.000000000001", 1e-300, 10**12], ids=str)
async def test_an_amount_may_be_a_number_or_its_text(place, cost):
    async with place.engine(), place.talking("coder-1") as client:
        answer = await client.post("/v1/proposals", json=GRANTED | {"impact": {"cost_usd": cost}})
    # What is more than a whole window is held, and so not final.
    assert answer.status_code in {200, 202}, answer.text


@pytest.mark.asyncio
async def test_what_is_finer_than_can_be_counted_is_rounded_up(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        headers = {"Idempotency-Key": "k"}
        await client.post("/v1/proposals", json=GRANTED | {"impact": {"cost_usd": 1e-300}}, headers=headers)
        record = live.intake.journal.find("proposal:coder-1:k")
    assert b'"cost_usd":"1E-12"' in record.body


@pytest.mark.asyncio
async def test_an_outcome_is_reported_once_and_shown(place):
    async with place.engine(), place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=GRANTED)).json()
        path = f"/v1/proposals/{made['proposal_id']}/outcome"
        for _ in range(2):
            answer = await client.post(path, json={"ok": True, "detail": "T-1"})
            assert answer.status_code == 200, answer.text
        shown = (await client.get(f"/v1/decisions/{made['decision_id']}")).json()
        assert (shown["outcome"]["ok"], shown["outcome"]["detail"]) == (True, "T-1")
        assert (await client.post(path, json={"ok": False})).status_code == 409
        other = await client.post(path, json={"ok": True}, headers=place.bearer("coder-2"))
        assert other.status_code == 404


@pytest.mark.asyncio
async def test_nobody_reports_what_the_engine_performs(place):
    async with place.engine(), place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=ALLOWED)).json()
        answer = await client.post(f"/v1/proposals/{made['proposal_id']}/outcome", json={"ok": True})
    assert answer.status_code == 409


@pytest.mark.asyncio
async def test_a_heartbeat_is_heard(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        assert (await client.post("/v1/heartbeat")).status_code == 204
        seen = (await live.status()).agents
    assert [one.agent for one in seen] == ["coder-1"]


@pytest.mark.asyncio
async def test_with_the_engine_away_a_proposal_is_told_when_to_come_back(place):
    async with place.talking("coder-1") as client:
        answer = await client.post("/v1/proposals", json=GRANTED)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "urn:watchkeeper:engine-away"
