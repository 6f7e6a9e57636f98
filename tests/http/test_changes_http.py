"""People approve with changes over HTTP; the agent is told what took the place of what it proposed."""

import asyncio

import pytest

from tests.http.placing import HELD
from tests.http.test_holds_http import at, held

pytestmark = pytest.mark.asyncio
TICKET = HELD | {"action": "ticket.create", "args": {"title": "a", "body": "b"}}


async def test_an_agent_that_waits_is_told_what_replaced_it_and_how_that_stands(place):
    async with place.engine(), place.talking("coder-1") as client:
        waiting = asyncio.create_task(client.post("/v1/proposals", json=TICKET, params={"wait_s": 30}))
        person, holds = place.bearer("ray"), []
        while not holds:
            await asyncio.sleep(0.02)
            holds = (await client.get("/v1/holds", headers=person)).json()["holds"]
        body = {"args": {"body": "c"}, "impact": {"cost_usd": "0.5"}, "reason": "shorter"}
        taken = await client.post(holds[0]["links"]["change"], json=body, headers=person)
        assert taken.status_code == 200, taken.text
        told = (await asyncio.wait_for(waiting, 10)).json()
        new = (await client.get(f"/v1/decisions/{taken.json()['replaced_by']}")).json()
        reported = await client.post(f"/v1/proposals/{new['proposal_id']}/outcome", json={"ok": True})
        streamed = await client.get(at(told, "stream"))
        undone = await client.post(at(told, "approve"), headers=person)
    assert (told["status"], told["final"], told["answered"]["how"]) == ("replaced", True, "replaced")
    instead = told["replacement"]
    assert (instead["decision_id"], instead["by"], instead["status"]) == (
        new["decision_id"],
        "ray",
        "granted",
    )
    assert instead["args"] == {"title": "a", "body": "c"}
    assert instead["cost_usd"] == "0.5"
    assert (new["changed"]["of"], new["changed"]["by"]) == (told["decision_id"], "ray")
    assert reported.status_code == 200, reported.text
    assert '"status":"replaced"' in streamed.text
    assert (undone.status_code, "ray replaced it" in undone.text) == (409, True)


async def test_who_may_not_approve_may_not_change_and_what_is_wrong_is_named(place):
    async with place.engine(), place.talking("coder-1") as client:
        said = await held(client)
        for who, body, status in (
            ("coder-1", {"args": {"path": "b"}}, 403),
            ("vic", {"args": {"path": "b"}}, 403),
            ("ray", {"args": {"nonsense": 1}}, 409),
            ("ray", {}, 409),
            ("ray", {"impact": {"files": -1}}, 422),
            ("ray", {"args": {"path": "b"}, "digest": "0" * 64}, 409),
        ):
            answer = await client.post(at(said, "change"), json=body, headers=place.bearer(who))
            assert answer.status_code == status, (who, body, answer.text)
        assert (await client.get(f"/v1/decisions/{said['decision_id']}")).json()["status"] == "held"
