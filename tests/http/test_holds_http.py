"""People answer held decisions over HTTP, and captains overrule; the agent that waits is told."""

import asyncio

import pytest

from tests.http.placing import ALLOWED, GRANTED, HELD, SHADOWED, perform
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def held(client, body=HELD):
    answer = await client.post("/v1/proposals", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "held"), answer.text
    return answer.json()


def at(said, word):
    return f"/v1/decisions/{said['decision_id']}/{word}"


async def test_an_agent_that_waits_is_told_who_approved_and_why(place):
    async with place.engine(), place.talking("coder-1") as client:
        body = HELD | {"action": "ticket.create", "args": {"title": "a", "body": "b"}}
        waiting = asyncio.create_task(client.post("/v1/proposals", json=body, params={"wait_s": 30}))
        person = place.bearer("ray")
        holds = []
        while not holds:
            await asyncio.sleep(0.02)
            holds = (await client.get("/v1/holds", headers=person)).json()["holds"]
        assert (holds[0]["agent"], holds[0]["approved_by"], holds[0]["effect"]) == ("coder-1", [], None)
        given = {"reason": "fine", "digest": holds[0]["digest"]}
        taken = await client.post(holds[0]["links"]["approve"], json=given, headers=person)
        assert (taken.status_code, taken.json()["status"]) == (200, "granted"), taken.text
        answer = await asyncio.wait_for(waiting, PATIENCE_S)
    said = answer.json()
    assert (answer.status_code, said["word"], said["status"], said["final"]) == (200, "hold", "granted", True)
    assert (said["answered"]["how"], said["answered"]["by"]) == ("approved", ["ray"])
    assert said["answered"]["reason"] == "fine"


async def test_what_is_approved_is_performed_and_followed_to_its_end(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        said, person = await held(client), place.bearer("ray")
        taken = await client.post(at(said, "approve"), headers=person)
        assert taken.json()["status"] == "queued", "an empty body is an approval without a reason"
        await perform(live, said["decision_id"])
        found = (await client.get(f"/v1/decisions/{said['decision_id']}")).json()
        streamed = await client.get(at(said, "stream"))
        explained = await client.get(at(said, "explain"), headers={"Accept": "text/plain"})
    assert found["status"] == "done"
    steps = [
        line.split('"status":"')[1].split('"')[0] for line in streamed.text.splitlines() if "data:" in line
    ]
    assert steps == ["held", "queued", "running", "done"]
    assert "ray, a responder, approved it" in explained.text


async def test_who_may_not_answer_is_refused_at_the_door(place):
    async with place.engine(), place.talking("coder-1") as client:
        said = await held(client)
        for who, word, body in (
            ("coder-1", "approve", {}),
            ("vic", "approve", {}),
            ("vic", "deny", {}),
            ("ray", "override", {"word": "allow", "reason": "r"}),
        ):
            answer = await client.post(at(said, word), json=body, headers=place.bearer(who))
            assert answer.status_code == 403, (who, word)
        assert (await client.get("/v1/holds")).status_code == 403, "an agent sees its own decisions only"


async def test_a_denial_ends_it_and_another_answer_comes_too_late(place):
    async with place.engine(), place.talking("coder-1") as client:
        said, person = await held(client), place.bearer("ray")
        denied = await client.post(at(said, "deny"), json={"reason": "no"}, headers=person)
        assert (denied.status_code, denied.json()["status"]) == (200, "denied")
        late = await client.post(at(said, "approve"), headers=person)
        again = await client.post("/v1/proposals", json=HELD)
        found = (await client.get(f"/v1/decisions/{said['decision_id']}")).json()
    assert late.status_code == 409
    assert late.json()["detail"].startswith("ray denied it at ")
    assert again.json()["decision_id"] != said["decision_id"]
    assert (found["status"], found["final"], found["answered"]["reason"]) == ("denied", True, "no")


async def test_what_was_shown_must_be_what_is_held(place):
    async with place.engine(), place.talking("coder-1") as client:
        said = await held(client)
        wrong = await client.post(at(said, "approve"), json={"digest": "0" * 64}, headers=place.bearer("cat"))
    assert (wrong.status_code, "digest differs" in wrong.json()["detail"]) == (409, True)


async def test_a_captain_vetoes_what_an_agent_was_granted(place):
    async with place.engine(), place.talking("coder-1") as client:
        said, captain = (await client.post("/v1/proposals", json=GRANTED)).json(), place.bearer("cat")
        body = {"word": "veto", "reason": "wrong shop"}
        taken = await client.post(at(said, "override"), json=body, headers=captain)
        assert (taken.status_code, taken.json()["status"]) == (200, "vetoed"), taken.text
        again = await client.post(at(said, "override"), json=body, headers=captain)
        found = (await client.get(f"/v1/decisions/{said['decision_id']}")).json()
    assert again.status_code == 409
    assert (found["status"], found["veto"]["by"], found["veto"]["reason"]) == ("vetoed", "cat", "wrong shop")


async def test_a_veto_of_what_was_done_names_the_undo(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        said = (await client.post("/v1/proposals", json=ALLOWED)).json()
        await perform(live, said["decision_id"])
        body = {"word": "veto", "reason": "wrong shop"}
        taken = (await client.post(at(said, "override"), json=body, headers=place.bearer("cat"))).json()
        found = (await client.get(f"/v1/decisions/{said['decision_id']}")).json()
    assert [undo["effect_id"] for undo in found["undos"]] == [taken["undo"]]


async def test_an_override_needs_a_reason_and_a_known_word(place):
    async with place.engine(), place.talking("cat") as client:
        for body in ({"word": "veto"}, {"word": "veto", "reason": " "}, {"word": "maybe", "reason": "r"}):
            answer = await client.post("/v1/decisions/d_000000000000000/override", json=body)
            assert answer.status_code == 422, body
        unknown = await client.post("/v1/decisions/d_000000000000000/deny")
    assert unknown.status_code == 404


async def test_what_is_in_shadow_waits_for_nobody(place):
    async with place.engine(), place.talking("coder-1") as client:
        answer = await client.post(
            "/v1/proposals", json=SHADOWED | {"confidence": 0.1}, params={"wait_s": 30}
        )
        said = answer.json()
        assert (answer.status_code, said["status"], said["final"]) == (200, "held", True)
        refused = await client.post(at(said, "approve"), headers=place.bearer("cat"))
    assert (refused.status_code, "in shadow" in refused.json()["detail"]) == (409, True)


async def test_a_wrong_code_is_refused_and_answers_nothing(place):
    async with place.engine(), place.talking("coder-1") as client:
        said, person = await held(client), place.bearer("ray")
        wrong = await client.post(at(said, "approve"), json={"code": "123456"}, headers=person)
        assert (wrong.status_code, wrong.json()["detail"]) == (403, "ray has no one-time codes to give")
        assert "123456" not in wrong.text
        odd = await client.post(at(said, "approve"), json={"code": "12345"}, headers=person)
        assert odd.status_code == 422
        assert (await client.get("/v1/holds", headers=person)).json()["holds"][0]["approved_by"] == []
