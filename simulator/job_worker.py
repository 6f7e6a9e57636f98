"""The process of one replay asked for from afar: it says how far it is, a line of JSON at a time."""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import InputError, WatchkeeperError
from engine.wiring import read_policy
from simulator.jobs import RESULTS, Asked, Told
from simulator.recording import Recording
from simulator.replay.driver import Progress, Replay
from simulator.replay.results import Results, Run
from simulator.report import write_report
from simulator.report.report import headline
from simulator.summary import Summary, summarise

_EVERY_S: Final = 0.5
_TRIES, _PAUSE_S = 100, 0.1
_NICE: Final = 10


def main(asked: Asked) -> None:
    """Replay, and write the report."""
    recording = Recording(asked.recording)
    folders = [asked.policy, *([asked.against] if asked.against is not None else [])]
    sources = [read_policy(folder).with_recorded(recording.header.actions) for folder in folders]
    run = Run(
        recording=asked.recording.name,
        content_sha256=recording.footer.content_sha256,
        source=recording.header.source,
        policies=[source.place for source in sources],
        policy_hashes=[source.policy_hash for source in sources],
        from_us=None,
        until_us=None,
    )
    results = _results(asked.folder / RESULTS, run)
    driver = Replay(recording, sources, results=results)
    signal.signal(signal.SIGTERM, lambda *_: driver.stop())
    said_s = 0.0

    def say(progress: Progress) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _EVERY_S:
            said_s = time.monotonic()
            tell(Told(share=progress.facts / max(1, progress.of), decisions=progress.decisions))

    end = driver.run(say)
    if end.finished:
        results.finish()
    summary = summarise(results.db, run, end, recording.footer.source_rows, notes=recording.header.notes)
    write_report(asked.folder / "report.html", results.db, summary)
    results.close()
    tell(Told(share=1.0, decisions=summary.decisions, summary=short(summary)))


def _results(path: Path, run: Run) -> Results:
    """Go on from what a worker before this one left; begin where nothing is left, or it is of another policy.

    That worker ends with the process that had it, which may be a moment ago.
    """
    for tries_left in reversed(range(_TRIES)):
        with contextlib.suppress(InputError):
            return Results(path, run, resume=True)
        try:
            return Results(path, run, resume=False)
        except InputError:
            if not tries_left:
                raise
            time.sleep(_PAUSE_S)
    raise AssertionError("the last try returns or raises")


def short(summary: Summary) -> str:
    """Sum up in a few lines: the rest is in the report."""
    lines = [headline(summary)]
    if not summary.finished:
        lines.append("It was stopped before the end.")
    if (found := summary.differences) is not None:
        lines.append(f"{found.different:,} of {found.compared:,} decisions differ between the two policies:")
        lines.append(f"{found.newly_allowed:,} newly allowed, {found.newly_stopped:,} newly stopped.")
    lines += [f"Journal {track.journal_hash[:12]}, state {track.state_hash[:12]}" for track in summary.tracks]
    return "\n".join(lines)


def tell(told: Told) -> None:
    """Say one line."""
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """End as soon as nobody holds the other end of our input any more."""

    def wait() -> None:
        # Not through `sys.stdin`, whose lock would keep the interpreter from ending.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    # Whoever decides, and whoever is waited for, goes first.
    os.nice(_NICE)
    end_with_parent()
    try:
        main(msgspec.json.decode(sys.argv[1], type=Asked, dec_hook=lambda kind, value: kind(value)))
    except WatchkeeperError as refused:
        tell(Told(error=str(refused)))
        raise SystemExit(2) from None
