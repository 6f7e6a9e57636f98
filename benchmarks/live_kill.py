"""Kills of a whole service: fifty effects under way, ten more that wait, and a captain who stops everything.

Most effects are plain processes, some run in bubblewrap: fifty sandboxes at once would measure how fast two
cores start programs. The stop comes over HTTP. It is in place when its file, synced, has its name; it is
answered once the folder is synced too, whoever was just beginning something has left, and after up to 30 ms
more in which the answer waits for news of the sweep. It is quiet when no process that worked for an effect is
left, by a look at all of the machine's processes.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx

from tests.service.services import CAPABILITY, Service, service

Figures = dict[str, Any]

_WAITING: Final = 10
_SANDBOXED: Final = 5
_PATIENCE_S: Final = 120.0


def spread(taken_s: list[float]) -> Figures:
    """Sum up times: median, 99th percentile and worst, in milliseconds."""
    ordered = sorted(taken_s)
    return {
        "count": len(ordered),
        "p50_ms": ordered[len(ordered) // 2] * 1e3,
        "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e3,
        "worst_ms": ordered[-1] * 1e3,
    }


def live_kills(folder: Path, count: int, effects: int) -> tuple[dict[str, Figures], int]:
    """Kill so many times; return the times and how many effects began behind a stop. The aim is none."""
    folder.mkdir()
    in_place: list[float] = []
    answered: list[float] = []
    quiet: list[float] = []
    behind = 0
    half = -(-effects // 2)
    with (
        service(folder, workers__processes=2, workers__slots=half, workers__lease_s=15.0) as running,
        running.http("coder") as agent,
        running.http() as captain,
        ThreadPoolExecutor(8) as hands,
    ):
        for number in range(count):
            bodies = [
                _shell() if nth < _SANDBOXED else _append(f"long-{number}-{nth}", 1000)
                for nth in range(2 * half)
            ]
            list(hands.map(lambda body: _propose(agent, body), bodies))
            pids = _under_way(running, 2 * half)
            list(hands.map(lambda n: _propose(agent, _append(f"waited-{n}", 0)), range(_WAITING)))
            before = _lines(running)
            times = _kill(running, captain, pids)
            for taken, one in zip((in_place, answered, quiet), times, strict=True):
                taken.append(one)
            time.sleep(0.1)
            behind += _lines(running) - before + len(running.effects_under_way())
            answer = captain.post("/v1/resume", json={"reason": "the next one"})
            assert answer.status_code == 200, answer.text
            _until(lambda: _engine(captain)["queued"] + _engine(captain)["running"] == 0)
            assert _lines(running) == before + _WAITING, (running.workspace / "appended").read_text()
    return {
        "request to stop in place": spread(in_place),
        "request to answer": spread(answered),
        "request to quiet": spread(quiet),
    }, behind


def _append(line: str, pause_s: int) -> dict[str, Any]:
    return _body("note.append", {"line": line, "pause_s": pause_s})


def _shell() -> dict[str, Any]:
    return _body("shell.run", {"command": "sleep 1000"})


def _body(action: str, args: dict[str, Any]) -> dict[str, Any]:
    return {"action": action, "args": args, "capability": CAPABILITY, "confidence": 0.95}


def _propose(agent: httpx.Client, body: dict[str, Any]) -> None:
    answer = agent.post("/v1/proposals", json=body)
    assert answer.status_code == 202, answer.text


def _under_way(running: Service, count: int) -> list[int]:
    """Wait until so many effects are under way, and give their processes."""
    _until(lambda: len(running.effects_under_way()) == count)
    return running.effect_processes()


def _kill(running: Service, captain: httpx.Client, pids: list[int]) -> tuple[float, float, float]:
    """Stop everything; say after how long the stop was in place, answered and everything quiet."""
    ended: list[float] = []

    def ask() -> None:
        answer = captain.post("/v1/kill", json={"reason": "a measurement"})
        ended.append(time.perf_counter())
        assert answer.status_code == 200, answer.text

    asking = threading.Thread(target=ask)
    path = running.layout.stops / "all"
    began = time.perf_counter()
    asking.start()
    while not path.exists():
        time.sleep(0.000_2)
    in_place = time.perf_counter() - began
    # Only those known to be there are looked at again and again: to look at all takes a share of a core.
    while pids:
        pids = [pid for pid in pids if _runs(pid)]
        time.sleep(0.002)
    _until(lambda: not running.effects_under_way())
    quiet = time.perf_counter() - began
    asking.join()
    return in_place, ended[0] - began, quiet


def _runs(pid: int) -> bool:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return line[line.rfind(b")") + 2 :][:1] not in {b"Z", b"X"}


def _lines(running: Service) -> int:
    path = running.workspace / "appended"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _engine(captain: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = captain.get("/v1/status").json()["engine"]
    return found


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("the service is stuck")
        time.sleep(0.01)
