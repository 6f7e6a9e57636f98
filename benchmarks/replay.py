"""Replay: facts and proposals a second against the floor of only decoding the same recording.

    python -m benchmarks.replay [--facts N] [--proposals N] [--json OUT]

Every figure is the median of several runs, each in a process of its own. The floor reads the same file,
decompresses it and decodes every fact with msgspec, and does nothing with them.
"""

import argparse
import gc
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from engine.core.vocabulary.facts import MessageObserved, MetricObserved, OutcomeReported, ProposalReceived
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, ProposalId
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import Header, Origin, Recording, RecordingWriter
from simulator.replay.driver import Replay
from simulator.replay.results import Results, Run

_START_US = 1_770_000_000_000_000
_RUNS = 3
_ACTIONS = (
    ("service.restart", lambda i: {"service": f"web-{i % 40}"}, 0),
    ("file.read", lambda i: {"path": f"src/module_{i % 300}.py"}, 0),
    ("file.write", lambda i: {"path": f"src/module_{i % 300}.py", "content": f"value = {i}"}, 1),
    ("shell.run", lambda i: {"command": f"pytest tests/test_{i % 200}.py -k case_{i % 17}"}, 0),
    ("email.send", lambda i: {"to": [f"team-{i % 9}@x.example"], "subject": "report", "body": f"run {i}"}, 0),
)


def telemetry(path: Path, facts: int) -> None:
    """Write a recording of 500 series."""
    with RecordingWriter(path, Header(source="benchmark", origin=Origin(name="telemetry"))) as out:
        for i in range(facts):
            series = f"host-{i % 100}/{('cpu', 'disk', 'errors', 'latency', 'memory')[i % 5]}"
            out.write(
                MetricObserved(at_us=_START_US + i * 20_000, series=series, value=(i * 7919 % 10_000) / 100)
            )


def proposals(path: Path, count: int) -> None:
    """Write a recording of eight agents at work, with messages and outcomes between their proposals."""
    with RecordingWriter(path, Header(source="benchmark", origin=Origin(name="proposals"))) as out:
        for i in range(count):
            action, args, files = _ACTIONS[i % len(_ACTIONS)]
            at_us, episode = _START_US + i * 1_500_000, EpisodeId(f"task-{i // 8}")
            if i % 8 == 0:
                text = f"Please look after module {i % 300} and tell team-{i % 9}@x.example."
                out.write(MessageObserved(at_us=at_us, episode=episode, source="person", text=text))
            proposal = Proposal(
                proposal_id=ProposalId(f"p-{i}"),
                agent=AgentId(f"agent-{i % 8}"),
                capability=CapabilityId(f"helper-{i % 8}@3"),
                action=ActionName(action),
                args=args(i),
                episode=episode,
                environment=("staging", "production", "")[i % 3],
                impact=Impact(cost_usd=Decimal(i % 50) / 10_000, files=files, api_calls=1),
                confidence=(60 + i * 31 % 40) / 100,
                rationale="the last run failed",
            )
            out.write(ProposalReceived(at_us=at_us, proposal=proposal))
            if i % 2:
                out.write(
                    OutcomeReported(
                        at_us=at_us + 500_000,
                        proposal_id=proposal.proposal_id,
                        agent=proposal.agent,
                        capability=proposal.capability,
                        action=proposal.action,
                        ok=i % 97 != 0,
                        by="incumbent",
                    )
                )


def floor(path: Path) -> float:
    """Read, decompress and decode everything, and return the seconds it took."""
    recording = Recording(path)
    gc.disable()
    began = time.perf_counter()
    for entry in recording.frames:
        recording.read_frame(entry).facts()
    return time.perf_counter() - began


def replayed(path: Path, shards: int, *, keep: bool) -> float:
    """Replay under the shipped policy, with or without keeping every decision."""
    recording, source = Recording(path), read_policy(SHIPPED_POLICY)
    results = None
    if keep:
        run = Run(
            recording=path.name,
            content_sha256=recording.footer.content_sha256,
            source="benchmark",
            policies=[source.place],
            policy_hashes=[source.policy_hash],
            from_us=None,
            until_us=None,
        )
        results = Results(path.with_suffix(".sqlite"), run, resume=False)
    end = Replay(recording, [source], results=results, shards=shards).run()
    if results is not None:
        results.discard()
    return end.seconds


def _measure(connection, work: Callable[..., float], args: tuple, named: dict) -> None:  # type: ignore[no-untyped-def]  # multiprocessing names no public type for it
    seconds = work(*args, **named)
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    connection.send((seconds, used / 1024))


def measured(work: Callable[..., float], *args: object, **named: object) -> tuple[float, float]:
    """Run in fresh processes; return median seconds and the largest memory of any one process, MiB."""
    context, taken = multiprocessing.get_context("spawn"), []
    for _ in range(_RUNS):
        ours, theirs = context.Pipe()
        process = context.Process(target=_measure, args=(theirs, work, args, named))
        process.start()
        taken.append(ours.recv())
        process.join()
    return statistics.median(seconds for seconds, _ in taken), max(memory for _, memory in taken)


def compare(name: str, path: Path, count: int, *, what: str) -> dict[str, object]:
    """Print one table: the floor, then one shard and two, and return the figures."""
    base, base_memory = measured(floor, path)
    print(f"\n{name}: {count:,} {what}, {path.stat().st_size / 1e6:.1f} MB on disk")
    print(f"  {'':<34}{what + '/s':>16}{'of the floor':>14}{'MiB':>8}")
    print(f"  {'floor: read and decode only':<34}{count / base:>16,.0f}{'100 %':>14}{base_memory:>8.0f}")
    found: dict[str, object] = {"floor_per_s": count / base}
    one = 0.0
    for label, shards, keep in (
        ("replay, 1 shard", 1, False),
        ("replay, 2 shards", 2, False),
        ("replay, 1 shard, keeping results", 1, True),
    ):
        seconds, memory = measured(replayed, path, shards, keep=keep)
        one = seconds if label == "replay, 1 shard" else one
        times = f"  {one / seconds:.2f} times one shard" if shards > 1 else ""
        print(f"  {label:<34}{count / seconds:>16,.0f}{base / seconds:>13.0%} {memory:>8.0f}{times}")
        found[label] = {"per_s": count / seconds, "of_floor": base / seconds, "rss_mib": memory}
    return found


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--facts", type=int, default=3_000_000)
    options.add_argument("--proposals", type=int, default=150_000)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        facts, asked = Path(folder, "telemetry.wkr"), Path(folder, "proposals.wkr")
        telemetry(facts, given.facts)
        proposals(asked, given.proposals)
        found = {
            "telemetry": compare("telemetry", facts, given.facts, what="facts"),
            "proposals": compare("proposals", asked, given.proposals, what="proposals"),
        }
        half = Path(folder, "half.wkr")
        telemetry(half, given.facts // 4)
        memory = [measured(replayed, path, 1, keep=False)[1] for path in (half, facts)]
        print(
            f"\nmemory: {memory[0]:.0f} MiB for {given.facts // 4:,} facts, "
            f"{memory[1]:.0f} MiB for four times as many"
        )
        found["memory_mib"] = memory
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
