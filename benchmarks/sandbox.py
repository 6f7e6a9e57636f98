"""What a sandbox costs: `true`, run in each backend, over the floor of a plain fork and exec.

    python -m benchmarks.sandbox [--rounds N] [--docker-rounds N] [--own-engine] [--json OUT]
    python -m benchmarks.sandbox --docker-url URL --image NAME

All take turns within one loop, because other programs share the processors. `--own-engine` starts a Docker
engine for the occasion, as the tests do: it needs root, dockerd and busybox. Otherwise Docker is measured
where the engine answers and has the image.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.adapters.sandbox_choice import Sandboxes
from engine.ports import Limits, Program, Sandbox

_LIMITS = Limits(memory_mib=128, pids=32, cpus=1.0, output_kib=64, disk_mib=16, wall_us=30_000_000)
_KINDS = ("none", "bubblewrap", "docker")


class OpenWatch:
    """A watch behind which nothing stands."""

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Let it begin."""
        yield

    def process(self, pid: int) -> None:
        """Take no note."""

    def container(self, container_id: str) -> None:
        """Take no note."""


async def one_run(sandbox: Sandbox, workspace: Path) -> float:
    """Run `true` once and return how long it took from call to return, everything gone, in milliseconds."""
    program = Program(effect_id="benchmark", argv=("/bin/true",), workspace=workspace, limits=_LIMITS)
    began = time.perf_counter()
    ended = await sandbox.run(program, OpenWatch())
    took_ms = (time.perf_counter() - began) * 1e3
    if ended.status != 0:
        raise SystemExit(f"`true` failed: {ended}")
    return took_ms


def floor() -> float:
    """Fork, exec, wait: the least that running any program costs, in milliseconds."""
    began = time.perf_counter()
    subprocess.run(["/bin/true"], check=True)
    return (time.perf_counter() - began) * 1e3


async def measure(sandboxes: Sandboxes, workspace: Path, rounds: dict[str, int]) -> dict[str, Any]:
    """Return the times of each backend, or why it has none."""
    chosen = {kind: sandboxes.choose(kind) for kind in _KINDS}
    states = {kind: sandbox.describe() for kind, sandbox in chosen.items()}
    times: dict[str, list[float]] = {"floor": [], **{kind: [] for kind in _KINDS if states[kind].working}}
    for number in range(max(rounds.values()) + 1):
        warm = number > 0  # the first of each makes connections and caches
        for kind, took in times.items():
            if number > rounds[kind]:
                continue
            took_ms = floor() if kind == "floor" else await one_run(chosen[kind], workspace)
            if warm:
                took.append(took_ms)
    missing = {kind: state.why for kind, state in states.items() if not state.working}
    return {"times_ms": times, "missing": missing}


def show(figures: dict[str, Any]) -> None:
    """Print a table."""
    times = figures["times_ms"]
    base = statistics.median(times["floor"])
    print(f"{'backend':<12} {'runs':>5} {'median ms':>10} {'p90 ms':>8} {'floors':>8}")
    for kind, took in times.items():
        middle = statistics.median(took)
        high = statistics.quantiles(took, n=10)[-1] if len(took) > 1 else middle
        print(f"{kind:<12} {len(took):>5} {middle:>10.2f} {high:>8.2f} {middle / base:>8.1f}")
    for kind, why in figures["missing"].items():
        print(f"{kind:<12} not measured: {why}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--docker-rounds", type=int, default=15)
    parser.add_argument("--docker-url")
    parser.add_argument("--image", default="watchkeeper-sandbox")
    parser.add_argument("--own-engine", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wk-bench-")))
        url, image = options.docker_url, options.image
        if options.own_engine:
            from tests.docker_engine import docker_engine  # noqa: PLC0415 - only where one is wanted

            engine = stack.enter_context(docker_engine())
            url, image = engine.url, engine.image
        for name in ("home", "workspace"):
            (folder / name).mkdir()
        sandboxes = Sandboxes(home=folder / "home", image=image, docker_url=url)
        stack.callback(sandboxes.close)
        rounds = {"floor": options.rounds, "none": options.rounds, "bubblewrap": options.rounds}
        rounds["docker"] = options.docker_rounds
        figures = asyncio.run(measure(sandboxes, folder / "workspace", rounds))
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
