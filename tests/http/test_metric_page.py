"""A page that has everything: the table and the page name the same metrics, and promtool finds no fault."""

from decimal import Decimal

import pytest

from bot.http_api import watching
from bot.http_api.metric_page import OPEN, PLAIN, Page, Printer
from bot.http_api.metric_table import BY_NAME, METRICS
from bot.http_api.requests_seen import RequestsSeen
from engine.adapters.counts_view import CountsSeen
from engine.core.gates.breaker import BreakerShown
from engine.core.kpis import counting
from engine.core.kpis.standing import KpiStanding
from engine.core.vocabulary import facts as f
from engine.core.work.rollout.showing import UnderWay
from engine.ports import Stop
from engine.runtime import wire, wire_figures
from tests.builders import NOON_US, verdict
from tests.monitoring.promtool import promtool


def counts():
    """Counts of a history in which everything happened."""
    made = counting.begin()
    decided = verdict("allow", NOON_US)
    counting.fold(made, f.VerdictReached(at_us=NOON_US, verdict=decided))
    counting.fold(made, f.PersonSeen(at_us=NOON_US, person="ray", role="responder"))
    counting.fold(made, f.SnapshotSaved(at_us=NOON_US, snapshot_id="s", journal_seq=1, files=1, size_bytes=9))
    counting.fold(made, f.TroubleFound(at_us=NOON_US, trouble="disk", detail=""))
    counting.fold(made, f.ProcessEnded(at_us=NOON_US, process="engine", how="signal 9", restarts=1))
    for name, labels in (
        ("outcomes", ("heal", "executor", "ok")),
        ("stage_changes", ("heal", "shadow")),
        ("notifications", ("sms", "failed", "broken")),
    ):
        made.totals[name] = {labels: 1}
    return made


def kpi(word, value):
    return KpiStanding(
        name="success", kind="success", shows="", word=word, sure=True, why="", value=value, low=None,
        high=None, count=1, of="episodes", least=1, parts=(), at_least=0.9, at_most=None, window_us=1,
        from_us=0, until_us=1,
    )  # fmt: skip


def full():
    """A page of a world in which there is everything."""
    page, seen = Page(), RequestsSeen()
    page.say("front_info", version="1")
    for name in ("front_start_time_seconds", "engine_up", "engine_answer_seconds", "journal_readable"):
        page.put(name, 1)
    seen.saw("GET", "/v1/kpis", 200, 0.004)
    seen.put(page)
    watching.put_stops(page, [Stop(scope=wire.Scope("all"), by="cat", reason="", at_us=1)])
    watching.put_status(
        page,
        wire.EngineStatus(
            pid=1, version="1", policy_hash="0123456789abcdef", started_us=1, now_us=2, journal_seq=3,
            stops=(), troubles={"disk": "full"}, draining=False, queued=1, running=1, holds=1,
            live={"heal": "heal@1"},
            rollouts=(
                UnderWay(name="edit", candidate="edit@2", stage="canary_1", share=0.01, paused={"ann": "x"}),
                UnderWay(name="held", candidate=None, stage="unproven", share=0.0, paused={"ann": "x"}),
            ),
            agents=(wire.AgentSeen(agent="coder-1", last_us=NOON_US),), actions=(), unsandboxed=(),
        ),
    )  # fmt: skip
    limit = f.Limit(
        id="cost_per_hour", measure="cost_usd", most=Decimal(10), window_us=3_600_000_000, per="all"
    )
    used = wire_figures.UsageShown(limit=limit, agent=None, used=Decimal("2.50"))
    watching.put_usage(page, wire_figures.UsageList(usage=(used,)))
    watching.put_figures(
        page,
        wire_figures.Figures(
            holds=1, oldest_hold_us=NOON_US, next_hold_end_us=NOON_US + 1,
            breakers=(BreakerShown(capability="heal", action="x", state="open"),),
            escalations=(wire_figures.Ringing(severity="critical", stage="ringing", count=2),),
            dead_channels=("sms",),
        ),
    )  # fmt: skip
    watching.put_journal(
        page,
        CountsSeen(
            counts=counts(),
            records=9,
            behind=0,
            caught_up=True,
            size_bytes=1,
            free_bytes=1,
            queued=1,
            running=1,
        ),
    )
    watching.put_kpis(page, [kpi("missed", 0.5)])
    return page


def test_the_table_and_the_page_name_the_same_metrics():
    found = {
        sample.name.removesuffix("_count").removesuffix("_sum").removesuffix("_bucket")
        for family in full().families()
        for sample in family.samples
    }
    # The library adds the endings of counters and information when it writes.
    named = {metric.name for metric in METRICS}
    assert found <= named, found - named
    assert named == found, named - found


def test_every_sample_has_the_labels_of_the_table():
    for family in full().families():
        for sample in family.samples:
            name = sample.name
            for ending in ("_count", "_sum", "_bucket"):
                name = name.removesuffix(ending) if name not in BY_NAME else name
            assert set(sample.labels) - {"le"} == set(BY_NAME[name].labels), sample


def test_promtool_finds_no_fault_with_it():
    written, _ = Printer().write(full(), PLAIN)
    assert promtool("check", "metrics", given=written.decode()).strip() == ""


@pytest.mark.parametrize("media_type", [PLAIN, OPEN])
def test_whatever_a_label_holds_stays_in_its_quotes(media_type):
    page = Page()
    page.put("rollout_paused", 1, 'a"} 1\nevil_metric{x="\\')
    written, _ = Printer().write(page, media_type)
    lines = [
        line for line in written.decode().splitlines() if not line.startswith(("#", "process_", "python_"))
    ]
    assert len(lines) == 1
    assert lines[0].startswith("watchkeeper_rollout_paused{")


def test_a_metric_that_is_not_in_the_table_cannot_be_put():
    with pytest.raises(KeyError):
        Page().put("of_nobody", 1)


def test_an_unknown_kpi_has_a_target_and_no_value():
    page = Page()
    watching.put_kpis(page, [kpi("unknown", None)])
    assert [family.name for family in page.families()] == ["watchkeeper_kpi_target"]


def test_of_agents_and_breakers_only_so_many_are_shown():
    page = Page()
    breakers = tuple(BreakerShown(capability=f"c{nth}", action="a", state="open") for nth in range(500))
    figures = wire_figures.Figures(
        holds=0,
        oldest_hold_us=None,
        next_hold_end_us=None,
        breakers=breakers,
        escalations=(),
        dead_channels=(),
    )
    watching.put_figures(page, figures)
    samples = {family.name: len(family.samples) for family in page.families()}
    assert samples == {"watchkeeper_holds_open": 1, "watchkeeper_breaker_state": counting.MOST_NAMES}


def test_odd_methods_and_lost_answers_count_under_few_names():
    page, seen = Page(), RequestsSeen()
    for nth in range(50):
        seen.saw(f"BREW{nth}", None, 0, 100.0)
    seen.put(page)
    counted, timed = page.families()
    assert [(sample.labels, sample.value) for sample in counted.samples] == [
        ({"method": "other", "route": "none", "code": "0"}, 50)
    ]
    assert [sample.value for sample in timed.samples if sample.labels.get("le") == "10"] == [0]
