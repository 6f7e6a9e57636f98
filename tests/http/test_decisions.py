"""Looking through decisions: whose one sees, which ones, page by page, with the engine and without."""

import pytest

from engine.adapters import decisions_view
from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD, perform


async def filled(place, client):
    """Some decisions of two agents, in the order they were made."""
    made = []
    for number, (agent, body) in enumerate(
        [
            ("coder-1", GRANTED),
            ("coder-2", GRANTED),
            ("coder-1", DENIED),
            ("coder-1", HELD),
            ("coder-2", ALLOWED),
        ]
    ):
        headers = place.bearer(agent) | {"Idempotency-Key": f"k-{number}"}
        made.append((await client.post("/v1/proposals", json=body, headers=headers)).json())
    return made


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [one["decision_id"] for one in answer.json()["decisions"]]


@pytest.mark.asyncio
async def test_people_see_all_and_an_agent_its_own_newest_first(place):
    async with place.engine(), place.talking("vic") as client:
        made = await filled(place, client)
        every = [one["decision_id"] for one in reversed(made)]
        own = [one["decision_id"] for one in reversed(made) if one["agent"] == "coder-1"]
        assert ids(await client.get("/v1/decisions")) == every
        assert ids(await client.get("/v1/decisions", headers=place.bearer("coder-1"))) == own
        asked = await client.get("/v1/decisions?agent=coder-2", headers=place.bearer("coder-1"))
        assert ids(asked) == []


@pytest.mark.asyncio
async def test_another_agents_decision_does_not_exist_for_an_agent(place):
    async with place.engine(), place.talking("coder-2") as client:
        made = await filled(place, client)
        for path in ("", "/explain", "/stream"):
            missing = await client.get(f"/v1/decisions/d_000000000000000{path}")
            others = await client.get(f"/v1/decisions/{made[0]['decision_id']}{path}")
            assert (missing.status_code, others.status_code) == (404, 404)
            assert missing.json().keys() == others.json().keys()
        assert (await client.post(f"/v1/decisions/{made[0]['decision_id']}/preview")).status_code == 404


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("agent=coder-2", [4, 1]),
        ("capability=heal", [4, 3, 2, 1, 0]),
        ("capability=heal@1", [4, 3, 2, 1, 0]),
        ("capability=heal@2", []),
        ("capability=hea", []),
        ("action=cache.clear", [4, 3]),
        ("word=deny", [2]),
        ("word=hold&agent=coder-1", [3]),
        ("limit=2", [4, 3]),
        ("since=2000-01-01T00:00:00Z", [4, 3, 2, 1, 0]),
        ("until=2000-01-01T00:00:00Z", []),
        ("since=2100-01-01T00:00:00", []),
    ],
)
async def test_decisions_are_filtered(place, query, numbers):
    async with place.engine(), place.talking("vic") as client:
        made = await filled(place, client)
        assert ids(await client.get(f"/v1/decisions?{query}")) == [made[n]["decision_id"] for n in numbers]


@pytest.mark.asyncio
async def test_since_and_until_cut_between_decisions(place):
    async with place.engine(), place.talking("vic") as client:
        made = await filled(place, client)
        middle = made[2]["at"]
        assert ids(await client.get("/v1/decisions", params={"since": middle})) == [
            made[n]["decision_id"] for n in (4, 3, 2)
        ]
        assert ids(await client.get("/v1/decisions", params={"until": middle})) == [
            made[n]["decision_id"] for n in (1, 0)
        ]


@pytest.mark.asyncio
@pytest.mark.parametrize("furthest", [3, 100_000])
async def test_pages_together_hold_every_decision_once(place, monkeypatch, furthest):
    monkeypatch.setattr(decisions_view, "FURTHEST", furthest)
    async with place.engine(), place.talking("vic") as client:
        made = await filled(place, client)
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            answer = await client.get("/v1/decisions", params=query)
            found += ids(answer)
            cursor, pages = answer.json()["next"], pages + 1
            assert pages < 50
    assert found == [one["decision_id"] for one in reversed(made)]


@pytest.mark.asyncio
async def test_a_decision_is_explained_as_json_and_as_text(place):
    async with place.engine(), place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=HELD)).json()
        path = f"/v1/decisions/{made['decision_id']}/explain"
        as_json = await client.get(path)
        as_text = await client.get(path, headers={"Accept": "text/plain, application/json;q=0.5"})
    assert as_json.json()["args"] == {"service": "web"}
    assert {gate["gate"] for gate in as_json.json()["gates"]} >= {"kill_switch", "rollout", "escalation"}
    assert as_text.headers["content-type"].startswith("text/plain")
    assert as_text.text.startswith("HELD: coder-1 must wait to run cache.clear")


@pytest.mark.asyncio
async def test_with_the_engine_dead_decisions_are_still_read(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=ALLOWED)).json()
        await perform(live, made["decision_id"], "failed")
        waits = (await client.post("/v1/proposals", json=ALLOWED)).json()
    async with place.talking("coder-1") as client:
        listed = (await client.get("/v1/decisions")).json()["decisions"]
        one = (await client.get(f"/v1/decisions/{waits['decision_id']}")).json()
    assert [(shown["decision_id"], shown["status"]) for shown in listed] == [
        (waits["decision_id"], "queued"),
        (made["decision_id"], "failed"),
    ]
    assert one["status"] == "queued"


@pytest.mark.asyncio
async def test_a_journal_that_took_the_place_of_another_is_read(place):
    async with place.engine(), place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=GRANTED)).json()
        assert ids(await client.get("/v1/decisions")) == [made["decision_id"]]
    for tail in ("", "-wal", "-shm"):
        place.layout.journal.with_name(f"journal.db{tail}").unlink(missing_ok=True)
    async with place.engine(), place.talking("coder-1") as client:
        assert ids(await client.get("/v1/decisions")) == []
