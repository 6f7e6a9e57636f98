"""Replays to report on: a recording made for the test, replayed for real, with its results file left open."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlite_utils

from engine.core.kpis.definitions import Kpi
from engine.core.vocabulary.facts import Fact, MetricObserved, OutcomeReported, ProposalReceived
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import MINUTE_US
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import (
    EpisodeLabel,
    Header,
    Label,
    Origin,
    RecordedVerdict,
    Recording,
    RecordingWriter,
)
from simulator.replay.driver import Replay, ReplayEnd
from simulator.replay.lanes import Span
from simulator.replay.results import Results, Run
from simulator.score import add_episode_labels
from simulator.summary import Summary, summarise
from tests.builders import NOON_US, promoted, proposal

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    "</style><img src=https://evil.example/x onerror=alert(1)>",
    "</title></svg>{{ 7*7 }}{% raw %}\"'&",
    "\u202egpj.exe\u0000\x1b[2J",
    "سلام 你好 🙂 é",
    "a" * 5_000,
)
"""Names an agent may give itself."""

AnyLabel = Label | EpisodeLabel | RecordedVerdict


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One replay, everything it left, and its summary."""

    recording: Recording
    db: sqlite_utils.Database
    run: Run
    end: ReplayEnd
    summary: Summary


def record(
    path: Path, facts: Iterable[Fact], labels: Iterable[AnyLabel] = (), *, notes: tuple[str, ...] = ()
) -> Path:
    """Write a recording."""
    with RecordingWriter(path, Header(source="sample", origin=Origin(name="made"), notes=notes)) as writer:
        for fact in facts:
            writer.write(fact)
        for label in labels:
            writer.label(label)
    return path


def replayed(
    recording_path: Path,
    *policies: Path,
    span: Span | None = None,
    stop_after: int | None = None,
    kpis: tuple[Kpi, ...] = (),
) -> Replayed:
    """Replay under the shipped policy or these, with labels, and sum up; stop after so many groups."""
    span = span or Span()
    recording = Recording(recording_path)
    sources = [
        read_policy(path).with_recorded(recording.header.actions) for path in policies or (SHIPPED_POLICY,)
    ]
    run = Run(
        recording=str(recording_path),
        content_sha256=recording.footer.content_sha256,
        source=recording.header.source,
        policies=[source.place for source in sources],
        policy_hashes=[source.policy_hash for source in sources],
        from_us=span.from_us,
        until_us=span.until_us,
    )
    results = Results(recording_path.with_suffix(".sqlite"), run, resume=False)
    replay = Replay(recording, sources, results=results, span=span, kpis=kpis)
    seen = 0

    def watch(_: object) -> None:
        nonlocal seen
        seen += 1
        if stop_after is not None and seen >= stop_after:
            replay.stop()

    end = replay.run(watch)
    if end.finished:
        results.add_labels(recording.labels())
        for position, track in enumerate(end.tracks):
            if track.kpis is not None:
                results.add_kpis(position, track.kpis)
        results.finish()
        add_episode_labels(results.db, recording.episode_labels())
    summary = summarise(results.db, run, end, recording.footer.source_rows, notes=recording.header.notes)
    return Replayed(recording=recording, db=results.db, run=run, end=end, summary=summary)


def another_policy(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """Copy the shipped policy with some texts changed: `(file, old, new)`."""
    shutil.copytree(SHIPPED_POLICY.parent, folder)
    for name, old, new in changes:
        path = folder / "policies" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return folder / "policies"


def ask(number: int, at_us: int | None = None, **values: Any) -> ProposalReceived:
    """One proposal of a history."""
    given: dict[str, Any] = {
        "proposal_id": f"p{number}",
        "episode": f"e{number // 4}",
        "agent": f"agent-{number % 5}",
    }
    return ProposalReceived(
        at_us=NOON_US + number * MINUTE_US if at_us is None else at_us, proposal=proposal(**given | values)
    )


def busy(count: int, step_us: int = MINUTE_US) -> Iterable[Fact]:
    """A history in which every word and many rules occur, in a fixed pattern."""
    yield promoted(at_us=NOON_US)
    for number in range(count):
        at_us = NOON_US + number * step_us
        match number % 9:
            case 0:
                values = {"confidence": 0.2}
            case 1:
                values = {"impact": Impact(cost_usd=Decimal(60), files=1)}
            case 2:
                values = {"action": "no.such.action"}
            case 3:
                values = {"impact": Impact(cost_usd=Decimal("0.75"), files=2, api_calls=30)}
            case 4:
                values = {"impact": Impact(cost_usd=Decimal(500))}
            case 5:
                values = {"capability": "unknown@1", "agent": HOSTILE[number // 9 % len(HOSTILE)]}
            case _:
                values = {"impact": Impact(api_calls=5)}
        yield ask(number, at_us, **values)
        if number % 3 == 0:
            yield MetricObserved(at_us=at_us, series="web/cpu", value=number % 7)


def outcome(number: int, at_us: int, *, ok: bool = True) -> OutcomeReported:
    """What came of a proposal."""
    return OutcomeReported(
        at_us=at_us,
        proposal_id=f"p{number}",
        agent="agent-1",
        capability="heal@1",
        action="cache.clear",
        ok=ok,
        by="incumbent",
    )


def labels_for(
    count: int, unsafe: Callable[[int], bool], benign_episode: Callable[[int], bool]
) -> Iterable[AnyLabel]:
    """A label for each proposal, and one for each episode of four."""
    for number in range(count):
        yield Label(
            proposal_id=f"p{number}",
            unsafe=unsafe(number),
            benign_episode=benign_episode(number // 4),
            episode=f"e{number // 4}",
        )
    for episode in range(-(-count // 4)):
        yield EpisodeLabel(episode=f"e{episode}", benign=benign_episode(episode))
