"""Agents and people vote over HTTP, and whoever proposed it is told."""

import asyncio

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import VoteCast, decode
from tests.http.placing import ALLOWED, HELD, perform
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio

LARGE = ALLOWED | {"impact": {"files": 6}}


@pytest.fixture
def place(place):
    for name in ("coder-3", "coder-4", "coder-5"):
        place.token[name] = place.tokens.create(kind="agent", name=name)[1]
    return place


async def held(client, body=LARGE):
    answer = await client.post("/v1/proposals", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "held"), answer.text
    return f"/v1/decisions/{answer.json()['decision_id']}"


async def vote(place, client, where, who, choice="for", **body):
    given = {"choice": choice} | body
    return await client.post(f"{where}/vote", json=given, headers=place.bearer(who))


async def test_three_of_five_carry_it_and_the_agent_that_waits_is_told(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        waiting = asyncio.create_task(client.post("/v1/proposals", json=LARGE, params={"wait_s": 30}))
        polls = []
        while not polls:
            await asyncio.sleep(0.02)
            polls = (await client.get("/v1/votes", headers=place.bearer("coder-2"))).json()["votes"]
        assert (polls[0]["agent"], polls[0]["needed"], polls[0]["of"]) == ("coder-1", 3, 5)
        where = polls[0]["links"]["self"]
        first = await vote(place, client, where, "coder-2", rationale="six files, all listed")
        assert first.status_code == 200, first.text
        assert (first.json()["status"], first.json()["reason"]) == (
            "held",
            "it still waits for 2 more of 3 votes",
        )
        await vote(place, client, where, "coder-3", "against")
        await vote(place, client, where, "ray")
        last = await vote(place, client, where, "coder-4")
        assert last.json()["status"] == "queued"
        await perform(live, polls[0]["decision_id"])
        said = (await asyncio.wait_for(waiting, PATIENCE_S)).json()
        found = (await client.get(where)).json()
        explained = await client.get(f"{where}/explain", headers={"Accept": "text/plain"})
    assert said["answered"]["how"] == "approved"
    assert said["answered"]["by"] == ["agent:coder-2", "ray", "agent:coder-4"]
    assert "3 for, 1 against" in said["answered"]["reason"]
    shown = found["vote"]
    assert (shown["needed"], shown["agree"], shown["against"], shown["abstain"]) == (3, 3, 1, 0)
    assert shown["votes"][0] == {
        "voter": "agent:coder-2",
        "owner": "agent:coder-2",
        "choice": "for",
        "weight": 1,
        "rationale": "six files, all listed",
    }
    assert "agent:coder-2 voted: for" in explained.text
    assert "six files" in explained.text


async def test_an_agent_cannot_vote_twice(place):
    async with place.engine(), place.talking("coder-1") as client:
        where = await held(client)
        for _ in range(4):
            said = await vote(place, client, where, "coder-2")
            assert (said.status_code, said.json()["status"]) == (200, "held")
        found = (await client.get(where)).json()
        assert (found["vote"]["agree"], len(found["vote"]["votes"])) == (1, 1)
    with SqliteReader(place.layout.journal) as journal:
        cast = [record for record in journal.read() if isinstance(decode(record.body), VoteCast)]
    assert len(cast) == 1, "the same vote again is not written down again"


async def test_an_agent_cannot_vote_on_its_own_proposal(place):
    async with place.engine(), place.talking("coder-1") as client:
        where = await held(client)
        said = await vote(place, client, where, "coder-1")
        assert said.status_code == 409
        assert said.json()["detail"].endswith("nobody votes on what they proposed")
        assert (await client.get("/v1/votes")).json()["votes"] == [], "nor is it offered"
        assert (await client.get(where)).json()["vote"]["votes"] == []


async def test_a_vote_can_be_changed_until_the_end(place):
    async with place.engine(), place.talking("coder-1") as client:
        where = await held(client)
        await vote(place, client, where, "coder-2")
        changed = await vote(place, client, where, "coder-2", "against", rationale="I looked again")
        shown = changed.json()["vote"]
        assert (shown["agree"], shown["against"]) == (0, 1)
        for who in ("coder-3", "coder-4"):
            last = await vote(place, client, where, who, "against")
        assert last.json()["status"] == "denied"
        late = await vote(place, client, where, "coder-5")
        found = (await client.get(where)).json()
    assert late.status_code == 409
    assert "denied it at" in late.json()["detail"]
    assert (found["status"], found["answered"]["how"]) == ("denied", "denied")
    assert found["answered"]["reason"].startswith("the vote was lost: 0 for, 3 against")


async def test_voters_see_what_they_vote_on_and_nothing_else(place):
    async with place.engine(), place.talking("coder-1") as client:
        large, small = await held(client), await held(client, HELD)
        other = place.bearer("coder-2")
        assert (await client.get(large, headers=other)).status_code == 200
        assert (await client.get(f"{large}/explain", headers=other)).status_code == 200
        assert (await client.get(small, headers=other)).status_code == 404
        assert (await vote(place, client, small, "coder-2")).status_code == 404
        assert (await client.get("/v1/decisions", headers=other)).json()["decisions"] == []


async def test_a_viewer_looks_and_does_not_vote(place):
    async with place.engine(), place.talking("coder-1") as client:
        where = await held(client)
        assert (await vote(place, client, where, "vic")).status_code == 403
        polls = (await client.get("/v1/votes", headers=place.bearer("vic"))).json()["votes"]
    assert len(polls) == 1


async def test_what_is_no_vote_is_refused(place):
    async with place.engine(), place.talking("coder-1") as client:
        where = await held(client)
        wrong = ({}, {"choice": "perhaps"}, {"choice": "for", "weight": 9}, {"choice": "for", "by": "cat"})
        for body in wrong:
            said = await client.post(f"{where}/vote", json=body, headers=place.bearer("coder-2"))
            assert said.status_code == 422, body
        assert (await vote(place, client, "/v1/decisions/d_000000000000000", "coder-2")).status_code == 404


async def test_a_vote_outlives_the_engine(place):
    async with place.engine(), place.talking("coder-1") as client:
        where = await held(client)
        await vote(place, client, where, "coder-2")
        await vote(place, client, where, "coder-3")
    async with place.engine(), place.talking("coder-1") as client:
        last = await vote(place, client, where, "coder-4")
    assert (last.json()["status"], last.json()["vote"]["agree"]) == ("queued", 3)


async def test_whose_an_agent_is_its_token_says_and_need_not_be_said_again(place):
    for name, owner in (("mine-1", "ray"), ("mine-2", "ray"), ("asks", "cat")):
        place.token[name] = place.tokens.create(kind="agent", name=name, owner=owner)[1]
    async with place.engine(), place.talking("asks") as client:
        where = await held(client)
        assert (await vote(place, client, where, "mine-1")).status_code == 200
        for who in ("mine-2", "ray"):
            second = await vote(place, client, where, who)
            assert (second.status_code, "one owner has one vote" in second.text) == (409, True), second.text
        own = await vote(place, client, where, "cat")
        assert (own.status_code, "asks belongs to cat" in own.text) == (409, True)
        seen = (await client.get("/v1/votes", headers=place.bearer("mine-2"))).json()["votes"]
        assert seen == [], "it may not vote on it any more"
