"""Ratings, calibration and recommendations over HTTP."""

import pytest

from engine.core.vocabulary.rollouts import RolloutPlan
from tests.http.placing import ALLOWED, GRANTED, HELD, perform


async def proposed(client, body, key="k-1"):
    answer = await client.post("/v1/proposals", json=body, headers={"Idempotency-Key": key})
    return answer.json()


@pytest.mark.asyncio
async def test_what_is_over_is_rated_and_explained_so(place):
    async with place.engine(), place.talking("coder-1") as client:
        said, person = await proposed(client, GRANTED), place.bearer("ray")
        at = f"/v1/decisions/{said['decision_id']}"
        rated = await client.post(f"{at}/rate", json={"rating": "wrong", "reason": "no"}, headers=person)
        assert rated.json() == {"decision_id": said["decision_id"], "rating": "wrong"}
        explained = (await client.get(f"{at}/explain", headers=person)).json()
        assert explained["path"]["steps"][-1]["what"] == "ray rated it wrong: “no”"
        assert {"gates", "said", "waits", "risk"} <= explained.keys()
        found = (await client.get("/v1/calibration", headers=person)).json()["calibrations"]
    assert [
        (each["key"], each["curve"]["count"], each["curve"]["right"], each["rated"]) for each in found
    ] == [("capability:heal@1", 1, 0, 1)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "who", "status"), [(HELD, "ray", 422), (GRANTED, "vic", 403), (GRANTED, "coder-1", 403)]
)
async def test_who_may_not_rate_or_what_cannot_be_rated_yet_is_refused(place, body, who, status):
    async with place.engine(), place.talking("coder-1") as client:
        said = await proposed(client, body)
        at = f"/v1/decisions/{said['decision_id']}/rate"
        refused = await client.post(at, json={"rating": "useful"}, headers=place.bearer(who))
        assert refused.status_code in {status, 409}, refused.text
        bad = await client.post(at, json={"rating": "great"}, headers=place.bearer("ray"))
        assert bad.status_code == 422


@pytest.mark.asyncio
async def test_what_is_no_recommendation_cannot_be_taken(place):
    async with place.engine(), place.talking("coder-1") as client:
        held, person = await proposed(client, HELD), place.bearer("ray")
        answer = await client.post(f"/v1/decisions/{held['decision_id']}/take", json={}, headers=person)
        assert answer.status_code == 409
        assert "no recommendation" in answer.text
        assert (await client.get("/v1/recommendations", headers=person)).json()["recommendations"] == []


@pytest.mark.asyncio
async def test_what_is_recommended_is_taken_done_by_hand_or_declined_and_listed_so(place):
    plan = RolloutPlan(mode="recommend")
    async with place.engine(plan=plan) as live, place.talking("coder-1") as client:
        one, two, three = [await proposed(client, ALLOWED, f"k-{number}") for number in range(3)]
        person = place.bearer("ray")

        async def say(said, word, body):
            at = f"/v1/decisions/{said['decision_id']}/{word}"
            return (await client.post(at, json=body, headers=person)).json()["status"]

        assert await say(one, "take", {"how": "run"}) == "queued"
        assert await say(two, "take", {"how": "did", "reason": "by hand"}) == "taken"
        assert await say(three, "deny", {"reason": "not now"}) == "denied"
        await perform(live, one["decision_id"])
        listed = (await client.get("/v1/recommendations", headers=person)).json()["recommendations"]
        found = (await client.get(f"/v1/decisions/{two['decision_id']}")).json()
    assert [(each["fate"], each["how"], each["after"]) for each in listed] == [
        ("declined", None, ""),
        ("taken", "did", ""),
        ("taken", "run", "done"),
    ]
    assert (found["status"], found["final"], found["answered"]["how"]) == ("taken", True, "taken")
    assert "undo" not in found["links"]
