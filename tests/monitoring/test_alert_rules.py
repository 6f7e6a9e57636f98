"""The alert rules: promtool reads them, and each fires when it should and only then."""

import json
import re

import pytest
from msgspec import Struct

from tests.house.tree import ROOT
from tests.monitoring.promtool import promtool
from watchkeeper.monitoring.__main__ import FOLDER
from watchkeeper.monitoring.alerts import ALERTS, RUNBOOK

RULES = FOLDER / "prometheus" / "watchkeeper.rules.yaml"
ME = 'job="watchkeeper", instance="here"'
HERE = f"{{{ME}}}"
UP = {f"watchkeeper_engine_up{HERE}": "1x300"}


class Case(Struct):
    """Series by the minute that make an alert fire at a time, and others that do not."""

    fires: dict[str, str]
    quiet: dict[str, str]
    at: str = "30m"
    how_often: int = 1


def one(metric, labels=""):
    """Name a series of ours."""
    return f"watchkeeper_{metric}{{{ME}{', ' + labels if labels else ''}}}"


EXHAUSTED = one("escalations_ended_total", 'how="exhausted"')
SEEN, NEXT = (
    one("person_last_seen_timestamp_seconds", 'role="captain"'),
    one("hold_next_end_timestamp_seconds"),
)
SAVED, BEGAN = one("snapshot_last_timestamp_seconds"), one("engine_start_time_seconds")
PUSHED = one("notifications_total", 'channel="sms", delivery="failed", failure="broken"')
SPENT, MOST = (
    one("limit_used", 'limit="cost_per_hour", measure="cost_usd", agent=""'),
    one("limit_most", 'limit="cost_per_hour", measure="cost_usd"'),
)
FINE, BAD = (
    one("http_requests_total", 'method="POST", route="/v1/proposals", code="200"'),
    one("http_requests_total", 'method="POST", route="/v1/proposals", code="503"'),
)
ENDED = one("facts_total", 'fact="process_ended"')
BACK = one("stage_changes_total", 'capability="heal", now="rolled_back"')

CASES = {
    "WatchkeeperFrontDown": [Case({}, UP, at="3m"), Case(UP | {next(iter(UP)): "1x5 stale"}, UP, at="10m")],
    "WatchkeeperEngineDown": [Case({one("engine_up"): "0x300"}, {one("engine_up"): "1x20 0 1x300"})],
    "WatchkeeperJournalNotWritable": [
        Case({one("trouble", 'trouble="journal"'): "1x300"}, {one("trouble", 'trouble="disk"'): "1x300"})
    ],
    "WatchkeeperJournalUnreadable": [
        Case({one("journal_readable"): "0x300"}, {one("journal_readable"): "1x300"})
    ],
    "WatchkeeperTrouble": [
        Case({one("trouble", 'trouble="clock"'): "1x300"}, {one("trouble", 'trouble="journal"'): "1x300"})
    ],
    "WatchkeeperKillSwitchSet": [
        Case({one("stops", 'scope="all"'): "2x300"}, {one("stops", 'scope="all"'): "0x300"})
    ],
    # At 30 minutes it is 1800 seconds since 1970.
    "WatchkeeperHoldEndsUnseen": [
        Case({NEXT: "2400x300"}, {NEXT: "3600x300"}),
        Case({NEXT: "7600x300", SEEN: "5000x300"}, {NEXT: "7600x300", SEEN: "5600x300"}, at="120m"),
        # A viewer at the controls may not answer it.
        Case(
            {NEXT: "7600x300", one("person_last_seen_timestamp_seconds", 'role="viewer"'): "7100x300"},
            {SEEN: "100x300"},
            at="120m",
        ),
    ],
    "WatchkeeperEscalationExhausted": [Case({EXHAUSTED: "0x25 1x300"}, {EXHAUSTED: "4x300"})],
    "WatchkeeperChannelFailing": [
        Case({one("channel_dead", 'channel="call"'): "1x300"}, {PUSHED: "5x300"}),
        Case({PUSHED: "0x20 1 2 3 4x300"}, {PUSHED: "0x20 1x300"}),
        # Both say the same of one channel, once.
        Case({PUSHED: "0x20 1 2 3 4x300", one("channel_dead", 'channel="sms"'): "1x300"}, {}),
        Case(
            {one("channel_dead", 'channel="call"'): "1x300"},
            {one("notifications_total", 'channel="sms", delivery="failed", failure="address"'): "0+1x300"},
        ),
    ],
    "WatchkeeperBreakerOpen": [
        Case(
            {one("breaker_state", 'capability="heal", action="restart", state="open"'): "1x300"},
            {one("breaker_state", 'capability="heal", action="restart", state="half_open"'): "1x300"},
        )
    ],
    "WatchkeeperBudgetNearlyUsed": [
        Case({SPENT: "8x300", MOST: "10x300"}, {SPENT: "7.9x300", MOST: "10x300"}),
        Case(
            {SPENT: "10x300", MOST: "10x300"},
            {
                one("limit_used", 'limit="files", measure="files", agent=""'): "50x300",
                one("limit_most", 'limit="files", measure="files"'): "50x300",
            },
        ),
    ],
    "WatchkeeperSnapshotOld": [
        Case({SAVED: "0x300", BEGAN: "0x300"}, {SAVED: "0x100 6000x300", BEGAN: "0x300"}, at="130m"),
        Case({BEGAN: "0x300"}, {BEGAN: "5000x300"}, at="130m"),
    ],
    "WatchkeeperFrontErrors": [
        Case({FINE: "0+90x300", BAD: "0+10x300"}, {FINE: "0+97x300", BAD: "0+3x300"}),
        # A probe of the health route says 503 as long as the engine is away, and is no request that failed.
        Case(
            {FINE: "0+10x300", BAD: "0+10x300"},
            {FINE: "0+10x300", one("http_requests_total", 'route="/v1/health", code="503"'): "0+90x300"},
        ),
    ],
    "WatchkeeperProcessesEnd": [Case({ENDED: "0x20 1 2 3 4x300"}, {ENDED: "0x20 1x300"})],
    "WatchkeeperRolledBack": [Case({BACK: "0x25 1x300"}, {BACK: "1x300"})],
    "WatchkeeperKpiMissed": [
        Case(
            {one("kpi_missed", 'kpi="x"'): "1x300"}, {one("kpi_missed", 'kpi="x"'): "1x80 0 1x300"}, at="90m"
        )
    ],
}


def asked(name, series, at, firing):
    """Write one unit test of one alert as promtool has it: how many of it fire then."""
    expr = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
    samples = [{"labels": "{}", "value": firing}] if firing else []
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": at, "exp_samples": samples}],
    }


def run(folder, tests):
    path = folder / "tests.yaml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    return promtool("test", "rules", path)


def test_promtool_can_read_them():
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES)


def test_every_alert_is_tried():
    assert CASES.keys() == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_only_then(tmp_path, name):
    run(
        tmp_path,
        [
            test
            for case in CASES[name]
            for test in (
                asked(name, case.fires, case.at, case.how_often),
                asked(name, case.quiet, case.at, 0),
            )
        ],
    )


def test_that_check_can_fail(tmp_path):
    case = CASES["WatchkeeperEngineDown"][0]
    with pytest.raises(AssertionError, match="FAILED"):
        run(tmp_path, [asked("WatchkeeperEngineDown", case.quiet, case.at, 1)])


def test_an_alert_says_whom_it_is_about_and_where_to_read_on(tmp_path):
    (alert,) = (alert for alert in ALERTS if alert.name == "WatchkeeperBudgetNearlyUsed")
    run(
        tmp_path,
        [
            {
                "interval": "1m",
                "input_series": [
                    {"series": SPENT, "values": "9x100"},
                    {"series": MOST, "values": "10x100"},
                ],
                "alert_rule_test": [
                    {
                        "eval_time": "30m",
                        "alertname": alert.name,
                        "exp_alerts": [
                            {
                                "exp_labels": {
                                    "job": "watchkeeper",
                                    "instance": "here",
                                    "limit": "cost_per_hour",
                                    "measure": "cost_usd",
                                    "severity": "warning",
                                },
                                "exp_annotations": {
                                    "summary": "90% of cost_per_hour is used on here",
                                    "description": alert.description,
                                    "runbook": f"{RUNBOOK}#watchkeeperbudgetnearlyused",
                                },
                            }
                        ],
                    }
                ],
            }
        ],
    )


def test_the_runbook_has_a_section_for_each_and_no_other():
    headings = re.findall(r"^## (\w+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert headings == [alert.name for alert in ALERTS]
