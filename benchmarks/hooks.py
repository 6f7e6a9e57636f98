"""How long a coding agent waits for its hook: from the start of the installed command to its end.

The floor is an interpreter that does nothing, `python -c pass`, started in turn with the hook. Each call is a
new decision on the same journal, alone and several at once; with `--service` also beside a running service.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("watchkeeper")
BUDGET_MS = 150
AT_ONCE = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--service", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        home = project / ".watchkeeper"
        environment = os.environ | {"WATCHKEEPER_HOME": str(home)}
        install = [str(PROGRAM), "hook", "install", "claude", "--yes", "--established"]
        subprocess.run(install, cwd=project, env=environment, check=True, capture_output=True)
        settings = json.loads((project / ".claude" / "settings.json").read_text())
        command = settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
        call(command)
        both(command, asked.calls, "by itself")
        at_once(command, asked.calls)
        if asked.service:
            beside(project, home, environment, lambda: both(command, asked.calls, "beside a service"))


def both(command: str, calls: int, what: str) -> None:
    """Start the floor and the hook in turn."""
    floor, hook = [], []
    for _ in range(calls):
        floor.append(timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)))
        hook.append(timed(lambda: call(command)))
    show("python -c pass", floor)
    show(f"hook, {what}", hook)
    verdict = "within" if quantile(hook, 0.95) <= BUDGET_MS else "OVER"
    floors = quantile(hook, 0.5) / quantile(floor, 0.5)
    print(f"  p95 is {verdict} the budget of {BUDGET_MS} ms; the median is {floors:.1f} floors")


def at_once(command: str, calls: int) -> None:
    """Start several hooks at a time: each waits for the journal, and for the processor."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        hook = list(pool.map(lambda _: timed(lambda: call(command)), range(calls)))
    show(f"hook, {AT_ONCE} at once on {os.cpu_count()} cores", hook)


def beside(project: Path, home: Path, environment: dict[str, str], measure: Callable[[], None]) -> None:
    """Measure while a service runs."""
    service_file = home / "config" / "watchkeeper.yaml"
    service_file.write_text(service_file.read_text().replace("port: 8765", "port: 0"))
    with (project / "up.log").open("wb") as log:
        service = subprocess.Popen([str(PROGRAM), "up"], cwd=project, env=environment, stdout=log, stderr=log)
    try:
        while not (home / "http.json").exists():
            time.sleep(0.1)
        time.sleep(3)
        measure()
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait()
        shutil.rmtree(home / "workspace", ignore_errors=True)


def call(command: str) -> None:
    """Ask about one call, which policy allows."""
    said = {
        "session_id": "bench",
        "hook_event_name": "PreToolUse",
        "tool_name": "Read",
        "tool_input": {"file_path": "/srv/shop/notes.md"},
        "tool_use_id": f"call-{time.time_ns()}",
    }
    body = json.dumps(said).encode()
    ended = subprocess.run(command, shell=True, input=body, capture_output=True, check=False)
    # On a machine too busy to decide in time it blocks, which is what it should do, and no decision.
    assert b'"allow"' in ended.stdout, ended


def timed(work: Callable[[], object]) -> float:
    """Say how many milliseconds it took."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def quantile(values: list[float], share: float) -> float:
    """Return a quantile."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def show(what: str, values: list[float]) -> None:
    """Print one line."""
    print(
        f"{what:<32} p50 {quantile(values, 0.5):6.1f}  p95 {quantile(values, 0.95):6.1f}  "
        f"p99 {quantile(values, 0.99):6.1f} ms  ({len(values)} calls)"
    )


if __name__ == "__main__":
    main()
