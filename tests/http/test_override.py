"""Stopping and resuming over HTTP: with the engine alive, silent and gone."""

import asyncio
import statistics
import threading
import time

import pytest

from engine.commands import stopping
from engine.core.vocabulary.facts import Scope
from engine.errors import StorageError
from engine.runtime.client import EngineClient
from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD, SHADOWED, Silent, perform
from tests.patience import PATIENCE_S


@pytest.mark.asyncio
async def test_a_kill_fences_then_sweeps_then_tells_the_engine(place):
    async with place.engine() as live, place.talking("ray") as client:
        answer = await client.post("/v1/kill", json={"scope": "agent:coder-1", "reason": "drill"})
        said = answer.json()
        assert (said["scope"], said["by"], said["fence"]) == ("agent:coder-1", "ray", "set")
        await asyncio.sleep(0.05)
        # The engine, told at the same time as the sweep begins, sets it once more to be sure.
        assert place.fence.order[0] == "fence"
        assert sorted(place.fence.order[1:]) == ["fence", "sweep"]
        assert list(live.intake.state.stops.by_scope) == ["agent:coder-1"]
        refused = (await client.post("/v1/proposals", json=GRANTED, headers=place.bearer("coder-1"))).json()
        assert refused["word"] == "deny"
        assert "drill" in refused["summary"]


@pytest.mark.asyncio
async def test_a_kill_without_a_body_stops_everything(place):
    async with place.talking("ray") as client:
        assert (await client.post("/v1/kill")).status_code == 200
    assert [stop.scope for stop in place.fence.stops()] == [Scope("all")]


@pytest.mark.asyncio
async def test_an_agent_may_stop_itself_and_nobody_else(place):
    async with place.talking("coder-1") as client:
        assert (await client.post("/v1/kill", json={"scope": "agent:coder-2"})).status_code == 403
        assert (await client.post("/v1/kill", json={"scope": "all"})).status_code == 403
        answer = await client.post("/v1/kill", json={"scope": "agent:coder-1"})
    assert answer.json()["by"] == "agent:coder-1"
    assert [str(stop.scope) for stop in place.fence.stops()] == ["agent:coder-1"]


@pytest.mark.asyncio
async def test_a_kill_answers_in_milliseconds_with_an_engine_that_says_nothing(place):
    took_ms = []
    with Silent(place.layout.socket):
        async with place.talking("ray", engine=EngineClient(place.layout.socket)) as client:
            await client.get("/v1/stops")
            for number in range(20):
                began = time.perf_counter()
                answer = await client.post("/v1/kill", json={"scope": f"agent:coder-{number}"})
                took_ms.append((time.perf_counter() - began) * 1000)
                assert answer.json() | {"scope": ""} == {
                    "scope": "",
                    "by": "ray",
                    "fence": "set",
                    "swept": "done",
                    "engine": "not yet",
                }
    assert len(place.fence.stops()) == 20
    # Generous for a busy machine; the engine's own patience alone would be two seconds.
    assert statistics.median(took_ms) < 500, took_ms


@pytest.mark.asyncio
async def test_a_kill_with_the_engine_gone_says_so(place):
    async with place.talking("ray") as client:
        answer = await client.post("/v1/kill", json={"scope": "all"})
    assert answer.json()["engine"] in {"away", "not yet"}
    assert answer.json()["fence"] == "set"


@pytest.mark.asyncio
async def test_a_sweep_that_takes_long_is_not_waited_for(place, monkeypatch):
    sweeping = threading.Event()
    async with place.talking("ray", sweep=lambda: sweeping.wait(PATIENCE_S)) as client:
        answer = await client.post("/v1/kill", json={"scope": "all"})
        sweeping.set()
    assert answer.json()["swept"] == "not yet"


@pytest.mark.asyncio
async def test_an_agent_that_stops_itself_again_and_again_keeps_no_person_waiting(place):
    release, sweeps = threading.Event(), []

    def sweep():
        sweeps.append(len(place.fence.stops()))
        release.wait(2 * PATIENCE_S)

    async with place.talking("coder-1", sweep=sweep) as client:
        try:
            for _ in range(40):
                answer = await client.post("/v1/kill", json={"scope": "agent:coder-1"})
                assert answer.json()["swept"] == "not yet"
            asked = client.post("/v1/kill", headers=place.bearer("ray"))
            answer = await asyncio.wait_for(asked, PATIENCE_S)
        finally:
            release.set()
        assert answer.json()["fence"] == "set"
        for _ in range(50_000):
            await asyncio.sleep(0.01)
            if 2 in sweeps:
                break
    assert sweeps[-1] == 2, "a sweep begins after the newest stop"
    assert len(sweeps) < 10, "stops that wait for a sweep share the next one"


@pytest.mark.asyncio
async def test_a_fence_that_agents_are_setting_is_set_for_a_person_meanwhile(place, monkeypatch):
    release, real = threading.Event(), place.fence.set

    def slow_for_agents(stop):
        if stop.by.startswith("agent:"):
            release.wait(2 * PATIENCE_S)
        real(stop)

    monkeypatch.setattr(place.fence, "set", slow_for_agents)
    async with place.talking("coder-1") as client:
        path, body = "/v1/kill", {"scope": "agent:coder-1"}
        waiting = [asyncio.create_task(client.post(path, json=body)) for _ in range(20)]
        try:
            await asyncio.sleep(0.1)
            answer = await asyncio.wait_for(client.post(path, headers=place.bearer("ray")), PATIENCE_S)
        finally:
            release.set()
        await asyncio.gather(*waiting)
    assert answer.json()["fence"] == "set"


@pytest.mark.asyncio
async def test_a_sweep_that_fails_is_said(place):
    def broken():
        raise StorageError("the disk refuses", cure="mend it")

    async with place.talking("ray", sweep=broken) as client:
        assert (await client.post("/v1/kill")).json()["swept"] == "failed"


@pytest.mark.asyncio
async def test_a_fence_that_cannot_be_set_still_has_the_engine_told(place, monkeypatch):
    real = place.fence.set
    calls = []

    def refuses_first(stop):
        calls.append(stop)
        if len(calls) == 1:
            raise StorageError("the disk is full", place="stops", cure="free space")
        real(stop)

    monkeypatch.setattr(place.fence, "set", refuses_first)
    async with place.engine() as live, place.talking("ray") as client:
        answer = await client.post("/v1/kill", json={"scope": "all"})
        assert answer.status_code == 507
        for _ in range(50_000):
            await asyncio.sleep(0.01)
            if live.intake.state.stops.by_scope:
                break
        assert "all" in live.intake.state.stops.by_scope


@pytest.mark.asyncio
async def test_slow_questions_do_not_keep_a_kill_waiting(place):
    release = threading.Event()
    async with place.engine(), place.talking("ray") as client:
        loop = asyncio.get_running_loop()
        for _ in range(64):
            loop.run_in_executor(None, release.wait, 20)
        try:
            answer = await asyncio.wait_for(client.post("/v1/kill"), PATIENCE_S)
        finally:
            release.set()
    assert answer.json()["fence"] == "set"


@pytest.mark.asyncio
async def test_a_captain_resumes_with_a_reason(place):
    async with place.engine() as live, place.talking("cat") as client:
        await client.post("/v1/kill", json={"scope": "agent:coder-1"})
        assert (await client.post("/v1/resume", json={"scope": "agent:coder-1"})).status_code == 422
        assert (
            await client.post("/v1/resume", json={"scope": "agent:coder-1", "reason": " "})
        ).status_code == 422
        other = await client.post("/v1/resume", json={"scope": "all", "reason": "mended"})
        assert other.status_code == 409
        answer = await client.post("/v1/resume", json={"scope": "agent:coder-1", "reason": "mended"})
        assert answer.status_code == 200, answer.text
        assert (await client.get("/v1/stops")).json()["stops"] == []
        assert live.intake.state.stops.by_scope == {}


@pytest.mark.asyncio
async def test_an_undo_is_queued_done_shown_and_undone_in_turn(place):
    async with place.engine() as live, place.talking("ray") as client:
        made = (await client.post("/v1/proposals", json=ALLOWED, headers=place.bearer("coder-1"))).json()
        decision = made["decision_id"]
        path = f"/v1/decisions/{decision}/undo"
        early = await client.post(path, json={"reason": "wrong"})
        assert early.status_code == 409, "there is nothing to take back yet"
        await perform(live, decision)
        first = await client.post(path, json={"reason": "wrong"})
        assert first.status_code == 202, first.text
        await perform(live, first.json()["effect_id"])
        again = await client.post(path, json={})
        assert again.status_code == 409, "it was taken back already"
        back = await client.post(path, json={"effect": first.json()["effect_id"]})
        assert back.status_code == 202
        shown = (await client.get(f"/v1/decisions/{decision}")).json()
        assert [(undo["of"], undo["status"], undo["by"]) for undo in shown["undos"]] == [
            (decision, "done", "ray"),
            (first.json()["effect_id"], "queued", "ray"),
        ]
        stranger = await client.post(path, json={"effect": "u_000000000000000"})
        assert stranger.status_code == 404


@pytest.mark.asyncio
async def test_a_preview_is_made_by_a_worker_and_changes_nothing(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=ALLOWED)).json()
        await perform(live, made["decision_id"])
        asked = asyncio.create_task(client.post(f"/v1/decisions/{made['decision_id']}/preview"))
        for _ in range(50_000):
            await asyncio.sleep(0.01)
            if waiting := live.intake.journal.tasks.all():
                break
        await perform(live, waiting[0].effect_id, output="would clear")
        answer = await asked
        assert answer.json()["result"]["output"] == "would clear"
        viewer = await client.post(
            f"/v1/decisions/{made['decision_id']}/preview", headers=place.bearer("vic")
        )
        assert viewer.status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [HELD, DENIED])
async def test_an_agent_learns_nothing_from_a_preview_of_what_it_was_not_allowed(place, body):
    async with place.engine() as live, place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=body)).json()
        answer = await client.post(f"/v1/decisions/{made['decision_id']}/preview")
        assert answer.status_code == 403
        assert live.intake.journal.tasks.all() == []


@pytest.mark.asyncio
async def test_an_agent_has_one_preview_made_at_a_time(place):
    async with place.engine() as live, place.talking("coder-1") as client:
        made = (await client.post("/v1/proposals", json=SHADOWED)).json()
        path = f"/v1/decisions/{made['decision_id']}/preview"
        first = asyncio.create_task(client.post(path))
        for _ in range(50_000):
            await asyncio.sleep(0.01)
            if waiting := live.intake.journal.tasks.all():
                break
        assert (await client.post(path)).status_code == 429
        await perform(live, waiting[0].effect_id)
        assert (await first).status_code == 200


@pytest.mark.asyncio
async def test_snapshots_are_taken_by_captains_and_listed(place):
    async with place.engine(), place.talking("cat") as client:
        answer = await client.post("/v1/snapshots")
        assert (answer.status_code, answer.json()["snapshot_id"]) == (201, "s-1")
        (listed,) = (await client.get("/v1/snapshots")).json()["snapshots"]
    assert (listed["snapshot_id"], listed["files"], listed["size_bytes"]) == ("s-1", 2, 3)


@pytest.mark.asyncio
async def test_health_says_both_and_status_says_all(place):
    async with place.engine(), place.talking("vic") as client:
        for _ in range(50_000):
            health = await client.get("/v1/health", headers={"Authorization": ""})
            if health.status_code == 200:
                break
            await asyncio.sleep(0.02)
        assert health.json() == {"front": "ok", "engine": "ok"}
        status = (await client.get("/v1/status")).json()
        assert status["engine"]["live"] == {"heal": "heal@1"}
        assert (await client.get("/v1/version")).json() == {"version": "1.2.3", "api": "v1"}


@pytest.mark.asyncio
async def test_health_never_waits_for_a_silent_engine(place):
    with Silent(place.layout.socket):
        async with place.talking("cat") as client:
            took_ms = []
            for _ in range(20):
                began = time.perf_counter()
                health = await client.get("/v1/health")
                took_ms.append((time.perf_counter() - began) * 1000)
                assert (health.status_code, health.json()["engine"]) == (503, "away")
            status = (await client.get("/v1/status")).json()
    assert statistics.median(took_ms) < 100, took_ms
    assert status["engine"] is None
    assert "no answer" in status["engine_away"]


def test_a_kill_is_told_for_longer_than_it_is_waited_for():
    assert stopping._TELL_S > 10 * stopping._BLINK_S
