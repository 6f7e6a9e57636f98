"""Health: the engine, its work, the journal and the front."""

from typing import Final

from watchkeeper.monitoring.panels import Dashboard, Panel, Query, Row
from watchkeeper.monitoring.queries import HERE, RATE, UP, YES_NO, ago, quantile

_HEALTH: Final = (
    Row(
        title="Engine",
        panels=(
            Panel(
                title="Engine answers",
                says="Whether it answered the front.",
                look="state-timeline",
                words=UP,
                queries=(Query(f"watchkeeper_engine_up{{{HERE}}}", "{{instance}}"),),
            ),
            Panel(
                title="How long it takes to answer",
                says="Three questions at once, by its socket.",
                unit="s",
                queries=(Query(f"watchkeeper_engine_answer_seconds{{{HERE}}}", "{{instance}}"),),
            ),
            Panel(
                title="Running since",
                says="Of engine and front. Short lines mean restarts.",
                unit="s",
                queries=(
                    Query(ago("watchkeeper_engine_start_time_seconds"), "engine {{instance}}"),
                    Query(ago("watchkeeper_front_start_time_seconds"), "front {{instance}}"),
                ),
            ),
            Panel(
                title="Versions",
                says="Of engine and front, and the policy in force.",
                look="table",
                queries=(
                    Query(f"watchkeeper_engine_info{{{HERE}}}"),
                    Query(f"watchkeeper_front_info{{{HERE}}}"),
                ),
            ),
            Panel(
                title="Troubles",
                says="What is wrong with the machine.",
                look="state-timeline",
                words=YES_NO,
                queries=(Query(f"watchkeeper_trouble{{{HERE}}}", "{{trouble}} {{instance}}"),),
            ),
            Panel(
                title="Processes that ended",
                says="Though nobody asked them to.",
                queries=(
                    Query(
                        f"sum by (process) (increase(watchkeeper_processes_ended_total{{{HERE}}}[1h]))",
                        "{{process}}",
                    ),
                    Query(
                        f"sum by (trouble) (increase(watchkeeper_troubles_total{{{HERE}}}[1h]))",
                        "trouble: {{trouble}}",
                    ),
                ),
            ),
        ),
    ),
    Row(
        title="Work",
        panels=(
            Panel(
                title="Effects",
                says="Waiting for a worker, and held by one.",
                queries=(
                    Query(f"watchkeeper_effects_queued{{{HERE}}}", "waiting {{instance}}"),
                    Query(f"watchkeeper_effects_running{{{HERE}}}", "running {{instance}}"),
                ),
            ),
            Panel(
                title="How long effects take",
                says="From their last beginning to their end.",
                unit="s",
                queries=(
                    Query(quantile(0.5, "watchkeeper_effect_duration_seconds"), "half"),
                    Query(quantile(0.99, "watchkeeper_effect_duration_seconds"), "99 of 100"),
                ),
            ),
            Panel(
                title="Agents heard of",
                says="How long ago: the silent ones first.",
                look="bargauge",
                unit="s",
                queries=(
                    Query(
                        "topk(20, time() - max by (agent) "
                        f"(watchkeeper_agent_last_seen_timestamp_seconds{{{HERE}}}))",
                        "{{agent}}",
                    ),
                ),
            ),
        ),
    ),
    Row(
        title="Journal",
        panels=(
            Panel(
                title="Records per second",
                says="What is written into the journal.",
                unit="ops",
                queries=(
                    Query(
                        f"sum by (instance) (rate(watchkeeper_facts_total{{{HERE}}}{RATE}))", "{{instance}}"
                    ),
                ),
            ),
            Panel(
                title="Size, and what is free",
                says="Below 64 MiB no effect starts.",
                unit="bytes",
                queries=(
                    Query(f"watchkeeper_journal_size_bytes{{{HERE}}}", "journal {{instance}}"),
                    Query(f"watchkeeper_journal_free_bytes{{{HERE}}}", "free {{instance}}"),
                    Query(f"watchkeeper_snapshot_last_size_bytes{{{HERE}}}", "last snapshot {{instance}}"),
                ),
            ),
            Panel(
                title="Age of the last snapshot, and of the last record",
                says="Records come every minute.",
                unit="s",
                queries=(
                    Query(ago("watchkeeper_snapshot_last_timestamp_seconds"), "snapshot {{instance}}"),
                    Query(ago("watchkeeper_journal_last_record_timestamp_seconds"), "record {{instance}}"),
                ),
            ),
        ),
    ),
    Row(
        title="Front",
        panels=(
            Panel(
                title="Requests per second",
                says="By status.",
                unit="ops",
                stacked=True,
                queries=(
                    Query(
                        f"sum by (code) (rate(watchkeeper_http_requests_total{{{HERE}}}{RATE}))", "{{code}}"
                    ),
                ),
            ),
            Panel(
                title="How long a decision takes",
                says="As agents see it: `POST /v1/proposals`.",
                unit="s",
                queries=tuple(
                    Query(
                        f"histogram_quantile({share}, sum by (le) (rate("
                        "watchkeeper_http_request_duration_seconds_bucket"
                        f'{{{HERE}, method="POST", route="/v1/proposals"}}{RATE})))',
                        word,
                    )
                    for share, word in ((0.5, "half"), (0.99, "99 of 100"))
                ),
            ),
            Panel(
                title="Slowest routes",
                says="Nine of ten answers take less. Streams and waits take long.",
                unit="s",
                queries=(
                    Query(
                        f"topk(10, {quantile(0.9, 'watchkeeper_http_request_duration_seconds', 'route')})",
                        "{{route}}",
                    ),
                ),
            ),
        ),
    ),
)

HEALTH: Final = Dashboard(
    uid="watchkeeper-health",
    title="Watchkeeper: engine health",
    says="Engine, work, journal and front.",
    rows=_HEALTH,
)
