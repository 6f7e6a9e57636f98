"""`GET /v1/metrics`: what a Prometheus gets, with the engine and without it, and who may ask."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from bot.http_api import watching
from bot.http_api.front import Front
from engine.adapters.counts_view import CountsView
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.scopes import Scope
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.wire_figures import GetFigures
from tests.http.placing import DENIED, GRANTED, HELD, SHADOWED
from tests.http.waking import ladders, roster
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
# As Prometheus 2.42 asks.
SCRAPER = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.fixture(autouse=True)
def _never_old(monkeypatch):
    """Every page is gathered anew."""
    monkeypatch.setattr(watching, "FRESH_S", 0.0)


async def scraped(client, place, who="vic"):
    """Scrape once; every sample by its name, with its labels and value."""
    answer = await client.get("/v1/metrics", headers=place.bearer(who))
    assert answer.status_code == 200, answer.text
    found = {}
    for family in plain_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("watchkeeper_"), []).append(
                (sample.labels, sample.value)
            )
    return found


def value(found, name, **labels):
    """The one sample of these labels."""
    (each,) = [value for has, value in found[name] if labels.items() <= has.items()]
    return each


async def until(client, place, true):
    """Scrape until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not true(found := await scraped(client, place)):
            await asyncio.sleep(0.05)
    return found


def up(found):
    return value(found, "engine_up") == 1


async def test_decisions_are_counted_and_what_waits_is_shown(place):
    async with place.engine(), place.talking("coder-1") as agent:
        for body in (GRANTED, HELD, DENIED, SHADOWED):
            await agent.post("/v1/proposals", json=body)
        found = await until(agent, place, up)
    for word in ("allow", "hold", "deny"):
        assert value(found, "decisions_total", capability="heal", verdict=word, shadowed="false") == 1
    assert value(found, "decisions_total", capability="edit", verdict="allow", shadowed="true") == 1
    assert value(found, "holds_open") == 1
    waits_s = value(found, "hold_next_end_timestamp_seconds") - value(
        found, "hold_oldest_start_timestamp_seconds"
    )
    assert waits_s == pytest.approx(86_400)
    assert value(found, "limit_most", limit="cost_per_hour") == 10
    assert value(found, "rollout_stage", capability="heal", version="1", stage="live") == 1
    assert value(found, "trouble", trouble="journal") == 0


async def test_with_the_engine_dead_it_says_what_the_journal_and_the_fence_know(place):
    async with place.engine(), place.talking("coder-1") as agent:
        await agent.post("/v1/proposals", json=HELD)
    place.fence.set(Stop(scope=Scope("agent", "coder-1"), by="cat", reason="", at_us=1))
    async with place.talking("vic") as person:
        found = await until(person, place, lambda found: "decisions_total" in found)
    assert value(found, "engine_up") == 0
    assert value(found, "decisions_total", capability="heal", verdict="hold", shadowed="false") == 1
    assert value(found, "stops", scope="agent") == 1
    assert value(found, "stops", scope="all") == 0
    assert value(found, "journal_records") > 0
    assert "holds_open" not in found, "only the engine knows which still wait"


async def test_an_engine_that_hangs_keeps_no_scrape_waiting_for_long(place, monkeypatch):
    monkeypatch.setattr(watching, "_ENGINE_S", 0.05)
    async with place.engine() as live, place.talking("vic") as person:
        await until(person, place, up)

        async def never(_request):
            await asyncio.Event().wait()

        live._answers[GetFigures] = never
        assert not up(await scraped(person, place))


async def test_without_a_journal_it_says_so(place):
    async with place.talking("vic") as person:
        found = await scraped(person, place)
    assert value(found, "journal_readable") == 0
    assert value(found, "engine_up") == 0
    assert "journal_records" not in found


async def test_stops_troubles_and_breakers_are_there_and_go_away(place):
    async with place.engine() as live, place.talking("coder-1") as agent:
        await live.answer(wire.SetStop(scope=Scope("all"), by="cat", reason=""))
        now_us = live.clock.now_us()
        await live.intake.take("t", f.TroubleFound(at_us=now_us, trouble="clock", detail="behind"))
        for nth in range(live.intake.state.breakers.settings.failures_to_open):
            failed = f.OutcomeReported(
                at_us=now_us, proposal_id=f"p-{nth}", agent="coder-1", capability="heal@1",
                action="cache.clear", ok=False, by="executor",
            )  # fmt: skip
            await live.intake.take(f"o{nth}", failed)
        found = await until(agent, place, up)
        assert value(found, "stops", scope="all") == 1
        assert value(found, "trouble", trouble="clock") == 1
        assert value(found, "breaker_state", capability="heal", action="cache.clear", state="open") == 1
        await live.answer(wire.LiftStop(scope=Scope("all"), by="cat", reason="well again"))
        await live.answer(wire.ClearTrouble(trouble="clock", by="cat", reason="set"))
        found = await scraped(agent, place)
        assert value(found, "stops", scope="all") == 0
        assert value(found, "trouble", trouble="clock") == 0


async def test_escalations_are_counted_as_they_stand(place):
    async with place.engine(ladders=ladders()), place.talking("ray", roster=roster()) as person:
        body = {"summary": "the shop is down", "severity": "critical"}
        answer = await person.post("/v1/escalations", json=body, headers={"Idempotency-Key": "escalation-1"})
        assert answer.status_code in {200, 201}, answer.text
        found = await until(
            person, place, lambda found: up(found) and any(count for _, count in found["escalations_total"])
        )
    assert value(found, "escalations_total", kind="request", severity="critical") == 1
    assert value(found, "escalations_open", severity="critical") == 1


async def test_requests_are_counted_by_route_and_never_by_address(place):
    async with place.engine(), place.talking("vic") as person:
        for nth in range(3):
            assert (await person.get(f"/v1/decisions/d_00000000000000{nth}")).status_code == 404
            assert (await person.get(f"/v1/nowhere/{nth}")).status_code == 404
        assert (await person.get("/elsewhere", headers={"Host": "evil.example"})).status_code == 421
        found = await scraped(person, place)
    routes = {labels["route"] for labels, _ in found["http_requests_total"]}
    assert routes <= {"/v1/decisions/{decision_id}", "none", "/v1/metrics"}, routes
    assert value(found, "http_requests_total", route="/v1/decisions/{decision_id}", code="404") == 3
    assert value(found, "http_requests_total", route="none", code="421") == 1
    seconds = "http_request_duration_seconds_count"
    assert value(found, seconds, route="/v1/decisions/{decision_id}", method="GET") == 3


async def test_people_may_and_agents_and_strangers_may_not(place):
    async with place.engine(), place.talking() as anybody:
        assert (await anybody.get("/v1/metrics")).status_code == 401
        assert (await anybody.get("/v1/metrics", headers=place.bearer("coder-1"))).status_code == 403
        assert (await anybody.get("/v1/metrics", headers=place.bearer("cat"))).status_code == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (SCRAPER, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (None, "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
async def test_it_comes_in_the_form_that_is_asked_for(place, accept, kind):
    async with place.engine(), place.talking("vic") as person:
        answer = await person.get("/v1/metrics", headers={"Accept": accept} if accept else {})
    assert answer.headers["Content-Type"] == kind
    parse = open_families if "openmetrics" in kind else plain_families
    assert "watchkeeper_engine_up" in {family.name for family in parse(answer.text)}


async def test_no_other_form_is_offered(place):
    async with place.talking("vic") as person:
        assert (await person.get("/v1/metrics", headers={"Accept": "application/json"})).status_code == 406


async def test_a_scrape_is_nobody_at_the_controls(place):
    async with place.engine(), place.talking("cat") as person:
        await scraped(person, place, "cat")
        await asyncio.sleep(0.1)
        assert not place.journal().facts(f.tag_of(f.PersonSeen)).records
        # Any other request says so.
        await person.get("/v1/kpis")
        async with asyncio.timeout(PATIENCE_S):
            while not place.journal().facts(f.tag_of(f.PersonSeen)).records:
                await asyncio.sleep(0.02)
        found = await scraped(person, place)
    assert value(found, "person_last_seen_timestamp_seconds", role="captain") > 0


async def test_counts_are_left_out_until_they_are_whole(place):
    async with place.engine(), place.talking("coder-1") as agent:
        await agent.post("/v1/proposals", json=GRANTED)
    slow = CountsView(place.looking, place.layout.journal)
    async with place.talking("vic", tallying=lambda _most: slow.look(1)) as person:
        found = await scraped(person, place)
        assert "facts_total" not in found
        assert value(found, "journal_uncounted_records") > 0
        found = await until(person, place, lambda found: "facts_total" in found)
    assert value(found, "journal_uncounted_records") == 0


async def test_many_scrapes_of_one_second_ask_the_engine_once(place, monkeypatch):
    monkeypatch.setattr(watching, "FRESH_S", 1.0)
    asked, ask = [], Front.ask

    async def noted(self, request, kind, **more):
        asked.append(type(request).__name__)
        return await ask(self, request, kind, **more)

    monkeypatch.setattr(Front, "ask", noted)
    async with place.engine(), place.talking("vic") as person:
        async with asyncio.timeout(PATIENCE_S):
            while (await person.get("/v1/health")).status_code != 200:
                await asyncio.sleep(0.02)
        await asyncio.gather(*(scraped(person, place) for _ in range(20)))
    assert sorted(asked) == ["GetFigures", "GetStatus", "GetUsage"]
