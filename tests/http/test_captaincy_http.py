"""Who acts as captain has a captain's role over HTTP, and loses it with the captaincy."""

import pytest

from tests.http.test_holds_http import at, held

pytestmark = pytest.mark.asyncio
ALLOW = {"word": "allow", "reason": "r"}


@pytest.fixture
def people(place):
    """Headers of una, the captain, and of sam, the deputy: both are responders by their tokens."""
    made = {}
    for name in ("una", "sam"):
        text = place.tokens.create(kind="person", name=name, role="responder")[1]
        made[name] = {"Authorization": f"Bearer {text}"}
    return made


async def test_who_acts_overrules_and_nobody_else_of_that_role(place, people):
    async with place.engine(), place.talking("coder-1") as client:
        said = await held(client)
        assert (await client.post(at(said, "override"), json=ALLOW, headers=people["sam"])).status_code == 403
        away = await client.post("/v1/captaincy", json={"word": "away"}, headers=people["una"])
        assert (away.status_code, away.json()["acting"]) == (200, "sam")
        assert (await client.post(at(said, "override"), json=ALLOW, headers=people["una"])).status_code == 403
        allowed = await client.post(at(said, "override"), json=ALLOW, headers=people["sam"])
        assert (allowed.status_code, allowed.json()["status"]) == (200, "queued")


async def test_it_is_handed_over_and_taken_and_what_does_not_count_is_said(place, people):
    async with place.engine(), place.talking("coder-1") as client:
        person = place.bearer("ray")
        body = {"word": "hand-over", "to": "ray", "reason": "leave"}
        assert (await client.post("/v1/captaincy", json=body, headers=person)).status_code == 409
        offered = await client.post("/v1/captaincy", json=body, headers=people["una"])
        assert offered.json()["offered"] == "ray"
        taken = await client.post("/v1/captaincy", json={"word": "accept"}, headers=person)
        assert (taken.status_code, taken.json()["captain"]) == (200, "ray")
        known = (await client.get("/v1/captaincy", headers=place.bearer("vic"))).json()
        assert (known["acting"], known["deputy"], known["offered"]) == ("ray", "sam", "")
        assert (await client.get("/v1/captaincy")).status_code == 403, "agents are told nothing of it"
        said = await held(client)
        assert (await client.post(at(said, "override"), json=ALLOW, headers=person)).status_code == 200
