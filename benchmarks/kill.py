"""What stopping costs: the fence before each effect, setting a stop, and ending fifty effects behind it.

    python -m benchmarks.kill [--kills N] [--effects N] [--sets N] [--dir DIR] [--json OUT]

Setting is measured beside its floor, the same bytes made durable under a new name. The kills are measured on
a whole service, with its front, engine and workers in processes of their own; see `live_kill.py`.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.live_kill import Figures, live_kills, spread
from engine.adapters.fence_files import FileFence
from engine.adapters.inflight import InFlight, Underway
from engine.adapters.linux_processes import is_running
from engine.adapters.marks import process_marks
from engine.adapters.sweep import end_all
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EffectId
from engine.ports import Stop

_AGENT, _CAPABILITY, _ACTION = AgentId("agent-1"), CapabilityId("restart@3"), ActionName("service.restart")


def stop_of(scope: Scope) -> Stop:
    """Make a stop as people set them."""
    return Stop(scope=scope, by="kim", reason="it smells of smoke", at_us=time.time_ns() // 1000)


def timed(count: int, step: Callable[[int], object]) -> Figures:
    """Do something so many times."""
    taken = []
    for number in range(count):
        before = time.perf_counter()
        step(number)
        taken.append(time.perf_counter() - before)
    return spread(taken)


# ---------------------------------------------------------------- the fence


def beginnings(home: Path, count: int) -> dict[str, Figures]:
    """Pass the fence, and look at it, with no stop and with ten of other agents."""
    fence = FileFence(home / "stops")

    def begin(number: int) -> None:
        del number
        with fence.starting(_AGENT, _CAPABILITY, _ACTION):
            pass

    rows = {"look, no stop": timed(count, lambda _: fence.stops()), "begin, no stop": timed(count, begin)}
    others = [Scope("agent", f"other-{number}") for number in range(10)]
    for scope in others:
        fence.set(stop_of(scope))
    rows |= {"look, 10 stops": timed(count, lambda _: fence.stops()), "begin, 10 stops": timed(count, begin)}
    for scope in others:
        fence.clear(scope)
    return rows


def settings(home: Path, count: int) -> dict[str, Figures]:
    """Set a stop and lift it, and do the least that makes a name and its bytes durable."""
    fence = FileFence(home / "stops")
    floor: list[float] = []
    taken: list[float] = []
    lifted: list[float] = []
    for number in range(count):
        before = time.perf_counter()
        _durable(home / "floor", b"x" * 120)
        floor.append(time.perf_counter() - before)
        (home / "floor").unlink()
        stop = stop_of(Scope("agent", f"agent-{number}"))
        before = time.perf_counter()
        fence.set(stop)
        after = time.perf_counter()
        fence.clear(stop.scope)
        taken.append(after - before)
        lifted.append(time.perf_counter() - after)
    return {"durable file, the floor": spread(floor), "set": spread(taken), "clear": spread(lifted)}


def _durable(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    handle = os.open(path.parent, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


# ---------------------------------------------------------------- what is under way


@contextmanager
def under_way(home: Path, count: int) -> Iterator[list[Underway]]:
    """Start so many effects, each a process in a session of its own, as a worker does; end what is left."""
    inflight = InFlight(home / "inflight")
    begun: list[Underway] = []
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            effect = EffectId(f"d_{number}")
            underway = inflight.begin(effect, agent=_AGENT, capability=_CAPABILITY, action=_ACTION)
            marks = {**os.environ, **process_marks(home, effect)}
            processes.append(subprocess.Popen(["sleep", "1000"], env=marks, start_new_session=True))
            underway.process(processes[-1].pid)
            begun.append(underway)
        yield begun
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for underway in begun:
            underway.end()


def kills(home: Path, count: int, effects: int) -> dict[str, Figures]:
    """Set a stop of everything with so many effects under way, and end them: from the call to quiet."""
    fence = FileFence(home / "stops")
    durable: list[float] = []
    quiet: list[float] = []
    for _ in range(count):
        with under_way(home, effects) as begun:
            before = time.perf_counter()
            fence.set(stop_of(Scope("all")))
            durable.append(time.perf_counter() - before)
            swept = end_all(home, fence.stops())
            quiet.append(time.perf_counter() - before)
            running = [one for underway in begun for one in underway.record.processes if is_running(one)]
            if swept.alive or running or swept.processes != effects:
                raise AssertionError(f"{swept}; {len(running)} still run")
        fence.clear(Scope("all"))
    return {"call to durable": spread(durable), "call to quiet": spread(quiet)}


# ---------------------------------------------------------------- printing


def print_table(title: str, rows: dict[str, Figures]) -> None:
    """Print one measurement."""
    print(f"\n{title}")
    for name, row in rows.items():
        print(
            f"  {name:26} p50 {row['p50_ms']:8.3f} ms   p99 {row['p99_ms']:8.3f} ms   "
            f"worst {row['worst_ms']:8.3f} ms   n={row['count']:,}"
        )


def main() -> int:
    """Run all of it and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=200, help="stops to set (default 200)")
    parser.add_argument("--kills", type=int, default=200, help="kills (default 200)")
    parser.add_argument("--effects", type=int, default=50, help="effects under way at each (default 50)")
    parser.add_argument("--bare", action="store_true", help="processes alone, without a service around them")
    parser.add_argument("--dir", type=Path, help="use the disk of this folder (default: the temporary one)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-", dir=arguments.dir) as name:
        home = Path(name)
        figures = {"begin": beginnings(home, 2_000)}
        print_table("the fence, before each effect", figures["begin"])
        figures["set"] = settings(home, arguments.sets)
        print_table("a stop, with nothing under way", figures["set"])
        title = f"a kill, {arguments.effects} processes under way"
        if arguments.bare:
            figures["kill"] = kills(home, arguments.kills, arguments.effects)
            print_table(title, figures["kill"])
        else:
            figures["kill"], behind = live_kills(home / "service", arguments.kills, arguments.effects)
            print_table(f"{title} in a service", figures["kill"])
            worst_s = figures["kill"]["request to quiet"]["worst_ms"] / 1e3
            print(f"  effects started behind the fence: {behind}; worst {worst_s:.2f} s, the limit is 5 s")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
