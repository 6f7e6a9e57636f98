"""The journal: what an append costs over the bare disk, what threads share, verification and restoring.

    python -m benchmarks.journal [--appends N] [--records N] [--dir DIR] [--json OUT]

The floor is a plain file: the same bytes appended, with fdatasync where the journal promises to be synced.
Both take turns within one loop, because other programs share the disk and its speed drifts by the second.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engine.adapters.journal_chain import linked
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.decide import decide
from engine.core.evolve import evolve
from engine.core.state import State, decode_state, encode_state
from engine.core.vocabulary.chain import Head
from engine.core.vocabulary.facts import ProposalReceived, decode, encode
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, ProposalId
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.ports import Durability, Entry, Snapshot
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy

_START_US = 1_700_000_000_000_000
_THREADS = 8
_OPEN_ITEMS = 10_000
_TAIL = 1_000
_RESTORES = 9

Figures = dict[str, Any]


class Restoring(NamedTuple):
    """What restoring does with the bytes: swap these in to measure another state."""

    state: bytes
    """A snapshot of state with 10,000 open items."""
    load: Callable[[bytes], Any]
    """Turn a snapshot's bytes into state."""
    fold: Callable[[Any, bytes], Any]
    """Take one fact of the tail into state and return it."""


def fact(number: int) -> Entry:
    """Make a proposal of about 500 bytes, unsure enough to be held."""
    proposal = Proposal(
        proposal_id=ProposalId(f"p-{number}"),
        agent=AgentId(f"agent-{number % 8}"),
        capability=CapabilityId("restart-unhealthy@3"),
        action=ActionName("service.restart"),
        args={"service": f"web-{number % 40}"},
        episode=EpisodeId(f"task-{number // 8}"),
        environment="production",
        impact=Impact(files=number % 5, api_calls=3),
        confidence=0.55,
        rationale="Five health checks in a row failed and the last deploy is an hour old. " * 2,
    )
    return Entry(f"p-{number}", encode(ProposalReceived(at_us=_START_US + number, proposal=proposal)))


def held() -> Restoring:
    """Make a real state: 10,000 proposals that the shipped policy holds, all still waiting."""
    policy = build_policy(read_policy(SHIPPED_POLICY))
    state = evolve(State(), policy.adopted(0))
    for number in range(_OPEN_ITEMS):
        asked = decode(fact(number).body)
        evolve(state, asked)
        for verdict in decide(policy, state, asked).facts:
            evolve(state, verdict)
    if len(state.holds.by_id) != _OPEN_ITEMS:
        raise AssertionError(f"{len(state.holds.by_id)} of {_OPEN_ITEMS} proposals are held")
    return Restoring(encode_state(state), decode_state, lambda state, body: evolve(state, decode(body)))


# ---------------------------------------------------------------- appends


def appends(folder: Path, count: int) -> Figures:
    """Append one fact a commit, each durability next to its floor, from empty journals on."""
    with ExitStack() as stack:
        synced = stack.enter_context(SqliteJournal(folder / "synced.db"))
        kept = stack.enter_context(SqliteJournal(folder / "kept.db"))
        relaxed = stack.enter_context(SqliteJournal(folder / "relaxed.db"))
        floors = [stack.enter_context((folder / name).open("ab", buffering=0)) for name in ("one", "two")]

        def floor(entry: Entry) -> None:
            floors[0].write(entry.body)
            os.fdatasync(floors[0].fileno())

        steps: dict[str, Callable[[Entry], object]] = {
            "append + fdatasync, the floor": floor,
            "synced append": lambda entry: synced.append([entry]),
            "synced append, kept in idle gaps": lambda entry: kept.append([entry]),
            "write, the floor": lambda entry: floors[1].write(entry.body),
            "relaxed append": lambda entry: relaxed.append([entry], durability=Durability.RELAXED),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(count):
            entry = fact(number)
            for name, step in steps.items():
                before = time.perf_counter()
                step(entry)
                times[name].append(time.perf_counter() - before)
            kept.maintain()
    rows = {name: _spread(taken) for name, taken in times.items()}
    base = rows["append + fdatasync, the floor"]
    for name in ("synced append", "synced append, kept in idle gaps"):
        rows[name]["ratio_p50"] = rows[name]["p50_us"] / base["p50_us"]
        rows[name]["ratio_p99"] = rows[name]["p99_us"] / base["p99_us"]
    return rows


def group_commit(folder: Path, count: int) -> Figures:
    """Append synced from one thread and from eight; the eight share the disk's syncs."""
    figures = {}
    for threads in (1, _THREADS):
        with SqliteJournal(folder / f"group-{threads}.db") as journal:
            taken: list[float] = []
            begin = threading.Barrier(threads + 1)

            def work(number: int, journal: SqliteJournal = journal, begin: threading.Barrier = begin) -> None:
                entries = [fact(number * count + turn) for turn in range(count)]
                begin.wait()
                for entry in entries:
                    before = time.perf_counter()
                    journal.append([entry])
                    taken.append(time.perf_counter() - before)  # noqa: B023 - joined before the next round

            running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
            for thread in running:
                thread.start()
            begin.wait()
            before = time.perf_counter()
            for thread in running:
                thread.join()
            wall = time.perf_counter() - before
            figures[f"{threads} thread{'s' * (threads > 1)}"] = {**_spread(taken), "per_s": len(taken) / wall}
    return figures


# ---------------------------------------------------------------- verify and restore


def verify(folder: Path, records: int) -> Figures:
    """Fill a journal, a thousand facts a commit, and recompute all of it."""
    path = folder / "long.db"
    before = time.perf_counter()
    with SqliteJournal(path) as journal:
        for start in range(0, records, 1_000):
            entries = [fact(number) for number in range(start, min(start + 1_000, records))]
            journal.append(entries, durability=Durability.RELAXED)
    filled = time.perf_counter() - before
    with SqliteReader(path) as reader:
        before = time.perf_counter()
        head = reader.verify()
        taken = time.perf_counter() - before
    size = path.stat().st_size
    path.unlink()
    return {
        "records": head.seq,
        "fill_s": filled,
        "verify_s": taken,
        "per_s": head.seq / taken,
        "bytes": size,
    }


def restore(folder: Path, restoring: Restoring) -> Figures:
    """Open a journal, load its newest snapshot and fold the tail, each record checked against the chain."""
    path = folder / "restore.db"
    with SqliteJournal(path) as journal:
        journal.append([fact(number) for number in range(_OPEN_ITEMS)], durability=Durability.RELAXED)
        head = journal.head()
        before = time.perf_counter()
        journal.save_snapshot(Snapshot(head.seq, head.hash, restoring.state))
        saved = time.perf_counter() - before
        tail = [fact(number) for number in range(_OPEN_ITEMS, _OPEN_ITEMS + _TAIL)]
        journal.append(tail, durability=Durability.RELAXED)
    taken = []
    for _ in range(_RESTORES):
        before = time.perf_counter()
        with SqliteReader(path) as reader:
            snapshot = reader.latest_snapshot()
            if snapshot is None:
                raise AssertionError("the snapshot is gone")
            state = restoring.load(snapshot.state)
            place = Head(snapshot.seq, snapshot.chain_hash)
            for record in linked(reader.read(after=snapshot.seq), after=place):
                state = restoring.fold(state, record.body)
        taken.append(time.perf_counter() - before)
    return {
        "state_bytes": len(restoring.state),
        "tail": _TAIL,
        "save_ms": saved * 1e3,
        "restore_ms": statistics.median(taken) * 1e3,
        "restore_worst_ms": max(taken) * 1e3,
    }


# ---------------------------------------------------------------- printing


def _spread(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        f"p{name}_us": ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6
        for name, share in (("50", 0.50), ("95", 0.95), ("99", 0.99))
    }


def _print_table(title: str, rows: dict[str, dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    wide = max(len(name) for name in (*rows, title))
    print(f"\n{title.ljust(wide)}" + "".join(f"{name:>18}" for name in names))
    for name, row in rows.items():
        cells = (f"{row[key]:18,.2f}" if key in row else " " * 18 for key in names)
        print((name.ljust(wide) + "".join(cells)).rstrip())


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-", dir=given) as name:
        yield Path(name)


def main(restoring: Callable[[], Restoring] = held) -> int:
    """Run all of it and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description=__doc__.splitlines()[0])
    parser.add_argument("--appends", type=int, default=3_000, help="appends of each kind (default 3,000)")
    parser.add_argument(
        "--records", type=int, default=1_000_000, help="records to verify (default 1,000,000)"
    )
    parser.add_argument(
        "--dir", type=Path, help="measure the disk of this folder (default: the temporary one)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    figures: Figures = {"fact_bytes": len(fact(0).body)}
    print(f"journal: facts of {figures['fact_bytes']} bytes")
    with _folder(arguments.dir) as folder:
        figures["append"] = appends(folder, arguments.appends)
        _print_table("one fact a commit", figures["append"])
        figures["group_commit"] = group_commit(folder, arguments.appends)
        _print_table("synced, sharing commits", figures["group_commit"])
        figures["restore"] = restore(folder, restoring())
        _print_table("snapshot and tail", {f"{_OPEN_ITEMS:,} open items": figures["restore"]})
        figures["verify"] = verify(folder, arguments.records)
        _print_table("verification", {f"{arguments.records:,} records": figures["verify"]})
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
