"""Talking to what runs in a container."""

import json
import time
from collections.abc import Callable
from typing import Any

from docker.models.containers import Container

PATIENCE_S = 180


def until(there: Callable[[], object], container: Container) -> None:
    """Wait until something is so; where it never will be, show what the container said."""
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        container.reload()
        alive = container.status == "running" and time.monotonic() < deadline
        assert alive, container.logs().decode(errors="replace")[-4000:]
        time.sleep(0.2)


def until_healthy(container: Container) -> None:
    """Wait for Docker to find it healthy, by its own HEALTHCHECK."""

    def is_healthy() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    until(is_healthy, container)


def until_up(container: Container, *product: str) -> None:
    """Wait until `watchkeeper status` finds nothing wrong. `product` as for `run_in_sandbox`."""
    until(lambda: call(container, *(product or ["watchkeeper"]), "status")[0] == 0, container)


def call(container: Container, *words: str, **environment: str) -> tuple[int, str]:
    """Run a program in the container; its status, and what it said."""
    status, said = container.exec_run(list(words), environment=environment)
    return int(status), said.decode(errors="replace")


def ask(container: Container, *words: str, **environment: str) -> Any:
    """Run a program that ends well and prints JSON; what it printed."""
    status, said = call(container, *words, **environment)
    assert status == 0, said
    return json.loads(said)


def run_in_sandbox(container: Container, command: str, *product: str) -> str:
    """Have an agent propose a shell command there; what it printed once it was allowed and done.

    `product` are the words that start our command line.
    """
    token = ask(container, *product, "token", "create", "--agent", "runner", "--json")["token"]
    words = ["propose", "shell.run", f"command={command}", "--capability", "run@1", "--confidence", "0.99"]
    done = ask(container, *product, *words, "--wait", "60", "--json", WATCHKEEPER_TOKEN=token)
    assert done["status"] == "done", done
    return str(done["result"]["output"])
