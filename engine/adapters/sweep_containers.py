"""Ending containers by their labels, beside everything else and without waiting for Docker in vain."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from engine.adapters.marks import EFFECT_LABEL, HOME_LABEL

_DEFAULT_SOCKET: Final = "/var/run/docker.sock"
_LOCAL: Final = {"unix", "http+unix"}
# Docker answers in a few milliseconds and kills in some hundred; one that takes longer is asked again.
_ANSWER_S: Final = 2.0
_POLL_S: Final = 0.03
_NOBODY_LISTENS: Final = (FileNotFoundError, ConnectionRefusedError, PermissionError)
_ENDED: Final = {"exited", "dead", "removing"}


class Wanted(Struct, frozen=True, kw_only=True):
    """Which containers are to be ended."""

    covered: frozenset[str]
    """Effects that a stop covers."""
    known: frozenset[str]
    """Every effect with a record: a container that carries another one's label is covered by any stop."""
    named: frozenset[str]
    """Containers in the records of covered effects, by id or name."""


class ContainerSweep:
    """One sweep over the containers of a state folder, in a thread of its own."""

    def __init__(self, home: str, wanted: Callable[[], Wanted], *, docker: str | None) -> None:
        """Prepare; nothing is asked yet.

        `home` is the state folder's real path, `docker` the address of the engine, that of the environment
        or the usual socket when `None`.
        """
        self._home, self._wanted, self._docker = home, wanted, docker
        self._nothing_begins = threading.Event()
        self._is_over = threading.Event()
        self._seen: set[str] = set()
        self._alive: set[str] = set()
        self._trouble = ""
        self._bug = ""
        self._is_known = False

    def start(self, *, deadline: float) -> None:
        """Begin, until `deadline` by the steady clock at the latest. Costs nothing where no Docker is."""
        if self._wanted().named or _is_there(self._docker):
            threading.Thread(target=self._run, args=(deadline,), daemon=True).start()
        else:
            self._is_known = True
            self._is_over.set()

    def nothing_begins(self) -> None:
        """Say that no covered effect can begin any more: one look that finds nothing is then enough."""
        self._nothing_begins.set()

    @property
    def is_over(self) -> bool:
        """Whether every container is ended, or the deadline has passed."""
        return self._is_over.is_set()

    @property
    def ended(self) -> int:
        """How many containers were ended."""
        return len(self._seen - self._alive)

    @property
    def alive(self) -> list[str]:
        """What still runs, or may: nobody could tell."""
        alive = {f"container {one[:12]}" for one in self._alive}
        if self._trouble:
            alive |= {f"container {one[:12]}: {self._trouble}" for one in self._wanted().named}
        if not self._is_known and not alive:
            alive.add(f"containers: {self._trouble or 'Docker has not answered'}")
        return sorted(alive | ({self._bug} if self._bug else set()))

    def _run(self, deadline: float) -> None:
        try:
            while not (known := self._pass(deadline)) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            self._is_known = known
        except Exception as bug:  # noqa: BLE001 - said in `alive`: a sweep that broke must not look quiet
            self._bug = f"containers: {type(bug).__name__}: {bug}"
        finally:
            self._is_over.set()

    def _pass(self, deadline: float) -> bool:
        """Look once and end what is found; whether that was nothing, and nothing can come any more."""
        last = self._nothing_begins.is_set()
        try:
            _knock(self._docker)
            running = self._look_and_end(deadline)
        except OSError as error:
            self._trouble = f"Docker does not answer ({type(error).__name__})"
            # Where no engine listens to this account, its effects have none, unless one is written down. One
            # that listens and fails may have some.
            return last and isinstance(error, _NOBODY_LISTENS) and not self._wanted().named
        self._trouble = ""
        return last and not running

    def _look_and_end(self, deadline: float) -> set[str]:
        # A fifth of a second to import, which only those pay who have Docker.
        import docker  # noqa: PLC0415 - see above
        from docker.errors import DockerException  # noqa: PLC0415 - see above
        from requests.exceptions import RequestException  # noqa: PLC0415 - what docker lets through

        timeout = max(0.1, min(_ANSWER_S, deadline - time.monotonic()))
        try:
            client = (
                docker.from_env(timeout=timeout)
                if self._docker is None
                else docker.DockerClient(base_url=self._docker, timeout=timeout)
            )
            with contextlib.closing(client):
                ours = {"label": f"{HOME_LABEL}={self._home}"}
                running = self._running(client.api.containers(all=True, filters=ours))
                self._seen |= running
                self._alive = running
                # Taking it away ends it too, in the same time, and also one that was only made.
                _each(running, lambda one: client.api.remove_container(one, v=True, force=True))
        except (DockerException, RequestException) as error:
            raise OSError(str(error)) from error
        return running

    def _running(self, found: Iterable[dict[str, Any]]) -> set[str]:
        """Choose what is to be ended. A container that was made and not started yet may start any moment."""
        wanted = self._wanted()
        running = set()
        for container in found:
            effect = (container.get("Labels") or {}).get(EFFECT_LABEL, "")
            names = {name.removeprefix("/") for name in container.get("Names") or ()}
            is_named = any(container["Id"].startswith(name) or name in names for name in wanted.named)
            is_ours = is_named or effect in wanted.covered or effect not in wanted.known
            if is_ours and container["State"] not in _ENDED:
                running.add(container["Id"])
        return running


def _each(containers: Iterable[str], end: Callable[[str], object]) -> None:
    """End all at once: Docker takes 0.1 s for one, and 0.3 s for eight."""

    def one(container: str) -> None:
        # Gone already, or Docker failed: the next look will tell.
        with contextlib.suppress(Exception):
            end(container)

    threads = [threading.Thread(target=one, args=(container,), daemon=True) for container in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _is_there(docker: str | None) -> bool:
    """Whether there may be an engine at this address, without asking it."""
    scheme, path = _address(docker)
    return scheme not in _LOCAL or Path(path).exists()


def _knock(docker: str | None) -> None:
    """Find out whether anybody listens, before two hundred milliseconds of imports. Raises `OSError`."""
    scheme, path = _address(docker)
    if scheme in _LOCAL:
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(_ANSWER_S)
            knocking.connect(path)


def _address(docker: str | None) -> tuple[str, str]:
    address = docker or os.environ.get("DOCKER_HOST") or f"unix://{_DEFAULT_SOCKET}"
    scheme, _, path = address.partition("://")
    return scheme, path
