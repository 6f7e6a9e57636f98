"""Watch: what is happening now, with the engine and without it."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal

import httpx
import pytest

from bot.web_console.watch import _judged, used
from engine.core.kpis.standing import KpiStanding, Part
from engine.core.vocabulary.facts import Limit
from engine.runtime import wire, wire_figures
from engine.runtime.client import EngineClient
from tests.console.bridge import Bridge, watching
from tests.http.placing import ALLOWED, GRANTED, HELD
from tests.http.waking import ladders
from tests.patience import PATIENCE_S


def section(page: str, name: str) -> str:
    """What one section of the page says, without its markup."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def watched(bridge: Bridge, person: str = "cat") -> str:
    with bridge.client(person) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    return answer.text


def test_what_runs_is_shown_with_when_it_began_and_of_which_decision(bridge):
    decision, waiting = (bridge.propose(**ALLOWED)["decision_id"] for _ in range(2))

    async def begin() -> None:
        engine = EngineClient(bridge.layout.socket)
        leased = await engine.ask(wire.Lease(worker="w-7", most=1, wait_s=5))
        assert isinstance(leased, wire.Leased)
        (effect,) = leased.effects
        assert effect.task.effect_id == decision
        await engine.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))
        await engine.close()

    asyncio.run(begin())
    page = watched(bridge)
    shown = section(page, "effects")
    assert re.search(rf"{decision} cache.clear coder-1 · w-7 has it, since", shown)
    assert re.search(rf"{waiting} cache.clear coder-1 · waits for a worker, since", shown)
    assert "Effects under way 1 1 queued" in section(page, "figures")


def test_failures_in_a_row_show_as_an_open_breaker(bridge):
    for number in range(5):
        made = bridge.propose(**GRANTED | {"args": {"title": f"t{number}", "body": "b"}})
        path = f"{bridge.url}/v1/proposals/{made['proposal_id']}/outcome"
        httpx.post(
            path, json={"ok": False}, headers=bridge.bearer("coder-1"), timeout=PATIENCE_S
        ).raise_for_status()
        shown = section(watched(bridge), "breakers")
        assert ("All are closed." in shown) == (number < 4)
    assert "heal / ticket.create open : nothing is tried for" in shown
    assert "Breakers open 1" in section(watched(bridge), "figures")


def test_limits_stops_and_kpis_are_shown(bridge):
    bridge.propose(**ALLOWED | {"impact": {"cost_usd": 0.25, "files": 3, "api_calls": 7}})
    with bridge.client("ray") as ray:
        ray.post("/console/say", data={"line": "kill-autonomous agent:coder-2 it <i>misbehaves</i>"})
    page = watched(bridge)
    assert re.search(r"API calls of coder-1 within \S+ \S+ \(\S+\) 7 of", section(page, "limits"))
    assert re.search(r"Money of coder-1 within \S+ \S+ \(\S+\) \$0.25 of \$", section(page, "limits"))
    stopped = re.search(r'<section id="troubles".*?</section>', page, re.DOTALL)
    assert stopped is not None
    assert "Stopped: agent:coder-2" in stopped[0]
    assert "it &lt;i&gt;misbehaves&lt;/i&gt;" in stopped[0]
    assert "Resume" in stopped[0]
    assert "Resume" not in section(watched(bridge, "ray"), "troubles")
    kpis = section(page, "kpis")
    # Within its first second nothing is known of it.
    assert re.search(r"uptime of autonomy (met|missed|unknown) ([\d.]+ %|–) at least 99.0 %", kpis)
    assert "success of autonomy unknown – at least 95.0 %" in kpis


def test_with_the_engine_away_the_journals_part_stays_and_the_rest_is_unknown(tmp_path):
    made = Bridge(tmp_path)
    with made.up():
        held, queued = (made.propose(**each)["decision_id"] for each in (HELD, ALLOWED))
        assert "unknown while" not in section(watched(made), "limits").lower()
    made.close()
    alone = Bridge(tmp_path)
    with alone.up(engine=False):
        page = watched(alone)
        for name in ("escalations", "limits", "breakers", "rolling"):
            assert "Unknown while the engine is away." in section(page, name), name
        figures = section(page, "figures")
        assert "Waiting for people unknown" in figures
        assert "Autonomy away" in figures
        assert held in section(page, "waiting")
        assert "From the journal alone" in section(page, "waiting")
        assert queued in section(page, "effects")
        assert {held, queued} <= set(re.findall(r"d_[0-9a-z]+", section(page, "newest")))
        assert "uptime of autonomy" in section(page, "kpis")
    alone.close()


def test_with_nothing_there_at_all_the_page_says_so(tmp_path):
    alone = Bridge(tmp_path)
    with alone.up(engine=False):
        page = watched(alone)
        assert "There is no journal to read." in section(page, "effects")
        assert "Nothing was decided yet." in section(page, "newest")
    alone.close()


def test_what_wakes_people_counts_down_and_can_be_taken(tmp_path):
    made = Bridge(tmp_path)
    with made.up(ladders=ladders()), made.client("ray") as ray:
        ray.post("/console/say", data={"line": "page critical the shop is down"})
        shown = section(watched(made), "escalations")
        assert "the shop is down" in shown
        assert "I have it" in shown
        assert "I have it" not in section(watched(made, "vic"), "escalations")
    made.close()


def test_a_gauge_names_its_unit_its_window_and_whose_it_is():
    limit = Limit(id="spend", measure="cost_usd", most=Decimal(50), window_us=86_400_000_000, per="agent")
    gauge = used(wire_figures.UsageShown(limit=limit, agent="cron", used=Decimal("1200.500")))
    assert (gauge.name, gauge.text) == ("Money of cron within 1 d (spend)", "$1,200.5 of $50")


def test_a_kpi_says_its_value_its_target_and_what_it_rests_on():
    kpi = KpiStanding(
        name="success", kind="success", shows="s", word="missed", sure=True, why="", value=0.5, low=0.4,
        high=0.6, count=40, of="episodes", least=1, parts=(Part("succeeded", 20), Part("failed", 20)),
        at_least=0.95, at_most=None, window_us=1, from_us=0, until_us=1,
    )  # fmt: skip
    judged = _judged(kpi)
    assert (judged.word, judged.target, judged.rests_on) == ("missed", "at least 95.0 %", "40 episodes")
    assert judged.value == "50.0 % (40.0 to 60.0)"
    assert judged.parts == "20 succeeded, 20 failed"


@pytest.mark.asyncio
async def test_an_open_page_hears_of_stops_and_effects_by_itself(bridge, browser):
    async with watching(browser, bridge, "ray") as ray:
        await ray.page.evaluate("window.same = true")
        decision = bridge.propose(**ALLOWED)["decision_id"]
        await ray.page.wait_for_selector(f"#effects a[href$='{decision}']")
        with bridge.client("cat") as cat:
            cat.post("/console/say", data={"line": "kill-autonomous agent:coder-1 enough"})
        await ray.page.wait_for_selector("#troubles >> text=enough")
        assert await ray.page.evaluate("window.same")
        assert ray.complaints == []
