"""People ask an agent over HTTP about what waits, and it answers: in the decision and its streams."""

import asyncio

import pytest

from tests.http.test_holds_http import at, held

pytestmark = pytest.mark.asyncio


async def test_an_agent_that_waits_is_asked_and_answers_and_people_read_it(place):
    async with place.engine(), place.talking("coder-1") as client:
        said, person = await held(client), place.bearer("ray")
        body = {"question": "why now?"}
        asked = await client.post(at(said, "questions"), json=body, headers=person)
        assert (asked.status_code, asked.json()["nth"], asked.json()["agent"]) == (200, 1, "coder-1"), (
            asked.text
        )
        (open_now,) = (await client.get(f"/v1/decisions/{said['decision_id']}")).json()["questions"]
        assert (open_now["question"], open_now["answer"]) == ("why now?", None)
        answered = await client.post(asked.json()["links"]["answer"], json={"answer": "it is stale"})
        assert answered.status_code == 200, answered.text
        again = await client.post(asked.json()["links"]["answer"], json={"answer": "it is stale"})
        assert (again.status_code, "answered already" in again.text) == (409, True)
        await client.post(at(said, "deny"), headers=person)
        found = (await client.get(f"/v1/decisions/{said['decision_id']}", headers=person)).json()
        streamed = await client.get(at(said, "stream"))
        explained = await client.get(at(said, "explain"), headers={"Accept": "text/plain"} | person)
        late = await client.post(at(said, "questions"), json=body, headers=person)
    assert (found["questions"][0]["by"], found["questions"][0]["answer"]) == ("ray", "it is stale")
    names = [line.removeprefix("event: ") for line in streamed.text.splitlines() if line.startswith("event")]
    assert names == ["status", "question", "answer", "status"]
    assert "ray asked: “why now?”" in explained.text
    assert "coder-1 answered: “it is stale”" in explained.text
    assert late.status_code == 409


async def test_an_agent_that_waits_for_people_hears_at_once_that_they_wait_for_it(place):
    from tests.http.placing import HELD

    async with place.engine(), place.talking("coder-1") as client:
        waiting = asyncio.create_task(client.post("/v1/proposals", json=HELD, params={"wait_s": 60}))
        person, holds = place.bearer("ray"), []
        while not holds:
            await asyncio.sleep(0.02)
            holds = (await client.get("/v1/holds", headers=person)).json()["holds"]
        await client.post(
            f"/v1/decisions/{holds[0]['decision_id']}/questions", json={"question": "why?"}, headers=person
        )
        told = (await asyncio.wait_for(waiting, 30)).json()
    assert (told["status"], [each["question"] for each in told["questions"]]) == ("held", ["why?"])


async def test_who_may_not_is_refused(place):
    async with place.engine(), place.talking("coder-1") as client:
        said = await held(client)
        for who, word, body, status in (
            ("vic", "questions", {"question": "why?"}, 403),
            ("coder-1", "questions", {"question": "why?"}, 403),
            ("ray", "questions", {"question": ""}, 422),
            ("ray", "questions/1/answer", {"answer": "so"}, 403),
            ("coder-1", "questions/1/answer", {"answer": "so"}, 409),
        ):
            answer = await client.post(at(said, word), json=body, headers=place.bearer(who))
            assert answer.status_code == status, (who, word, answer.text)
