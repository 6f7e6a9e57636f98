"""The overview: what agents are allowed, what waits for people, and what it costs."""

from typing import Final

from watchkeeper.monitoring.panels import Dashboard, Panel, Query, Row
from watchkeeper.monitoring.queries import CALM, HERE, RATE, SHARE, UP, WAITS, YES_NO, ago, quantile

_STATE: Final = Row(
    title="Is it working?",
    panels=(
        Panel(
            title="Engine",
            says="Whether the engine answers the front.",
            look="stat",
            wide=4,
            high=4,
            queries=(Query(f"min(watchkeeper_engine_up{{{HERE}}})"),),
            words=UP,
            steps=((None, "red"), (1, "green")),
        ),
        Panel(
            title="Stops",
            says="Stops of the kill switch that are set.",
            look="stat",
            wide=4,
            high=4,
            queries=(Query(f"sum(watchkeeper_stops{{{HERE}}})"),),
            steps=CALM,
        ),
        Panel(
            title="Troubles",
            says="What is wrong with a machine: while there is any, no effect starts.",
            look="stat",
            wide=4,
            high=4,
            queries=(Query(f"sum(watchkeeper_trouble{{{HERE}}})"),),
            steps=CALM,
        ),
        Panel(
            title="Decisions waiting",
            says="Held decisions that wait for people.",
            look="stat",
            wide=4,
            high=4,
            queries=(Query(f"sum(watchkeeper_holds_open{{{HERE}}})"),),
            steps=WAITS,
        ),
        Panel(
            title="People being woken",
            says="Escalations that are not over.",
            look="stat",
            wide=4,
            high=4,
            queries=(Query(f"sum(watchkeeper_escalations_open{{{HERE}}}) or vector(0)"),),
            steps=CALM,
        ),
        Panel(
            title="Breakers open",
            says="Actions that failed too often and rest.",
            look="stat",
            wide=4,
            high=4,
            queries=(Query(f'sum(watchkeeper_breaker_state{{{HERE}, state="open"}}) or vector(0)'),),
            steps=CALM,
        ),
    ),
)

_DECISIONS: Final = Row(
    title="What is decided",
    panels=(
        Panel(
            title="Decisions per second",
            says="By verdict, those that are executed.",
            unit="ops",
            stacked=True,
            queries=(
                Query(
                    f'sum by (verdict) (rate(watchkeeper_decisions_total{{{HERE}, shadowed="false"}}{RATE}))',
                    "{{verdict}}",
                ),
            ),
        ),
        Panel(
            title="Decisions per second by capability",
            says="Shadowed ones included.",
            unit="ops",
            queries=(
                Query(
                    f"sum by (capability) (rate(watchkeeper_decisions_total{{{HERE}}}{RATE})) > 0",
                    "{{capability}}",
                ),
            ),
        ),
        Panel(
            title="Decisions per second by agent",
            says="An agent that asks without end shows here.",
            unit="ops",
            queries=(
                Query(
                    f"topk(10, sum by (agent) (rate(watchkeeper_agent_decisions_total{{{HERE}}}{RATE})))",
                    "{{agent}}",
                ),
            ),
        ),
        Panel(
            title="Success",
            says="Outcomes that were good, of all that were reported, by capability.",
            unit="percentunit",
            most=1,
            queries=(
                Query(
                    "sum by (capability) "
                    f'(increase(watchkeeper_outcomes_total{{{HERE}, result="ok"}}[1h])) / '
                    f"sum by (capability) (increase(watchkeeper_outcomes_total{{{HERE}}}[1h]))",
                    "{{capability}}",
                ),
            ),
        ),
        Panel(
            title="Errors",
            says="Effects that failed, and those nobody knows the end of.",
            unit="ops",
            queries=(
                Query(
                    "sum by (status) "
                    f'(rate(watchkeeper_effects_total{{{HERE}, status=~"failed|unknown|stopped"}}{RATE}))',
                    "{{status}}",
                ),
            ),
        ),
        Panel(
            title="Anomalies",
            says="What should not happen, counted over an hour.",
            queries=(
                Query(
                    "sum by (fact) (increase(watchkeeper_facts_total"
                    f'{{{HERE}, fact=~"trouble_found|process_ended|answer_refused|rollout_aborted"}}'
                    "[1h])) > 0",
                    "{{fact}}",
                ),
                Query(
                    "sum by (now) "
                    f'(increase(watchkeeper_stage_changes_total{{{HERE}, now="rolled_back"}}[1h])) > 0',
                    "{{now}}",
                ),
            ),
        ),
    ),
)

_PEOPLE: Final = Row(
    title="What waits for people",
    panels=(
        Panel(
            title="Decisions waiting",
            says="How many wait for people.",
            queries=(Query(f"watchkeeper_holds_open{{{HERE}}}", "{{instance}}"),),
        ),
        Panel(
            title="Longest waiting, and next to end",
            unit="s",
            says="Since when the oldest waits, and how long the next one still has.",
            queries=(
                Query(ago("watchkeeper_hold_oldest_start_timestamp_seconds"), "oldest {{instance}}"),
                Query(
                    f"watchkeeper_hold_next_end_timestamp_seconds{{{HERE}}} - time()", "next end {{instance}}"
                ),
            ),
        ),
        Panel(
            title="How holds ended",
            says="timeout: nobody came.",
            stacked=True,
            queries=(
                Query(f"sum by (how) (increase(watchkeeper_holds_ended_total{{{HERE}}}[1h])) > 0", "{{how}}"),
            ),
        ),
        Panel(
            title="Escalations open",
            says="By how bad they are and how far they got.",
            stacked=True,
            queries=(
                Query(
                    f"sum by (severity, stage) (watchkeeper_escalations_open{{{HERE}}})",
                    "{{severity}} {{stage}}",
                ),
            ),
        ),
        Panel(
            title="Until somebody has it",
            says="Nine of ten: from an escalation to its acknowledgement, and from a hold to its end.",
            unit="s",
            queries=(
                Query(quantile(0.9, "watchkeeper_escalation_acknowledge_seconds"), "escalations"),
                Query(quantile(0.9, "watchkeeper_hold_wait_seconds"), "holds"),
            ),
        ),
        Panel(
            title="Messages that failed",
            says="By the way they were to go; what is dead is left to other rungs.",
            queries=(
                Query(
                    "sum by (channel, failure) "
                    f'(increase(watchkeeper_notifications_total{{{HERE}, delivery="failed"}}[1h])) > 0',
                    "{{channel}}: {{failure}}",
                ),
                Query(f"sum by (channel) (watchkeeper_channel_dead{{{HERE}}})", "{{channel}} is dead"),
            ),
        ),
        Panel(
            title="Last at the controls",
            says="When a person of each role was seen last.",
            look="stat",
            unit="s",
            high=4,
            wide=12,
            queries=(
                Query(
                    f"time() - max by (role) (watchkeeper_person_last_seen_timestamp_seconds{{{HERE}}})",
                    "{{role}}",
                ),
            ),
        ),
        Panel(
            title="Escalations that reached nobody",
            says="In the last day.",
            look="stat",
            high=4,
            wide=12,
            steps=CALM,
            queries=(
                Query(f'sum(increase(watchkeeper_escalations_ended_total{{{HERE}, how="exhausted"}}[1d]))'),
            ),
        ),
    ),
)

_LIMITS: Final = Row(
    title="Limits and cost",
    panels=(
        Panel(
            title="Limits",
            says="What is used of each within its window. At 100 % nothing more is allowed.",
            look="bargauge",
            unit="percentunit",
            most=1,
            steps=SHARE,
            queries=(
                Query(
                    f"max by (limit) (watchkeeper_limit_used{{{HERE}}} "
                    "/ on (job, instance, limit, measure) group_left () watchkeeper_limit_most)",
                    "{{limit}}",
                ),
            ),
        ),
        Panel(
            title="Cost per hour",
            says="Estimated of what was executed, and as reported afterwards.",
            unit="currencyUSD",
            queries=(
                Query(
                    f"sum by (basis) (increase(watchkeeper_cost_dollars_total{{{HERE}}}[1h]))", "{{basis}}"
                ),
            ),
        ),
        Panel(
            title="KPIs",
            says="What each comes to; left out while it is unknown.",
            look="table",
            least=None,
            queries=(Query(f"watchkeeper_kpi_value{{{HERE}}}"),),
        ),
        Panel(
            title="KPIs that miss their target",
            says="Nothing is decided by them: it is for people to say.",
            look="state-timeline",
            wide=24,
            high=6,
            words=YES_NO,
            queries=(Query(f"watchkeeper_kpi_missed{{{HERE}}}", "{{kpi}}"),),
        ),
    ),
)

OVERVIEW: Final = Dashboard(
    uid="watchkeeper-overview",
    title="Watchkeeper: overview",
    says="What agents are allowed, what waits for people, and what it costs.",
    rows=(_STATE, _DECISIONS, _PEOPLE, _LIMITS),
)
