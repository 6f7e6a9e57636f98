"""A body against the engine's own worker, in the same run: how soon an effect starts, and a kill ends it.

One service, one body on a folder of its own, loopback HTTP. An effect starts when its first line is in the
file; it is counted from before the request of the agent. A kill is counted from before its request until no
process that works for an effect is left. Both sides take turns, so that what else happens hits them alike.
"""

import copy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.live_kill import spread
from tests.service import bodies
from tests.service.services import CAPABILITY

_STARTS = 40
_KILLS = 15
_PATIENCE_S = 60.0


def main() -> int:
    """Measure and print."""
    registry = bodies.ACTIONS
    here = copy.deepcopy(registry["note.put"])
    registry["note.here"] = here
    with (
        tempfile.TemporaryDirectory() as folder,
        bodies.bodied(Path(folder), workers__lease_s=15.0) as homes,
    ):
        body, service = homes.body(accepts=("note.put",)), homes.service
        sides: dict[str, tuple[str, Path, Callable[[], list[int]]]] = {
            "here": ("note.here", service.workspace, service.effect_processes),
            "body": ("note.put", body.workspace, body.effect_processes),
        }
        starts: dict[str, list[float]] = {side: [] for side in sides}
        kills: dict[str, list[float]] = {side: [] for side in sides}
        with service.http("coder") as agent, service.http() as captain:

            def propose(action: str, name: str, pause_s: float) -> None:
                body = {"action": action, "args": {"name": name, "pause_s": pause_s}}
                answer = agent.post(
                    "/v1/proposals", json=body | {"capability": CAPABILITY, "confidence": 0.95}
                )
                assert answer.json()["word"] == "allow", answer.text

            for number in range(-3, _STARTS):
                for side, (action, workspace, _) in sides.items():
                    began = time.perf_counter()
                    propose(action, f"s{number}", 0)
                    _until((workspace / f"put-s{number}").exists)
                    if number >= 0:
                        starts[side].append(time.perf_counter() - began)
            for number in range(_KILLS):
                for side, (action, _, under_way) in sides.items():
                    propose(action, f"k{number}", 900)
                    _until(lambda under_way=under_way: bool(under_way()))  # type: ignore[misc]  # bound now
                    began = time.perf_counter()
                    captain.post("/v1/kill", json={"scope": "all", "reason": "measured"})
                    _until(lambda under_way=under_way: not under_way())  # type: ignore[misc]  # bound now
                    kills[side].append(time.perf_counter() - began)
                    captain.post("/v1/resume", json={"scope": "all", "reason": "measured"}).raise_for_status()
    for what, taken in (("proposal to first touch", starts), ("kill to nothing left", kills)):
        for side, times in taken.items():
            found = spread(times)
            print(
                f"{what:<24} {side:<5} p50 {found['p50_ms']:6.1f} ms  worst {found['worst_ms']:6.1f} ms"
                f"  ({found['count']})"
            )
    return 0


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.001)


if __name__ == "__main__":
    sys.exit(main())
