"""Dashboards ask only for what a scrape has, in queries that Prometheus can read, and load nothing."""

import json
import re

import pytest

from bot.http_api.metric_table import METRICS
from tests.monitoring.promtool import labels_in, names_in, plain, promtool, recorded
from watchkeeper.monitoring.__main__ import FOLDER, files, stale
from watchkeeper.monitoring.alerts import ALERTS
from watchkeeper.monitoring.dashboards import DASHBOARDS
from watchkeeper.monitoring.panels import STOPPED, model

LABELS = {sample: {*metric.labels, "le"} for metric in METRICS for sample in metric.samples}
# Prometheus itself gives these to all that it scrapes.
SCRAPED = {"job", "instance"}
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
QUERIES = [query.expr for _, panel in PANELS for query in panel.queries] + [STOPPED]
ALERTING = [alert.expr for alert in ALERTS]


@pytest.mark.parametrize("expr", QUERIES + ALERTING)
def test_a_query_names_metrics_and_labels_that_exist(expr):
    names = names_in(expr)
    assert names
    assert names <= LABELS.keys(), names - LABELS.keys()
    labels = labels_in(expr) - SCRAPED
    assert labels <= set().union(*(LABELS[name] for name in names)), labels


def test_that_check_can_fail():
    assert names_in('sum by (a) (rate(x_total{b="y"}[5m])) / on (c) z > 0 unless w offset 5m') == {
        "x_total",
        "z",
        "w",
    }
    assert labels_in('sum by (a) (rate(x_total{b=~"y", d!="e"}[5m])) / on (c) z') == {"a", "b", "c", "d"}


def test_prometheus_can_read_every_query(tmp_path):
    said = promtool("check", "rules", recorded(tmp_path, map(plain, QUERIES)))
    assert f"{len(QUERIES)} rules found" in said


def test_every_metric_is_on_a_dashboard_or_in_an_alert():
    shown = set().union(*map(names_in, QUERIES + ALERTING))
    unseen = [metric.name for metric in METRICS if not shown & set(metric.samples)]
    # For whoever looks at one limit more closely, or doubts a count.
    assert set(unseen) == {
        "watchkeeper_engine_draining",
        "watchkeeper_escalations_total",
        "watchkeeper_journal_records",
        "watchkeeper_journal_uncounted_records",
        "watchkeeper_kpi_target",
        "watchkeeper_limit_window_seconds",
    }


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_a_dashboard_is_whole(dashboard):
    made = model(dashboard)
    assert re.fullmatch(r"watchkeeper-[a-z]+", made["uid"])
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = [variable["name"] for variable in made["templating"]["list"]]
    assert variables == ["datasource", "instance"]
    for panel in panels:
        if panel["type"] == "row":
            continue
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
        assert panel["description"].endswith(".") or panel["description"].endswith("`.")
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0
    assert "http" not in json.dumps(made).replace("watchkeeper_http_", ""), "it would load something"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_no_panel_lies_on_another(dashboard):
    taken = set()
    for panel in model(dashboard)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_what_ships_is_what_the_code_makes():
    assert stale() == []


def test_a_changed_a_missing_and_a_foreign_file_are_found(tmp_path):
    for name, text in files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert stale(tmp_path) == []
    (tmp_path / "grafana/watchkeeper-health.json").unlink()
    (tmp_path / "grafana/old.json").write_text("{}")
    (tmp_path / "prometheus/watchkeeper.rules.yaml").write_text("groups: []\n")
    assert stale(tmp_path) == [
        "grafana/old.json",
        "grafana/watchkeeper-health.json",
        "prometheus/watchkeeper.rules.yaml",
    ]
    assert FOLDER.name == "deploy"
