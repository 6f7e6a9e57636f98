import pytest
from tests.http.conftest import talking


@pytest.mark.asyncio
async def test_smoke(place):
    async with talking(place.app()) as client:
        r = await client.get("/v1/health")
        print(r.status_code, r.text, r.headers)
        r = await client.get("/openapi.json")
        print(r.status_code, len(r.text))
        r = await client.get("/v1/decisions")
        print(r.status_code, r.text)
        h = place.headers("coder-1")
        body = {
            "action": "cache.clear",
            "args": {"service": "web"},
            "capability": "heal@1",
            "confidence": 0.9,
        }
        r = await client.post("/v1/proposals", json=body, headers=h | {"Idempotency-Key": "k1"})
        print(r.status_code, r.text)
        d = r.json()["decision_id"]
        for p in (
            "",
            "/explain",
        ):
            r = await client.get(f"/v1/decisions/{d}{p}", headers=h)
            print(r.status_code, r.text[:300])
        r = await client.get("/v1/decisions", headers=h)
        print(r.status_code, r.text[:300])
        r = await client.post("/v1/kill", json={"scope": "all"}, headers=place.headers("ray"))
        print(r.status_code, r.text[:300])
        r = await client.get("/v1/status", headers=place.headers("ray"))
        print(r.status_code, r.text[:300])
        r = await client.post("/v1/proposals", json={"action": 1, "x/y": 2}, headers=h)
        print(r.status_code, r.text)
        r = await client.post(
            "/v1/proposals", content=b'{"action":NaN}', headers=h | {"content-type": "application/json"}
        )
        print(r.status_code, r.text)
        r = await client.post("/v1/proposals", content=b"x", headers=h | {"content-type": "text/plain"})
        print(r.status_code, r.text)
