"""Agents vote over HTTP between proposals that want the same, and a captain settles what they leave open."""

import pytest

from engine.core.vocabulary.facts import TimePassed
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.core.vocabulary.voting import Topic, Voter, VotingSettings
from tests.competitions import competition
from tests.http.placing import ALLOWED, perform

pytestmark = pytest.mark.asyncio

VOTERS = tuple(Voter(name=name) for name in ("agent:coder-3", "agent:coder-4", "agent:coder-2", "ray"))


def voting(*, known=True, **values):
    return VotingSettings(topics=(Topic(voters=VOTERS),) if known else (), competition=competition(**values))


@pytest.fixture
def place(place):
    for name in ("coder-3", "coder-4", "coder-5"):
        place.token[name] = place.tokens.create(kind="agent", name=name)[1]
    return place


async def propose(place, client, who):
    answer = await client.post("/v1/proposals", json=ALLOWED, headers=place.bearer(who))
    return answer.json()["decision_id"]


async def three(place, client):
    return [await propose(place, client, who) for who in ("coder-1", "coder-2", "coder-5")]


async def ballot(place, client, about, who, *choices):
    body = {"choices": list(choices), "rationale": "r"}
    return await client.post(f"/v1/decisions/{about}/ballot", json=body, headers=place.bearer(who))


async def test_agents_vote_between_what_competes_and_the_winner_runs_when_the_first_is_done(place):
    async with place.engine(voting=voting()) as live, place.talking("coder-1") as client:
        first, second, third = await three(place, client)
        (open_now,) = (await client.get("/v1/contests", headers=place.bearer("coder-3"))).json()["contests"]
        assert [each["decision_id"] for each in open_now["alternatives"]] == [second, third]
        assert (await ballot(place, client, second, "coder-3", third)).status_code == 200
        assert (await ballot(place, client, second, "coder-4", third, second)).status_code == 200
        last = await ballot(place, client, second, "ray")
        assert (last.status_code, last.json()["winner"]) == (200, third)
        await perform(live, first)
        found = [
            (await client.get(f"/v1/decisions/{each}", headers=place.bearer("ray"))).json()["status"]
            for each in (second, third)
        ]
        explained = await client.get(
            f"/v1/decisions/{second}/explain", headers=place.bearer("ray") | {"Accept": "text/plain"}
        )
        after = (await client.get("/v1/contests", headers=place.bearer("ray"))).json()["contests"]
    assert found == ["denied", "queued"]
    assert "by the vote" in " ".join(explained.text.split())
    assert after == []


async def test_whoever_proposed_or_is_not_registered_has_no_ballot(place):
    async with place.engine(voting=voting()), place.talking("coder-1") as client:
        _, second, third = await three(place, client)
        own = await ballot(place, client, second, "coder-2", second)
        stranger = await ballot(place, client, second, "coder-1", third)
        other = await ballot(place, client, second, "coder-3", "d_000000000000000")
        seen = (await client.get("/v1/contests", headers=place.bearer("coder-1"))).json()["contests"]
    assert (own.status_code, stranger.status_code, other.status_code) == (409, 404, 409)
    assert "own stands" in own.json()["detail"]
    assert seen == []


async def test_what_a_tie_leaves_open_a_captain_settles_and_nobody_else(place):
    rules = voting(known=False, within_us=SECOND_US // 1000, captain_us=15 * MINUTE_US)
    async with place.engine(voting=rules) as live, place.talking("coder-1") as client:
        _, _, third = await three(place, client)
        before = await client.post(f"/v1/decisions/{third}/settle", json={}, headers=place.bearer("cat"))
        await tick(live)
        ray = await client.post(f"/v1/decisions/{third}/settle", json={}, headers=place.bearer("ray"))
        cat = await client.post(f"/v1/decisions/{third}/settle", json={}, headers=place.bearer("cat"))
    assert (before.status_code, ray.status_code, cat.status_code) == (409, 403, 200)
    assert cat.json()["winner"] == third


async def tick(live):
    now_us = live.clock.now_us()
    await live.intake.take(f"time:minute:{now_us}", TimePassed(at_us=now_us, schedule="minute"))
