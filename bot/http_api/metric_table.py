"""Every metric we have, in one table: scrapes, the reference page, dashboards and alerts are held to it."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["counter", "gauge", "histogram", "info"]
Source = Literal["front", "engine", "journal", "kpis"]

SOURCES: Final[Mapping[Source, str]] = {
    "front": "the front process itself; always there",
    "engine": "the engine, asked over its socket; left out while it does not answer",
    "journal": "the journal, read by the front with the engine dead, too; left out while it cannot be read",
    "kpis": "the KPIs of `kpis.yaml`, as of the last time they were counted: at most 20 seconds ago",
}


class Metric(Struct, frozen=True, kw_only=True):
    """One metric. Its name is that of its samples, `_total` and `_info` included."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    source: Source

    @property
    def samples(self) -> tuple[str, ...]:
        """The names under which a query finds it."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{ending}" for ending in ("bucket", "sum", "count"))
        return (self.name,)


def _metric(name: str, kind: Kind, source: Source, text: str, *labels: str) -> Metric:
    return Metric(name=f"watchkeeper_{name}", kind=kind, help=text, labels=labels, source=source)


METRICS: Final[tuple[Metric, ...]] = (
    _metric("front_info", "info", "front", "The version of the front process.", "version"),
    _metric("front_start_time_seconds", "gauge", "front", "When the front began, seconds since 1970."),
    _metric(
        "http_requests_total",
        "counter",
        "front",
        "Requests answered, by the route as it is declared; code 0 where the client went away.",
        "method",
        "route",
        "code",
    ),
    _metric(
        "http_request_duration_seconds",
        "histogram",
        "front",
        "How long answers took. Of proposals it is the latency of a decision as agents see it.",
        "method",
        "route",
    ),
    _metric("engine_up", "gauge", "front", "1 while the engine answers the front, 0 while it does not."),
    _metric(
        "journal_readable", "gauge", "front", "1 while the front can read the journal, 0 while it cannot."
    ),
    _metric(
        "stops",
        "gauge",
        "front",
        "Stops that the kill switch's fence holds, by what they cover. Read from the fence itself.",
        "scope",
    ),
    _metric(
        "engine_info", "info", "engine", "The engine's version and the policy in force.", "version", "policy"
    ),
    _metric("engine_start_time_seconds", "gauge", "engine", "When the engine began, seconds since 1970."),
    _metric("engine_answer_seconds", "gauge", "engine", "How long the engine took to answer this scrape."),
    _metric("engine_draining", "gauge", "engine", "1 while the engine hands out no more effects."),
    _metric(
        "trouble",
        "gauge",
        "engine",
        "1 while something is wrong with the machine, and no effect starts: journal, disk, clock.",
        "trouble",
    ),
    _metric("holds_open", "gauge", "engine", "Decisions that wait for people."),
    _metric(
        "hold_oldest_start_timestamp_seconds",
        "gauge",
        "engine",
        "Since when the longest waiting decision waits; left out when none does.",
    ),
    _metric(
        "hold_next_end_timestamp_seconds",
        "gauge",
        "engine",
        "When the first waiting decision is let go unanswered; left out when none waits.",
    ),
    _metric("escalations_open", "gauge", "engine", "Escalations that are not over.", "severity", "stage"),
    _metric(
        "channel_dead",
        "gauge",
        "engine",
        "1 for a way to reach people that failed three times in a row by its own fault.",
        "channel",
    ),
    _metric(
        "limit_used",
        "gauge",
        "engine",
        "What is used of a limit within its window; agent is empty for all together.",
        "limit",
        "measure",
        "agent",
    ),
    _metric(
        "limit_most", "gauge", "engine", "The most that may be used within the window.", "limit", "measure"
    ),
    _metric(
        "limit_window_seconds", "gauge", "engine", "How long the window of a limit is.", "limit", "measure"
    ),
    _metric(
        "breaker_state",
        "gauge",
        "engine",
        "1 for each circuit breaker that is not closed; state is open or half_open.",
        "capability",
        "action",
        "state",
    ),
    _metric(
        "rollout_stage",
        "gauge",
        "engine",
        "1 for the stage of each capability's version: its candidate's on the way, and live.",
        "capability",
        "version",
        "stage",
    ),
    _metric(
        "rollout_share_ratio",
        "gauge",
        "engine",
        "The share of episodes that are a candidate's, 0 to 1.",
        "capability",
        "version",
    ),
    _metric("rollout_paused", "gauge", "engine", "1 for a capability that is held back.", "capability"),
    _metric(
        "agent_last_seen_timestamp_seconds", "gauge", "engine", "When an agent was heard of last.", "agent"
    ),
    _metric("journal_records", "gauge", "journal", "Records of the journal: the number of its head."),
    _metric("journal_size_bytes", "gauge", "journal", "The journal's file and its write-ahead log."),
    _metric("journal_free_bytes", "gauge", "journal", "What is free where the journal lies."),
    _metric(
        "journal_last_record_timestamp_seconds",
        "gauge",
        "journal",
        "The latest time in the journal. A live engine writes at least once a minute.",
    ),
    _metric(
        "journal_uncounted_records", "gauge", "journal", "Records that the counts below do not have yet."
    ),
    _metric("effects_queued", "gauge", "journal", "Effects that wait for a worker."),
    _metric("effects_running", "gauge", "journal", "Effects that a worker holds."),
    _metric("facts_total", "counter", "journal", "Facts in the journal, by kind.", "fact"),
    _metric(
        "decisions_total",
        "counter",
        "journal",
        "Verdicts; shadowed ones were not to be executed.",
        "capability",
        "verdict",
        "shadowed",
    ),
    _metric("agent_decisions_total", "counter", "journal", "Verdicts, by agent.", "agent", "verdict"),
    _metric(
        "outcomes_total",
        "counter",
        "journal",
        "What came of proposals, at the hands of the executor or of the incumbent.",
        "capability",
        "by",
        "result",
    ),
    _metric("effects_total", "counter", "journal", "Effects that ended.", "kind", "status"),
    _metric(
        "effect_duration_seconds", "histogram", "journal", "From the last beginning of an effect to its end."
    ),
    _metric(
        "holds_ended_total",
        "counter",
        "journal",
        "Decisions that wait no longer; timeout: nobody came.",
        "how",
    ),
    _metric(
        "hold_wait_seconds", "histogram", "journal", "How long decisions waited for people, answered or not."
    ),
    _metric("escalations_total", "counter", "journal", "Escalations raised.", "kind", "severity"),
    _metric(
        "escalations_ended_total",
        "counter",
        "journal",
        "Escalations that ended; exhausted: nobody came.",
        "how",
    ),
    _metric(
        "escalation_acknowledge_seconds",
        "histogram",
        "journal",
        "From an escalation to its first acknowledgement, where it had one.",
    ),
    _metric(
        "notifications_total",
        "counter",
        "journal",
        "Reports of how far messages got; failure says why one failed, and is empty where none did.",
        "channel",
        "delivery",
        "failure",
    ),
    _metric(
        "cost_dollars_total",
        "counter",
        "journal",
        "US dollars: estimated of what was allowed and executed, or reported with outcomes.",
        "basis",
    ),
    _metric(
        "stage_changes_total",
        "counter",
        "journal",
        "Steps of rollouts, by where they led.",
        "capability",
        "now",
    ),
    _metric("troubles_total", "counter", "journal", "Troubles of the machine that were found.", "trouble"),
    _metric(
        "processes_ended_total",
        "counter",
        "journal",
        "Processes of ours that ended though nobody asked them to.",
        "process",
    ),
    _metric(
        "person_last_seen_timestamp_seconds",
        "gauge",
        "journal",
        "When a person of this role was at the controls last. Scrapes do not count.",
        "role",
    ),
    _metric(
        "snapshot_last_timestamp_seconds",
        "gauge",
        "journal",
        "When journal, configuration and workspace were copied last; left out before the first time.",
    ),
    _metric("snapshot_last_size_bytes", "gauge", "journal", "The size of that copy."),
    _metric("kpi_value", "gauge", "kpis", "What a KPI comes to; left out while it is unknown.", "kpi"),
    _metric("kpi_target", "gauge", "kpis", "What a KPI should be: at_least or at_most.", "kpi", "bound"),
    _metric(
        "kpi_missed", "gauge", "kpis", "1 while a KPI misses its target; left out while it is unknown.", "kpi"
    ),
)

BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in METRICS}
