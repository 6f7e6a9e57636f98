"""`GET /v1/kpis`, and what `watchkeeper status` and `kpi` say of the same journal."""

import asyncio
import json
import re

import pytest

from engine.adapters.kpi_view import KpiView
from engine.runtime import wire
from engine.wiring import SHIPPED_CONFIG
from engine.wiring.kpis import read_kpis
from tests.cli.running import here
from tests.http.placing import GRANTED

pytestmark = pytest.mark.asyncio


async def grant(client, cost=None):
    decision = (await client.post("/v1/proposals", json=GRANTED)).json()
    body = {"ok": True} if cost is None else {"ok": True, "cost_usd": cost}
    answer = await client.post(f"/v1/proposals/{decision['proposal_id']}/outcome", json=body)
    assert answer.status_code == 200, answer.text


def named(answer, name):
    (found,) = [kpi for kpi in answer.json()["kpis"] if kpi["name"] == name]
    return found


async def test_people_see_how_kpis_stand(place):
    async with place.engine(), place.talking("coder-1") as agent:
        for _ in range(19):
            await grant(agent)
        await grant(agent, "0.50")
        await grant(agent, 0.25)
        answer = await agent.get("/v1/kpis", headers=place.bearer("vic"))
    assert answer.status_code == 200
    cost = named(answer, "cost per decision")
    assert (cost["word"], cost["count"]) == ("met", 21)
    assert cost["value"] == pytest.approx(0.75 / 21)
    assert cost["parts"][0] == ["at their actual cost", 2]
    # An episode is judged an hour after it began.
    assert named(answer, "success of autonomy")["why"] == "no episode ended"
    assert answer.json()["behind"] == 0


async def test_a_stop_is_lost_time(place):
    async with place.engine() as live, place.talking("vic") as person:
        await live.answer(wire.SetStop(scope=wire.Scope("all"), by="cat", reason=""))
        await asyncio.sleep(1.1)
        await live.answer(wire.LiftStop(scope=wire.Scope("all"), by="cat", reason="well again"))
        uptime = named(await person.get("/v1/kpis"), "uptime of autonomy")
    assert dict(uptime["parts"])["seconds stopped"] == 1
    assert uptime["word"] == "missed"


async def test_it_needs_no_engine_and_goes_on_after_a_restart(place):
    async with place.engine(), place.talking("coder-1") as agent:
        await grant(agent)
        before = await agent.get("/v1/kpis", headers=place.bearer("vic"))
    async with place.talking("vic") as person:
        away = await person.get("/v1/kpis")
    async with place.engine(), place.talking("coder-1") as agent:
        await grant(agent)
        after = await agent.get("/v1/kpis", headers=place.bearer("vic"))
    assert away.json()["seq"] >= before.json()["seq"]
    counts = [named(answer, "cost per decision")["count"] for answer in (before, away, after)]
    assert counts == [1, 1, 2]


async def test_without_a_journal_it_says_what_to_do(place):
    async with place.talking("vic") as person:
        answer = await person.get("/v1/kpis")
    assert answer.status_code == 503
    assert answer.json()["cure"] == "start the engine: watchkeeper up"


async def test_agents_and_strangers_do_not_see_them(place):
    async with place.engine(), place.talking("coder-1") as agent:
        assert (await agent.get("/v1/kpis")).status_code == 403
        assert (await agent.get("/v1/kpis", headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize("cost", [-1, "x", True, 10**13, "1e-13"])
async def test_a_cost_that_is_none_is_refused(place, cost):
    async with place.engine(), place.talking("coder-1") as agent:
        decision = (await agent.post("/v1/proposals", json=GRANTED)).json()
        path = f"/v1/proposals/{decision['proposal_id']}/outcome"
        answer = await agent.post(path, json={"ok": True, "cost_usd": cost})
    assert answer.status_code == 422
    assert "cost_usd" in answer.text


async def test_status_and_kpi_say_the_same_with_the_engine_running_and_dead(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    async with place.engine(), place.talking("coder-1") as agent:
        for _ in range(20):
            await grant(agent)
        running = await asyncio.to_thread(here, "status")
    dead = await asyncio.to_thread(here, "status")
    alone = await asyncio.to_thread(here, "kpi", "--json")
    for said in (running, dead):
        assert "kpi       met      cost per decision" in said.output
        assert re.search(r"kpi       \d unknown: watchkeeper kpi says why\n", said.output)
        assert "success of autonomy" not in said.output
    kpis = json.loads((await asyncio.to_thread(here, "status", "--json")).output)["kpis"]
    assert kpis == json.loads(alone.output)["kpis"]


async def test_status_works_with_a_wrong_kpi_file(place, monkeypatch, tmp_path):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    config = tmp_path / "config"
    config.mkdir()
    (config / "kpis.yaml").write_text("kpis: 7\n")
    async with place.engine():
        found = await asyncio.to_thread(here, "status", "--config", str(config))
    assert "kpi       " in found.output
    assert "kpis.yaml:1: kpis: Input should be a valid tuple" in found.output


async def test_they_are_kept_up_in_pieces_though_nobody_asks(place, monkeypatch):
    monkeypatch.setattr("bot.http_api.front.COUNT_EVERY_S", 0.01)
    monkeypatch.setattr("engine.adapters.kept_fold._KEEP_AFTER", 1)
    monkeypatch.setattr("bot.http_api.front.PIECE", 2)
    async with place.engine(), place.talking("coder-1") as agent:
        for _ in range(3):
            await grant(agent)
        head = place.journal().head().seq
        for _ in range(50_000):
            view = KpiView(read_kpis(SHIPPED_CONFIG), place.journal, place.layout.kpis, keeps=False)
            if view.look(0).seq >= head:
                break
            await asyncio.sleep(0.02)
        assert view.look(0).seq >= head > 6


async def test_the_command_line_leaves_the_folder_as_it_is(place, monkeypatch):
    monkeypatch.setattr("engine.adapters.kept_fold._KEEP_AFTER", 1)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    async with place.engine():
        await asyncio.to_thread(here, "status")
        assert (await asyncio.to_thread(here, "kpi")).exit_code == 0
    assert not place.layout.kpis.exists()
