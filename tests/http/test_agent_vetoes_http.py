"""An agent that holds the veto, over HTTP with its own token: it sees all, vetoes, and never allows."""

import pytest

from tests.http.placing import ALLOWED, perform
from tests.http.test_holds_http import at, held

pytestmark = pytest.mark.asyncio


@pytest.fixture
def warden(place):
    """The headers of the agent that holds the veto."""
    _, text = place.tokens.create(kind="agent", name="warden", role=None, capabilities=("watch@*",))
    return {"Authorization": f"Bearer {text}"}


async def test_it_sees_what_others_proposed_vetoes_it_and_may_not_allow_it(place, warden):
    body = {"reason": "it smells"}
    async with place.engine() as live, place.talking("coder-1") as client:
        said = await held(client)
        listed = (await client.get("/v1/decisions", headers=warden)).json()["decisions"]
        assert [each["decision_id"] for each in listed] == [said["decision_id"]]
        assert (await client.get(f"/v1/decisions/{said['decision_id']}", headers=warden)).status_code == 200
        allowed = await client.post(at(said, "override"), json=body | {"word": "allow"}, headers=warden)
        assert (allowed.status_code, "never an allow" in allowed.text) == (409, True)
        vetoed = await client.post(at(said, "override"), json=body | {"word": "veto"}, headers=warden)
        assert (vetoed.status_code, vetoed.json()["status"]) == (200, "vetoed")
        found = (await client.get(f"/v1/decisions/{said['decision_id']}")).json()
        assert found["veto"]["by"] == "agent:warden"
        explained = await client.get(at(said, "explain"), headers={"Accept": "text/plain"} | warden)
        done = (await client.post("/v1/proposals", json=ALLOWED)).json()
        await perform(live, done["decision_id"])
        after = await client.post(at(done, "override"), json=body | {"word": "veto"}, headers=warden)
        assert (after.status_code, after.json()["undo"] is not None) == (200, True)
    assert "that did not count" in explained.text
    assert "agent:warden vetoed it" in explained.text


async def test_an_agent_without_the_veto_has_no_say_and_people_need_their_role(place, warden):
    veto = {"word": "veto", "reason": "r"}
    async with place.engine(), place.talking("coder-1") as client:
        said = await held(client)
        own = await client.post(at(said, "override"), json=veto)
        assert (own.status_code, "holds no veto" in own.text) == (403, True)
        assert (
            await client.post(at(said, "override"), json=veto, headers=place.bearer("ray"))
        ).status_code == 403
        approve = await client.post(at(said, "approve"), headers=warden)
        assert approve.status_code == 403, "a veto is no approval"
        assert (await client.get("/v1/holds", headers=warden)).status_code == 403
