"""The gate: one recording taken in many ways, and what each way came to. Run it to print that:

    python -m tests.determinism.gate RECORDING [--way WAY]... [--policy FOLDER]

It imports the product alone, so that a Python without pytest can run it. `WATCHKEEPER_MUTANT` breaks the
product on purpose first (see mutants.py): a gate that no mutant can fail guards nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlite_utils

from engine.adapters.journal_memory import MemoryJournal
from engine.core.state import state_hash
from engine.core.vocabulary.facts import VerdictReached, encode
from engine.runtime.loop import Loop
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from simulator.recording import Recording
from simulator.replay import driver
from simulator.replay.driver import Replay, ReplayEnd
from simulator.replay.lanes import Span
from simulator.replay.results import Results, Run
from simulator.stored import lines_of

Print = dict[str, str]
"""What one way came to: the hash of the journal, of state and of all verdict lines, where it has them."""


def replay(
    path: Path,
    *policies: Path,
    results: Path | None = None,
    resume: bool = False,
    shards: int = 1,
    stop_after: int | None = None,
    span: Span = Span(),  # noqa: B008 - frozen, and means everything
    speed: float | None = None,
) -> ReplayEnd:
    """Replay once. With `stop_after`, somebody asks it to stop after so many groups."""
    recording = Recording(path)
    sources = [
        read_policy(folder).with_recorded(recording.header.actions)
        for folder in policies or (SHIPPED_POLICY,)
    ]
    run = Run(
        recording=str(path),
        content_sha256=recording.footer.content_sha256,
        source=recording.header.source,
        policies=[source.place for source in sources],
        policy_hashes=[source.policy_hash for source in sources],
        from_us=span.from_us,
        until_us=span.until_us,
    )
    kept = Results(results, run, resume=resume) if results is not None else None
    replaying = Replay(recording, sources, results=kept, span=span, shards=shards, speed=speed)
    groups = 0

    def watch(_: object) -> None:
        nonlocal groups
        groups += 1
        if stop_after is not None and groups >= stop_after:
            replaying.stop()

    try:
        end = replaying.run(watch)
        if kept is not None and end.finished:
            kept.finish()
    finally:
        if kept is not None:
            kept.close()
    return end


def stored_verdicts(results: Path, track: int = 0) -> list[bytes]:
    """Read the verdict facts of a results file, in order."""
    db = sqlite_utils.Database(results)
    try:
        blocks: dict[int, list[bytes]] = {}
        lines = []
        query = "select block, line from decisions where track = ? order by seq"
        for block, line in db.execute(query, (track,)).fetchall():
            if block not in blocks:
                blocks[block] = lines_of(db, block)
            lines.append(blocks[block][line])
    finally:
        db.close()
    return lines


def live(path: Path, policy: Path = SHIPPED_POLICY) -> tuple[str, list[bytes]]:
    """Feed the live loop fact by fact; return the hash of state and the verdicts in its journal."""
    recording, journal = Recording(path), MemoryJournal()
    loop = Loop(build_policy(read_policy(policy).with_recorded(recording.header.actions)), journal)
    loop.adopt(recording.footer.first_at_us or 0)
    verdicts: list[bytes] = []
    for seq, fact in recording.facts():
        for decisions in loop.feed([(f"recording:{seq}", fact)]):
            verdicts += [encode(known) for known in decisions.facts if isinstance(known, VerdictReached)]
    return state_hash(loop.state), verdicts


def printed(end: ReplayEnd, results: Path | None = None, track: int = 0) -> Print:
    """Put what a replay came to into one print."""
    found = {"journal": end.tracks[track].journal_hash, "state": end.tracks[track].state_hash}
    if results is not None:
        found["verdicts"] = digest(stored_verdicts(results, track))
    return found


def digest(lines: list[bytes]) -> str:
    """Hash lines, so that a print stays short."""
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _sharded(shards: int) -> Callable[[Path, Path, Path], Print]:
    def way(path: Path, policy: Path, folder: Path) -> Print:
        results = folder / f"{shards}.sqlite"
        return printed(replay(path, policy, results=results, shards=shards), results)

    return way


def _resumed(path: Path, policy: Path, folder: Path) -> Print:
    results = folder / "resumed.sqlite"
    end = replay(path, policy, results=results, stop_after=1)
    while not end.finished:
        end = replay(path, policy, results=results, resume=True, stop_after=1)
    return printed(end, results)


def _live(path: Path, policy: Path, folder: Path) -> Print:
    state, verdicts = live(path, policy)
    return {"state": state, "verdicts": digest(verdicts)}


WAYS: dict[str, Callable[[Path, Path, Path], Print]] = {
    "1 shard": _sharded(1),
    "2 shards": _sharded(2),
    "4 shards": _sharded(4),
    "without results": lambda path, policy, folder: printed(replay(path, policy)),
    "resumed after every group": _resumed,
    "live": _live,
}


def prints(path: Path, ways: list[str], policy: Path = SHIPPED_POLICY) -> dict[str, Print]:
    """Go each of these ways."""
    with tempfile.TemporaryDirectory() as folder:
        return {way: WAYS[way](path, policy, Path(folder)) for way in ways}


def complaints(found: dict[str, Print]) -> list[str]:
    """Name each way that came to something else than the first, and at what. Empty when the gate is open."""
    (first, wanted), *others = found.items()
    return [
        f"{way}: {what} is not that of {first}"
        for way, came_to in others
        for what in wanted.keys() & came_to.keys()
        if came_to[what] != wanted[what]
    ]


def die_after(groups: int) -> None:
    """Kill this process, as `kill -9` would, with the rows of one more group written and not committed."""
    driver._CHECKPOINT_S = 0
    write, written = Results.end_group, 0

    def end_group(results: Results) -> None:
        nonlocal written
        write(results)
        written += 1
        if written > groups:
            os.kill(os.getpid(), signal.SIGKILL)

    Results.end_group = end_group  # type: ignore[method-assign]  # the point of it


def _words() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "recording", {"type": Path}
    yield "--way", {"action": "append", "choices": list(WAYS), "default": []}
    yield "--policy", {"type": Path, "default": SHIPPED_POLICY}
    yield "--die-after", {"type": int}
    yield "--results", {"type": Path}
    yield "--shards", {"type": int, "default": 1}


def main() -> None:
    """Print what each way came to, as JSON."""
    parser = argparse.ArgumentParser(prog="gate")
    for name, options in _words():
        parser.add_argument(name, **options)
    given = parser.parse_args()
    if given.die_after is not None:
        die_after(given.die_after)
        replay(given.recording, given.policy, results=given.results, shards=given.shards)
    else:
        print(json.dumps(prints(given.recording, given.way or list(WAYS), given.policy), indent=2))


# At import and not in main, so that the worker processes of a replay are broken as well.
if os.environ.get("WATCHKEEPER_MUTANT"):
    from tests.determinism import mutants

    mutants.MUTANTS[os.environ["WATCHKEEPER_MUTANT"]]()

if __name__ == "__main__":
    main()
