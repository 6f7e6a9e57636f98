"""The Docker sandbox: a container for each program, with nothing of the machine but its workspace."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Mount, Ulimit
from requests.exceptions import RequestException

from engine.adapters.marks import EFFECT_LABEL, HOME_LABEL, container_marks, home_id
from engine.adapters.sandbox import (
    TEMPORARY,
    WORKSPACE,
    Why,
    acting_ids,
    checked_shown,
    checked_workspace,
    environment_of,
    hand_over,
    to_the_end,
)
from engine.adapters.sandbox_docker_talk import Talk
from engine.adapters.sandbox_network import DOOR, network_for
from engine.errors import EffectRefused, StorageError
from engine.ports import Ended, Limits, Program, SandboxState, Watch

_SOCKET_URL: Final = "unix:///var/run/docker.sock"
_ANSWER_S: Final = 60
# Effects wait in threads for their containers. More than a worker's slots, so that none waits for a thread.
_THREADS: Final = 128
_OPEN_FILES: Final = 1024
_KILLED: Final = 137
_DRAIN_S: Final = 1.0

# What an engine says of itself, and what it means when it says no.
_LIMITS: Final = {
    "MemoryLimit": "memory: this engine has no control group for it",
    "SwapLimit": "swap: a program may use some beyond its memory, where the machine has any",
    "PidsLimit": "processes: this engine has no control group for them",
    "CpuCfsQuota": "processor cores: this engine has no control group for them",
}
_FAILURES: Final = (DockerException, RequestException, OSError)
_Answer = TypeVar("_Answer")


class DockerSandbox:
    """Runs each program in a container of its own."""

    def __init__(self, *, home: Path, image: str, url: str | None = None) -> None:
        """Name the state folder, the image programs find around them, and the engine to ask.

        `url=None` means `$DOCKER_HOST`, else the usual socket. The engine must be on this machine: it mounts
        the workspace.
        """
        self._home, self._home_id, self._image = home, home_id(home), image
        self._label = os.path.realpath(home)
        self._url = url or os.environ.get("DOCKER_HOST") or _SOCKET_URL
        self._client: docker.APIClient | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._has_python: bool | None = None

    @property
    def workspace(self) -> str:
        """Where a program finds its workspace."""
        return WORKSPACE

    @property
    def python(self) -> str:
        """The image's interpreter."""
        return "python3"

    def describe(self) -> SandboxState:
        """Ask the engine whether it is there, has the image, and can keep to limits."""
        try:
            api = self._api()
            self._reach()
            about = api.info()
            api.inspect_image(self._image)
        except EffectRefused as refusal:
            return self._unusable(refusal.message, refusal.cure or "")
        except ImageNotFound:
            return self._unusable(
                f"the engine has no image {self._image!r}",
                "build or import it: docs/howto/sandbox.md",
            )
        except _FAILURES as failure:
            return self._unusable(
                f"no engine answers at {self._url}: {_said(failure)}",
                "start Docker, and let the person Watchkeeper runs as use it",
            )
        found = [what for key, what in _LIMITS.items() if not about.get(key)]
        if not any("seccomp" in option for option in about.get("SecurityOptions") or ()):
            found.append("system calls: this engine sets no seccomp filter")
        return SandboxState(
            backend="docker",
            working=True,
            why=f"Docker {about.get('ServerVersion')} at {self._url}, image {self._image}",
            not_limited=(*found, "disk: the largest file is limited, the workspace as a whole is not"),
        )

    def _unusable(self, why: str, cure: str) -> SandboxState:
        return SandboxState(backend="docker", working=False, why=why, cure=cure)

    def _api(self) -> docker.APIClient:
        """Return the client. Raises `EffectRefused` when the engine is elsewhere."""
        if self._client is None:
            if not self._url.startswith("unix://"):
                raise EffectRefused(
                    "a Docker engine elsewhere cannot mount the workspace",
                    place=self._url,
                    cure="name a unix:// socket of this machine",
                )
            # The oldest version we know it to work with, so that no question is asked about it.
            self._client = docker.APIClient(
                base_url=self._url, version="1.41", timeout=_ANSWER_S, num_pools=4, max_pool_size=_THREADS
            )
        return self._client

    async def run(self, program: Program, watch: Watch) -> Ended:
        """Run a program in a container of its own. Raises as the port says."""
        workspace = checked_workspace(program, self._home)
        ids = acting_ids(workspace)
        await asyncio.to_thread(hand_over, workspace, *ids)
        if program.network:
            await self._need_python()
        async with network_for(program, self.python, ids[0], self._home) as (argv, environment, door):
            mounts = [_mount(workspace, WORKSPACE, writable=not program.read_only_workspace)]
            mounts += [_mount(checked_shown(path), str(path)) for path in program.read_only]
            if door is not None:
                mounts.append(_mount(door, DOOR))
            wanted = {
                "command": list(argv),
                "environment": environment_of(program, self._home_id) | environment,
                "user": f"{ids[0]}:{ids[1]}",
                "labels": container_marks(self._home, program.effect_id),
            }
            return await self._run(program, watch, wanted, self._limits(program.limits, mounts))

    def _limits(self, limits: Limits, mounts: list[Mount]) -> dict[str, Any]:
        """Return everything that shuts a container in, as the engine wants it said."""
        memory, room = limits.memory_mib << 20, limits.disk_mib << 20
        return {
            "mounts": mounts,
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {TEMPORARY: f"size={room},mode=1777,nosuid,nodev,exec"},
            "shm_size": room,
            "mem_limit": memory,
            "memswap_limit": memory,
            "pids_limit": limits.pids,
            "nano_cpus": int(limits.cpus * 1e9),
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "ipc_mode": "private",
            # Output is read as it comes. A log beside that would only fill the disk.
            "log_config": LogConfig(type="none"),
            "ulimits": [
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="fsize", soft=room, hard=room),
                Ulimit(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES),
            ],
        }

    async def _need_python(self) -> None:
        """Raise `EffectRefused` when the image has no Python: what carries the network within needs it."""
        if self._has_python is None:
            self._has_python = await self._to_the_end(self._find_python)
        if not self._has_python:
            raise EffectRefused(
                "the image has no python3, which the list of hosts needs within",
                place=self._image,
                cure="build the image with python3, or take `network` away",
            )

    def _find_python(self) -> bool:
        """Look whether a container of the image can start `python3`, without ever starting one."""
        with _refusals(self._url):
            host = self._api().create_host_config(network_mode="none", log_config=LogConfig(type="none"))
            made = self._api().create_container(self._image, ["python3"], host_config=host)["Id"]
            try:
                for folder in ("/usr/local/bin", "/usr/bin", "/bin"):
                    with contextlib.suppress(NotFound):
                        stream, _about = self._api().get_archive(made, f"{folder}/python3")
                        stream.close()
                        return True
                return False
            finally:
                self._api().remove_container(made, force=True, v=True)

    # ------------------------------------------------------------ one container

    async def _run(
        self, program: Program, watch: Watch, wanted: dict[str, Any], limits: dict[str, Any]
    ) -> Ended:
        name = f"watchkeeper-{self._home_id}-{secrets.token_hex(8)}"
        made: list[Talk] = []
        try:
            # Into a list, so that it can be closed though a cancellation came while it was made.
            await self._to_the_end(lambda: made.append(self._create(name, program, wanted, limits)))
            began = time.monotonic()
            await self._to_the_end(lambda: self._start(name, watch))
            why, state = await self._until_over(name, program, made[0])
            took_s = time.monotonic() - began
        finally:
            await self._to_the_end(lambda: self._remove(name))
            for talk in made:
                talk.close()
        return _ended(why, state, made[0], took_s)

    async def _until_over(self, name: str, program: Program, talk: Talk) -> tuple[Why, dict[str, Any]]:
        """Listen until the container has ended, on its own or by us, and return why and its last state."""
        listening = asyncio.ensure_future(talk.listen(program.stdin))
        waiting = asyncio.ensure_future(self._thread(lambda: self._api().wait(name)))
        why: Why = "timed out"
        state: dict[str, Any] = {}
        try:
            await asyncio.wait(
                {waiting, talk.flooded},
                timeout=program.limits.wall_us / 1e6,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if talk.flooded.done():
                why = "too much output"
            elif waiting.done():
                why, state = "exited", await self._to_the_end(lambda: self._state_of(name))
        finally:
            await self._to_the_end(lambda: self._remove(name))
            await asyncio.wait({listening, waiting}, timeout=_DRAIN_S)
            for task in (listening, waiting):
                task.cancel()
            await asyncio.gather(listening, waiting, return_exceptions=True)
        return why, state

    def _reach(self) -> None:
        """Raise `OSError` when nobody listens. docker-py would leave the socket it tried with open."""
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(_ANSWER_S)
            knock.connect(self._url.removeprefix("unix://"))

    def _create(self, name: str, program: Program, wanted: dict[str, Any], limits: dict[str, Any]) -> Talk:
        with _refusals(self._url):
            api = self._api()
            self._reach()
            made = api.create_container(
                self._image,
                name=name,
                host_config=api.create_host_config(**limits),
                working_dir=WORKSPACE,
                entrypoint=[],
                hostname="sandbox",
                stdin_open=bool(program.stdin),
                **wanted,
            )["Id"]
            ends = {"stdout": 1, "stderr": 1, "stream": 1, "stdin": int(bool(program.stdin))}
            return Talk(api.attach_socket(made, params=ends), program.limits.output_kib * 1024)

    def _start(self, name: str, watch: Watch) -> None:
        with watch.starting(), _refusals(self._url):
            self._api().start(name)
            # Within the block: whoever sets a stop waits until we have left it, and finds the container then.
            watch.container(name)

    def _state_of(self, name: str) -> dict[str, Any]:
        try:
            return dict(self._api().inspect_container(name)["State"])
        except NotFound:
            return {}  # whoever ended it, took it away as well

    def _remove(self, name: str) -> None:
        """Kill and remove a container, and see that it is gone. Raises `StorageError` when it is not."""
        last: Exception | None = None
        for pause_s in (0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
            time.sleep(pause_s)
            try:
                self._api().remove_container(name, force=True, v=True)
            except NotFound:
                return
            except _FAILURES as failure:
                last = failure
        raise StorageError(
            f"a container does not end: {last}",
            place=name,
            cure=f"docker rm --force {name}; see what the engine says",
        )

    def end(self, effect_id: str | None) -> list[str]:
        """Kill and remove our containers, those of one effect or all, and return their names."""
        try:
            self._reach()
            labels = [f"{HOME_LABEL}={self._label}"]
            labels += [f"{EFFECT_LABEL}={effect_id}"] if effect_id is not None else []
            found = self._api().containers(all=True, filters={"label": labels})
        except (EffectRefused, *_FAILURES):
            return []
        names = [container["Names"][0].removeprefix("/") for container in found]
        for name in names:
            self._remove(name)
        return names

    async def _to_the_end(self, doing: Callable[[], _Answer]) -> _Answer:
        return await to_the_end(self._thread(doing))

    async def _thread(self, doing: Callable[[], _Answer]) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, doing)

    def close(self) -> None:
        """Let go of the connections and threads."""
        self._threads.shutdown(wait=True)
        if self._client is not None:
            self._client.close()
            self._client = None


def end_containers(home: Path, effect_id: str | None, url: str | None) -> list[str]:
    """Kill and remove the containers of one effect, or of the whole state folder, and return their names.

    Where no engine answers there are none. Raises `StorageError` when one would not end.
    """
    sandbox = DockerSandbox(home=home, image="", url=url)
    try:
        return sandbox.end(effect_id)
    finally:
        sandbox.close()


def _ended(why: Why, state: dict[str, Any], talk: Talk, took_s: float) -> Ended:
    status = state.get("ExitCode")
    if why == "exited" and state.get("OOMKilled"):
        why = "out of memory"
    elif why == "exited" and status in {None, _KILLED}:
        why, status = "killed", -signal.SIGKILL
    return Ended(
        why=why,
        status=status if why in {"exited", "killed"} else None,
        output=talk.output.text(),
        errors=talk.errors.text(),
        cut_bytes=talk.output.cut_bytes + talk.errors.cut_bytes,
        execution_time_s=took_s,
    )


def _mount(source: Path, place: str, *, writable: bool = False) -> Mount:
    return Mount(place, str(source), type="bind", read_only=not writable, propagation="rprivate")


@contextlib.contextmanager
def _refusals(url: str) -> Iterator[None]:
    """Turn what the engine refuses before anything ran into ours."""
    try:
        yield
    except ImageNotFound as failure:
        raise EffectRefused(
            "the image is not there", place=url, cure="build or import it: docs/howto/sandbox.md"
        ) from failure
    except _FAILURES as failure:
        raise EffectRefused(
            f"the engine will not: {_said(failure)}", place=url, cure="see `watchkeeper doctor`"
        ) from failure


def _said(failure: Exception) -> str:
    """Return the gist of what docker-py raises, which wraps errors in errors in errors."""
    if isinstance(failure, APIError) and failure.explanation:
        return str(failure.explanation)
    text = str(failure)
    for known in ("Connection refused", "No such file or directory", "Permission denied"):
        if known in text:
            return known.lower()
    return text
