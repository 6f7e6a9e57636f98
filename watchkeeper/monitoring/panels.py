"""Panels and dashboards in the words of Grafana: what every one of ours has in common, said once."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct

SCHEMA: Final = 42
"""Of the classic model, which every Grafana takes."""
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDE: Final = 24
"""The columns of a dashboard."""

Look = Literal["timeseries", "stat", "bargauge", "table", "state-timeline"]


class Query(Struct, frozen=True):
    """One query of a panel. `$instance` and `$__rate_interval` are filled in by Grafana."""

    expr: str
    legend: str = ""


class Panel(Struct, frozen=True, kw_only=True):
    """One panel."""

    title: str
    says: str
    """What it shows and what to make of it, for who moves the mouse there."""
    look: Look = "timeseries"
    unit: str = "short"
    """As Grafana names units: `s`, `bytes`, `percentunit`, `currencyUSD`, `ops`."""
    queries: tuple[Query, ...]
    wide: int = 8
    high: int = 8
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    """From which value on which colour."""
    words: tuple[tuple[int, str, str], ...] = ()
    """What a number means, and in which colour."""
    stacked: bool = False
    least: float | None = 0
    """The lower end of the scale; `None`: where the values end."""
    most: float | None = None
    """The upper end of it."""


class Row(Struct, frozen=True, kw_only=True):
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(Struct, frozen=True, kw_only=True):
    """One dashboard. Its uid never changes, so that links to it stay good."""

    uid: str
    title: str
    says: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Sequence[Panel]:
        """Every panel of it."""
        return [panel for row in self.rows for panel in row.panels]


def model(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": _WIDE, "x": 0, "y": top},
                "panels": [],
            }
        )
        top += 1
        left = line_high = 0
        for panel in row.panels:
            if left + panel.wide > _WIDE:
                left, top, line_high = 0, top + line_high, 0
            place = {"h": panel.high, "w": panel.wide, "x": left, "y": top}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
            left, line_high = left + panel.wide, max(line_high, panel.high)
        top += line_high
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["watchkeeper"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _VARIABLES},
        "annotations": {"list": [_STOPPED]},
        "links": [
            {
                "type": "dashboards",
                "title": "Watchkeeper",
                "tags": ["watchkeeper"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": panels,
    }


_VARIABLES: Final[list[dict[str, Any]]] = [
    {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
    },
    {
        "name": "instance",
        "label": "Instance",
        "type": "query",
        "datasource": _SOURCE,
        "definition": "label_values(watchkeeper_engine_up, instance)",
        "query": {"query": "label_values(watchkeeper_engine_up, instance)", "refId": "instances"},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    },
]
STOPPED: Final = 'sum by (instance) (watchkeeper_stops{instance=~"$instance"}) > 0'
"""When autonomy was stopped: marked in every panel."""
_STOPPED: Final[dict[str, Any]] = {
    "name": "Stopped",
    "enable": True,
    "datasource": _SOURCE,
    "expr": STOPPED,
    "iconColor": "red",
    "step": "60s",
    "titleFormat": "Autonomy was stopped",
    "textFormat": "{{instance}}",
}


def _panel(panel: Panel) -> dict[str, Any]:
    instant = panel.look in {"stat", "bargauge", "table"}
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if instant or panel.look == "state-timeline" else "palette-classic"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in panel.steps],
        },
        "mappings": [
            {
                "type": "value",
                "options": {str(value): {"text": word, "color": colour, "index": nth}},
            }
            for nth, (value, word, colour) in enumerate(panel.words)
        ],
        "custom": _custom(panel),
    }
    ends = {"min": panel.least, "max": panel.most}
    defaults |= {end: value for end, value in ends.items() if value is not None}
    return {
        "type": panel.look,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.look],
        "targets": [
            {
                "refId": chr(ord("A") + nth),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "editorMode": "code",
                "range": not instant,
                "instant": instant,
                "format": "table" if panel.look == "table" else "time_series",
            }
            for nth, query in enumerate(panel.queries)
        ],
        **(_TABLE if panel.look == "table" else {}),
    }


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.look == "timeseries":
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {"fillOpacity": 80, "lineWidth": 0} if panel.look == "state-timeline" else {}


_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[dict[Look, dict[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _LAST,
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    },
    "bargauge": {
        "reduceOptions": _LAST,
        "displayMode": "lcd",
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {
        "mergeValues": True,
        "showValue": "auto",
        "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    },
}
# Of an instant query only the labels and the value are worth a column.
_TABLE: Final[dict[str, Any]] = {
    "transformations": [
        {
            "id": "organize",
            "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}, "renameByName": {}},
        }
    ]
}
