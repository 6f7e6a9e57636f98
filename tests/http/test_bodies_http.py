"""What bodies ask over HTTP: which tokens open what, and that stops are heard with the engine away."""

import asyncio
import json

import httpx
import pytest
from msgspec import structs

from engine.core.vocabulary.facts import Scope
from engine.ports import Stop
from tests.builders import RESTART, performing
from tests.http.placing import ALLOWED
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
ON_DEV = performing("cache.clear", run=structs.replace(RESTART, on="dev"))
WORK = {"run": "r1r1", "most": 2}


def body_of(place, name="lap", pools=("dev",)):
    place.token[name] = place.tokens.create(kind="body", name=name, pools=pools)[1]
    return place.bearer(name)


async def test_an_effect_goes_out_and_its_end_comes_back(place):
    headers = body_of(place)
    async with place.engine(policy=ON_DEV), place.talking() as api:
        me = (await api.get("/v1/body/self", headers=headers)).json()
        assert (me["name"], me["pools"]) == ("lap", ["dev"])
        assert [action["name"] for action in me["actions"]] == ["cache.clear"]
        await api.post("/v1/proposals", json=ALLOWED, headers=place.bearer("coder-1"))
        work = (await api.post("/v1/body/work", json=WORK, headers=headers)).json()
        (effect,) = work["effects"]
        assert work["lease_s"] > 0
        lease = {"effect_id": effect["task"]["effect_id"], "token": effect["task"]["token"]}
        assert (await api.post("/v1/body/begin", json=lease, headers=headers)).status_code == 204
        renewed = {"run": "r1r1", "leases": [lease]}
        assert (await api.post("/v1/body/renew", json=renewed, headers=headers)).json() == {"lost": []}
        result = {"success": True, "output": "fine", "execution_time_s": 0.1}
        end = lease | {"status": "done", "result": result}
        for _ in range(2):
            assert (await api.post("/v1/body/end", json=end, headers=headers)).status_code == 204
        decision = await api.get(f"/v1/decisions/{lease['effect_id']}", headers=place.bearer("coder-1"))
        assert (decision.json()["status"], decision.json()["result"]["output"]) == ("done", "fine")


async def test_a_lease_of_another_body_is_refused_as_lost(place):
    headers, others = body_of(place), body_of(place, "desk")
    async with place.engine(policy=ON_DEV), place.talking() as api:
        await api.post("/v1/proposals", json=ALLOWED, headers=place.bearer("coder-1"))
        (effect,) = (await api.post("/v1/body/work", json=WORK, headers=headers)).json()["effects"]
        lease = {"effect_id": effect["task"]["effect_id"], "token": effect["task"]["token"]}
        for where in ("begin", "return"):
            refused = await api.post(f"/v1/body/{where}", json=lease, headers=others)
            assert (refused.status_code, refused.json()["type"]) == (409, "urn:watchkeeper:lease-lost")


async def test_a_bodys_token_opens_nothing_else(place):
    headers = body_of(place)
    async with place.talking() as api:
        for method, path in (
            ("GET", "/v1/status"), ("GET", "/v1/decisions"), ("GET", "/v1/stream"), ("POST", "/v1/kill"),
            ("POST", "/v1/proposals"), ("GET", "/v1/stops"), ("GET", "/v1/metrics"),
            ("POST", "/v1/heartbeat"), ("GET", "/v1/bodyguards"),
        ):  # fmt: skip
            refused = await api.request(method, path, headers=headers, json={} if method == "POST" else None)
            assert refused.status_code == 403, path
            assert "opens nothing else" in refused.json()["detail"]


@pytest.mark.parametrize("who", ["coder-1", "cat"])
async def test_no_other_token_performs_effects(place, who):
    async with place.talking() as api:
        for path in ("work", "begin", "renew", "end", "return"):
            refused = await api.post(f"/v1/body/{path}", json={}, headers=place.bearer(who))
            assert refused.status_code == 403
            assert "only bodies" in refused.json()["detail"]
        for path in ("self", "stops"):
            assert (await api.get(f"/v1/body/{path}", headers=place.bearer(who))).status_code == 403


async def test_stops_are_heard_with_the_engine_away_and_until_the_token_is_revoked(place):
    headers = body_of(place)
    heard = []
    with place.served(engine=False) as url:

        def hear(stops):
            heard.append([one["scope"] for one in stops])

        async def listen():
            async with (
                httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client,
                client.stream("GET", "/v1/body/stops", headers=headers) as answer,
            ):
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        hear(json.loads(line[6:])["stops"])

        listening = asyncio.create_task(listen())
        await told(lambda: heard == [[]] * len(heard) and len(heard) >= 2)
        place.fence.set(Stop(scope=Scope("agent", "coder-1"), by="ann", reason="", at_us=1))
        await told(lambda: heard[-1] == [["agent", "coder-1"]])
        place.fence.clear(Scope("agent", "coder-1"))
        await told(lambda: heard[-1] == [])
        (entry,) = [one for one in place.tokens.entries() if one.kind == "body"]
        place.tokens.revoke(entry.id)
        await asyncio.wait_for(listening, PATIENCE_S)


async def told(true):
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.005)
