"""Rollouts: how far capabilities have come, and how their candidates do."""

from typing import Final

from watchkeeper.monitoring.panels import Dashboard, Panel, Query, Row
from watchkeeper.monitoring.queries import HERE, RATE, YES_NO

_ROLLOUTS: Final = (
    Row(
        title="Where capabilities stand",
        panels=(
            Panel(
                title="Versions and their stages",
                says="The live version, and a candidate on its way.",
                look="table",
                wide=12,
                queries=(Query(f"watchkeeper_rollout_stage{{{HERE}}} == 1"),),
            ),
            Panel(
                title="Held back",
                says="Capabilities that somebody or the evidence paused.",
                look="state-timeline",
                wide=12,
                words=YES_NO,
                queries=(Query(f"watchkeeper_rollout_paused{{{HERE}}}", "{{capability}}"),),
            ),
            Panel(
                title="Share of candidates",
                says="The part of all episodes that is a candidate's.",
                unit="percentunit",
                most=1,
                wide=12,
                queries=(Query(f"watchkeeper_rollout_share_ratio{{{HERE}}}", "{{capability}}@{{version}}"),),
            ),
            Panel(
                title="Steps",
                says="Where steps led, in the last day.",
                wide=12,
                look="bargauge",
                queries=(
                    Query(
                        "sum by (capability, now) "
                        f"(increase(watchkeeper_stage_changes_total{{{HERE}}}[1d])) > 0",
                        "{{capability}} → {{now}}",
                    ),
                ),
            ),
        ),
    ),
    Row(
        title="What they do",
        panels=(
            Panel(
                title="Shadowed decisions per second",
                says="What candidates would have been told.",
                unit="ops",
                queries=(
                    Query(
                        "sum by (capability, verdict) "
                        f'(rate(watchkeeper_decisions_total{{{HERE}, shadowed="true"}}{RATE})) > 0',
                        "{{capability}} {{verdict}}",
                    ),
                ),
            ),
            Panel(
                title="Failures of outcomes",
                says="Of all reported, by who did it.",
                unit="percentunit",
                most=1,
                queries=(
                    Query(
                        "sum by (capability, by) "
                        f'(increase(watchkeeper_outcomes_total{{{HERE}, result="failed"}}[1h])) / '
                        f"sum by (capability, by) (increase(watchkeeper_outcomes_total{{{HERE}}}[1h]))",
                        "{{capability}} by {{by}}",
                    ),
                ),
            ),
            Panel(
                title="Roll-backs and refusals",
                says="Steps back, and steps asked for that the evidence does not carry.",
                queries=(
                    Query(
                        "sum by (capability) "
                        f'(increase(watchkeeper_stage_changes_total{{{HERE}, now="rolled_back"}}[1h])) > 0',
                        "{{capability}} rolled back",
                    ),
                    Query(
                        "sum by (fact) (increase(watchkeeper_facts_total"
                        f'{{{HERE}, fact=~"promotion_refused|rollout_aborted|rollout_paused"}}[1h])) > 0',
                        "{{fact}}",
                    ),
                ),
            ),
        ),
    ),
)

ROLLOUTS: Final = Dashboard(
    uid="watchkeeper-rollouts",
    title="Watchkeeper: rollouts",
    says="How far capabilities have come, and how their candidates do.",
    rows=_ROLLOUTS,
)
