"""Alerts of an Alertmanager: what its webhook sent (version 4), or what `/api/v2/alerts` lists.

Each time an alert fires is an episode. How many fire is a metric, so that an anomaly can be seen.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Final

from engine.adapters.redaction import redact
from engine.core.vocabulary.facts import EpisodeClosed, Fact, MessageObserved, MetricObserved, encode
from engine.core.vocabulary.ids import EpisodeId
from simulator.importers.conversations import named
from simulator.importers.files import Files, documents
from simulator.importers.shapes import first, items, table, text, time_us
from simulator.importers.source import Progress
from simulator.importers.summary import Summary, write_sorted
from simulator.recording import Header
from simulator.recording.spill import SortedSpill, time_key

FORMAT: Final = "alertmanager"
PATTERNS: Final = ("*.jsonl", "*.json")
_NOTES: Final = (
    "alerts are episodes without proposals: what people or programs did about them is not in it",
)


def import_alertmanager(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of alerts that fired and ended. Raises `RecordingError`."""
    files = Files(path, *PATTERNS, progress=progress)
    oddities: Counter[str] = Counter()
    episodes: dict[tuple[str, int], _Alert] = {}
    for source in files:
        for _, document in documents(source, oddities):
            body = table(document)
            for each in map(table, items(body.get("alerts")) or [body]):
                _take(episodes, each, oddities)
    with SortedSpill() as spill:
        for alert in episodes.values():
            for fact in alert.facts():
                spill.add(time_key(fact.at_us), encode(fact))
        _count(spill, episodes)
        header = Header(source=FORMAT, origin=files.origin(), notes=_NOTES)
        return write_sorted(out, header, spill, rows=files.rows, oddities=oddities)


class _Alert:
    """One time an alert fired."""

    __slots__ = ("end_us", "episode", "name", "start_us", "words")

    def __init__(self, name: str, fingerprint: str, start_us: int, words: str) -> None:
        self.name, self.start_us, self.words = name, start_us, words
        self.end_us: int | None = None
        self.episode = EpisodeId(f"{FORMAT}/{name}/{named(fingerprint)}/{start_us}")

    def facts(self) -> list[Fact]:
        said = MessageObserved(at_us=self.start_us, episode=self.episode, source="tool", text=self.words)
        if self.end_us is None:
            return [said]
        return [said, EpisodeClosed(at_us=self.end_us, episode=self.episode)]


def _take(episodes: dict[tuple[str, int], _Alert], alert: dict[str, Any], oddities: Counter[str]) -> None:
    labels, notes = table(alert.get("labels")), table(alert.get("annotations"))
    start_us, end_us = time_us(alert.get("startsAt")), time_us(alert.get("endsAt"))
    if not labels or start_us is None:
        oddities["alerts without labels or a start, left out"] += 1
        return
    fingerprint = text(alert.get("fingerprint")) or ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    known = episodes.get((fingerprint, start_us))
    if known is None:
        name = named(text(labels.get("alertname")))
        words = text(first(notes, "summary", "description", "message")) or name
        known = episodes[fingerprint, start_us] = _Alert(name, fingerprint, start_us, redact(words[:2_000]))
    # While it fires, the API gives as its end when it would time out; the webhook a time before all others.
    state = text(table(alert.get("status")).get("state")) or text(alert.get("status"))
    if state == "resolved" and end_us is not None and end_us >= start_us:
        known.end_us = end_us


def _count(spill: SortedSpill, episodes: dict[tuple[str, int], _Alert]) -> None:
    """Count how many alerts of each name fire, at each change."""
    changes = sorted(
        change
        for alert in episodes.values()
        for change in (
            (alert.start_us, 1, alert.name),
            *(((alert.end_us, -1, alert.name),) if alert.end_us is not None else ()),
        )
    )
    firing: Counter[str] = Counter()
    for at_us, step, name in changes:
        firing[name] += step
        spill.add(
            time_key(at_us),
            encode(MetricObserved(at_us=at_us, series=f"alerts/{name}", value=float(firing[name]))),
        )
