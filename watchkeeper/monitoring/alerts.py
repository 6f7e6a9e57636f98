"""The alert rules: what somebody should look at, and who watches the watchers.

Watchkeeper wakes people by itself while its engine lives. These rules see the same from outside, and what
it cannot say of itself: that it is gone. What says so must reach people by other ways than Watchkeeper's own.
"""

from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import FoldedScalarString

RUNBOOK: Final = "docs/runbooks/alerts.md"
GROUP: Final = "watchkeeper"
UNATTENDED_S: Final = 1800
"""How long nobody who may answer was at the controls before what waits counts as unseen."""
ENDS_SOON_S: Final = 900
"""How long before a hold is let go unanswered that is said."""


class Alert(Struct, frozen=True, kw_only=True):
    """One rule."""

    name: str
    expr: str
    after: str = "0s"
    """How long it must hold."""
    severity: str
    """`critical` wakes; `warning` waits for the morning."""
    summary: str
    """One line, with the labels as Prometheus fills them in."""
    description: str
    """What it means, and what happens by itself."""


ALERTS: Final[tuple[Alert, ...]] = (
    Alert(
        name="WatchkeeperFrontDown",
        expr="absent(watchkeeper_engine_up)",
        after="2m",
        severity="critical",
        summary="Nothing answers where Watchkeeper's metrics were",
        description=(
            "No front was scraped for two minutes: it is down, its token was revoked, or Prometheus cannot "
            "reach it. Agents get no verdicts, and people cannot answer over HTTP."
        ),
    ),
    Alert(
        name="WatchkeeperEngineDown",
        expr="watchkeeper_engine_up == 0",
        after="1m",
        severity="critical",
        summary="The engine of {{ $labels.instance }} does not answer",
        description=(
            "Nothing is decided and no effect starts. The front still answers what the journal knows, and "
            "the kill switch still works."
        ),
    ),
    Alert(
        name="WatchkeeperJournalNotWritable",
        expr='watchkeeper_trouble{trouble="journal"} == 1',
        after="30s",
        severity="critical",
        summary="The journal of {{ $labels.instance }} cannot be written",
        description="Whatever would have to be journaled is refused, so no effect starts until then.",
    ),
    Alert(
        name="WatchkeeperJournalUnreadable",
        expr="watchkeeper_journal_readable == 0",
        after="2m",
        severity="critical",
        summary="The front of {{ $labels.instance }} cannot read the journal",
        description="The file is missing, damaged, newer than this version, or not open to the front's user.",
    ),
    Alert(
        name="WatchkeeperTrouble",
        expr='watchkeeper_trouble{trouble!="journal"} == 1',
        after="1m",
        severity="critical",
        summary="{{ $labels.instance }} is in trouble: {{ $labels.trouble }}",
        description="No effect starts until it is gone, or a captain says that it does not matter.",
    ),
    Alert(
        name="WatchkeeperKillSwitchSet",
        expr="watchkeeper_stops > 0",
        severity="warning",
        summary="{{ $value }} stop(s) of scope {{ $labels.scope }} are set on {{ $labels.instance }}",
        description="Somebody, or the dead man's switch, stopped autonomy, all of it or a part.",
    ),
    Alert(
        name="WatchkeeperHoldEndsUnseen",
        expr=(
            f"watchkeeper_hold_next_end_timestamp_seconds - time() < {ENDS_SOON_S} unless on (job, instance) "
            "(time() - max by (job, instance) "
            '(watchkeeper_person_last_seen_timestamp_seconds{role=~"responder|captain"}) '
            f"<= {UNATTENDED_S})"
        ),
        after="1m",
        severity="critical",
        summary="A held decision of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}, unseen",
        description=(
            "No responder and no captain was at the controls for half an hour. Unanswered, it is not done."
        ),
    ),
    Alert(
        name="WatchkeeperEscalationExhausted",
        expr='increase(watchkeeper_escalations_ended_total{how="exhausted"}[15m]) > 0',
        severity="critical",
        summary="An escalation of {{ $labels.instance }} reached nobody",
        description="A whole ladder was climbed, and nobody answered. Its failsafe holds.",
    ),
    Alert(
        name="WatchkeeperChannelFailing",
        expr=(
            "max by (job, instance, channel) (watchkeeper_channel_dead) or "
            "sum by (job, instance, channel) (increase(watchkeeper_notifications_total"
            '{delivery="failed", failure=~"setup|broken|unsure"}[15m])) >= 3'
        ),
        severity="critical",
        summary="People cannot be reached by {{ $labels.channel }} from {{ $labels.instance }}",
        description="It failed again and again by its own fault. Ladders go on by their other rungs.",
    ),
    Alert(
        name="WatchkeeperBreakerOpen",
        expr='watchkeeper_breaker_state{state="open"} == 1',
        severity="warning",
        summary="{{ $labels.capability }}/{{ $labels.action }} failed too often and rests",
        description="Its proposals are denied until the breaker has rested; then a few are let through.",
    ),
    Alert(
        name="WatchkeeperBudgetNearlyUsed",
        expr=(
            'watchkeeper_limit_used{measure="cost_usd"} '
            "/ on (job, instance, limit, measure) group_left () watchkeeper_limit_most >= 0.8"
        ),
        severity="warning",
        summary="{{ $value | humanizePercentage }} of {{ $labels.limit }} is used on {{ $labels.instance }}",
        description="What would pass the budget is denied until the window moves on.",
    ),
    Alert(
        name="WatchkeeperSnapshotOld",
        expr=(
            "time() - watchkeeper_snapshot_last_timestamp_seconds > 7200 or "
            "(time() - watchkeeper_engine_start_time_seconds > 7200 "
            "unless on (job, instance) watchkeeper_snapshot_last_timestamp_seconds)"
        ),
        after="5m",
        severity="warning",
        summary="{{ $labels.instance }} has no snapshot of the last two hours",
        description="Were the disk lost now, everything since then would be lost with it.",
    ),
    Alert(
        name="WatchkeeperFrontErrors",
        expr=(
            "sum by (job, instance) "
            '(rate(watchkeeper_http_requests_total{code=~"5..", route!="/v1/health"}[5m])) / '
            "sum by (job, instance) "
            '(rate(watchkeeper_http_requests_total{route!="/v1/health"}[5m])) > 0.05'
        ),
        after="5m",
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the requests to {{ $labels.instance }} fail",
        description="503 means that the engine is away, 507 that the disk refuses, 500 a bug of ours.",
    ),
    Alert(
        name="WatchkeeperProcessesEnd",
        expr='increase(watchkeeper_facts_total{fact="process_ended"}[15m]) >= 3',
        severity="warning",
        summary="Processes of {{ $labels.instance }} end again and again",
        description="The supervisor starts them anew, later each time; their work is taken up again.",
    ),
    Alert(
        name="WatchkeeperRolledBack",
        expr='increase(watchkeeper_stage_changes_total{now="rolled_back"}[15m]) > 0',
        severity="warning",
        summary="{{ $labels.capability }} was rolled back on {{ $labels.instance }}",
        description="Evidence against the candidate, or a person, took its authority away.",
    ),
    Alert(
        name="WatchkeeperKpiMissed",
        expr="watchkeeper_kpi_missed == 1",
        after="1h",
        severity="warning",
        summary="{{ $labels.instance }} misses its target for {{ $labels.kpi }}",
        description="Nothing is decided by KPIs: whether autonomy keeps its authority is for people to say.",
    ),
)


def rules() -> dict[str, Any]:
    """Return the rules as Prometheus reads them."""
    return {"groups": [{"name": GROUP, "rules": list(_rules())}]}


def _rules() -> Iterator[dict[str, Any]]:
    for alert in ALERTS:
        yield {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.after,
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook": f"{RUNBOOK}#{alert.name.casefold()}",
            },
        }


def rules_text(head: str) -> str:
    """Write the rules as YAML, below a comment."""
    said = rules()
    for rule in said["groups"][0]["rules"]:
        rule["annotations"]["description"] = FoldedScalarString(rule["annotations"]["description"])
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    yaml.dump(said, text)
    return f"# {head}\n{text.getvalue()}"
