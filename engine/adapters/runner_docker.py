"""The container runner: start, stop or restart a container by its name, through the Docker engine."""

import concurrent.futures
import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import docker
import msgspec
import requests.exceptions
from docker.errors import APIError, DockerException, NotFound
from msgspec import Struct

from engine.adapters.performing import (
    Patience,
    Stopwatch,
    earlier,
    in_thread,
    keep,
    kept,
    out_of_time,
    require_parameters,
    settings_of,
    text_argument,
    timeout_s,
    unknown,
    wrong_settings,
)
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, WorldMovedOn
from engine.ports import Job

# A request leaves within a millisecond of being made; whoever sets a stop does not wait for its answer.
_SENT_S: Final = 0.02
_LOOK_S: Final = 10
_MOST_GRACE_S: Final = 300
_USUAL: Final = "unix:///var/run/docker.sock"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")

Operation = Literal["start", "stop", "restart"]


class DockerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`run.settings` of an action that the container runner performs."""

    operation: Operation
    containers: tuple[str, ...]
    """The names it may touch, as patterns: `web-*`."""
    grace_s: int = 10
    """How long a program may take to end by itself before it is ended, seconds. A stop waits as long."""


class ContainerState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a container is."""

    container_id: str
    status: str
    """In Docker's words: `running`, `exited`, `created`, `paused` …"""
    started_at: str
    """When it was started last, in Docker's words."""
    restart_policy: str

    @property
    def running(self) -> bool:
        """Whether its program is there; one that is paused is."""
        return self.status in {"running", "paused", "restarting"}

    @property
    def text(self) -> str:
        """For people."""
        since = f" since {self.started_at}" if self.running else ""
        return f"{self.status}{since}, restart policy {self.restart_policy or 'no'}"


class DockerRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the undo log keeps of one effect on a container."""

    kind: Literal["docker"] = "docker"
    container: str
    did: Operation
    before: ContainerState
    after: ContainerState | None = None
    """`None` until it is over."""


class DockerRunner:
    """Performs actions on containers that are there already. Its work is done in threads."""

    def __init__(self, *, url: str | None = None) -> None:
        """Use the engine at this address; `None` takes what the environment says, as `docker` does."""
        self._url = url

    def check(self, action: Action) -> None:
        """Check an action's settings and that it takes what they need. Raises `PolicyError`."""
        settings = settings_of(action, DockerSettings)
        if not settings.containers or not all(settings.containers):
            raise wrong_settings(action, "containers: name at least one pattern")
        if not 0 <= settings.grace_s <= _MOST_GRACE_S:
            raise wrong_settings(action, f"grace_s must be between 0 and {_MOST_GRACE_S}")
        require_parameters(action, "container")

    async def preview(self, job: Job) -> Result:
        """Say how the container is and what would happen to it."""
        watch = Stopwatch()
        try:
            name = _named(job)
            state = await self._look(job, name)
        except EffectRefused as refusal:
            return watch.failed(f"it would be refused: {refusal}")
        except TimeoutError:
            return watch.failed(out_of_time(job))
        settings = settings_of(job.action, DockerSettings)
        would = {
            "start": "nothing would happen" if state.running else "it would be started",
            "stop": f"it would be stopped within {settings.grace_s} s"
            if state.running
            else "nothing would happen",
            "restart": f"it would be stopped within {settings.grace_s} s and started again"
            if state.running
            else "it would be started",
        }[settings.operation]
        return watch.done(f"{name} is {state.text}; {would}\n")

    async def perform(self, job: Job) -> Result:
        """Do it, and wait until it is done.

        Tried again after an interruption, it does not restart twice. Raises `EffectRefused` before anything
        was touched, and `OutcomeUnknown` when the engine does not say how it ended.
        """
        watch = Stopwatch()
        operation = settings_of(job.action, DockerSettings).operation
        try:
            name = _named(job)
            before = await self._look(job, name)
        except TimeoutError:
            return watch.failed(out_of_time(job))
        record = earlier(job, job.effect_id, DockerRecord)
        if record is None or record.before.container_id != before.container_id:
            record = DockerRecord(container=name, did=operation, before=before)
            _save(job, record)
        if record.after is not None or _is_done(record, before):
            return self._ended(job, record, before, watch)
        return await self._do(job, record, watch)

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        """Bring back whether it ran before the effect `of`.

        Raises `WorldMovedOn` when it was started, stopped or made anew since, unless forced.
        """
        watch = Stopwatch()
        record = kept(job, of, DockerRecord)
        _require_named(job, record.container)
        try:
            now = await self._look(job, record.container)
        except TimeoutError:
            return watch.failed(out_of_time(job))
        expected = record.after or now
        if not force and (now.container_id, now.running, now.started_at) != (
            expected.container_id,
            expected.running,
            expected.started_at,
        ):
            raise WorldMovedOn(
                f"has changed since\n-{expected.text}\n+{now.text}",
                place=record.container,
                cure="start or stop it by hand, or force it",
            )
        did: Operation = "start" if record.before.running else "stop"
        back = DockerRecord(container=record.container, did=did, before=now)
        _save(job, back)
        if now.running == record.before.running:
            return self._ended(job, back, now, watch)
        return await self._do(job, back, watch)

    async def _do(self, job: Job, record: DockerRecord, watch: Stopwatch) -> Result:
        grace_s = settings_of(job.action, DockerSettings).grace_s
        wait_s = timeout_s(job)

        def work(patience: Patience) -> str:
            with self._client(int(wait_s + grace_s) + 1) as client:
                container = client.containers.get(record.before.container_id)
                options = {} if record.did == "start" else {"timeout": grace_s}
                patience.check()
                call = getattr(container, record.did)
                return _begun(job, lambda: call(**options))

        try:
            said = await in_thread(work, timeout_s=wait_s)
        except TimeoutError:
            return watch.failed(out_of_time(job))
        try:
            now = await self._look(job, record.container)
        except (EffectRefused, TimeoutError) as error:
            raise unknown(f"it was begun, and the engine does not say how it ended: {error}", job) from error
        if now.running != (record.did != "stop") or (said and not _is_done(record, now)):
            return watch.failed(f"{record.container} is {now.text}: {said or 'it ended at once'}")
        return self._ended(job, record, now, watch)

    def _ended(self, job: Job, record: DockerRecord, now: ContainerState, watch: Stopwatch) -> Result:
        if record.after is None:
            _save(job, msgspec.structs.replace(record, after=now))
        return watch.done(f"{record.container} was {record.before.text}\n{record.container} is {now.text}\n")

    async def _look(self, job: Job, name: str) -> ContainerState:
        """Return how a container is. Raises `EffectRefused` when there is none, or no engine answers."""

        def work(_: Patience) -> ContainerState:
            with self._client(_LOOK_S) as client:
                return _state(client, name)

        return await in_thread(work, timeout_s=timeout_s(job))

    @contextlib.contextmanager
    def _client(self, wait_s: int) -> Iterator[Any]:
        try:
            _knock(self._url or os.environ.get("DOCKER_HOST") or _USUAL)
            client = (
                docker.DockerClient(base_url=self._url, timeout=wait_s)
                if self._url is not None
                else docker.from_env(timeout=wait_s)
            )
        except (DockerException, OSError) as error:
            raise EffectRefused(
                f"no Docker engine answers: {error}", cure="start it, or say where it is with DOCKER_HOST"
            ) from error
        try:
            yield client
        except NotFound as error:
            raise EffectRefused("there is no such container", cure="see `docker ps --all`") from error
        except (APIError, requests.exceptions.RequestException) as error:
            raise EffectRefused(f"the Docker engine refuses: {error}") from error
        finally:
            client.close()


def _knock(url: str) -> None:
    """Raise `OSError` when nobody listens. Not left to docker-py: it keeps open what it fails with."""
    scheme, _, path = url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as knock:
            knock.connect(path)


def _begun(job: Job, call: Callable[[], object]) -> str:
    """Make a call that may take long, with the fence held open only while the request leaves.

    Returns what went wrong, or nothing; what is true then is seen by looking.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        with job.watch.starting():
            future = pool.submit(call)
            concurrent.futures.wait((future,), timeout=_SENT_S)
        try:
            future.result()
        except (APIError, requests.exceptions.RequestException) as error:
            return str(error)
    return ""


def _named(job: Job) -> str:
    name = text_argument(job, "container").removeprefix("/")
    _require_named(job, name)
    return name


def _require_named(job: Job, name: str) -> None:
    patterns = settings_of(job.action, DockerSettings).containers
    if not _NAME.fullmatch(name):
        raise EffectRefused("is no container's name", place=ascii(name[:100]), cure="see `docker ps --all`")
    if not any(fnmatchcase(name, pattern) for pattern in patterns):
        raise EffectRefused(
            f"is not a container that {job.action.name} may touch: {', '.join(patterns)}",
            place=name[:100],
            cure="whoever keeps the registry may add it to run.settings.containers",
        )


def _state(client: Any, name: str) -> ContainerState:
    # Docker finds a container by the beginning of its id too; only its name was checked.
    about = client.api.inspect_container(name)
    if about["Name"] != f"/{name}":
        raise EffectRefused("is no container's name", place=name[:100], cure="see `docker ps --all`")
    return ContainerState(
        container_id=about["Id"],
        status=about["State"]["Status"],
        started_at=about["State"]["StartedAt"],
        restart_policy=about["HostConfig"]["RestartPolicy"]["Name"],
    )


def _is_done(record: DockerRecord, now: ContainerState) -> bool:
    """Whether a container is as the operation leaves it."""
    if record.did == "restart":
        return now.running and now.started_at != record.before.started_at
    return now.running == (record.did == "start")


def _save(job: Job, record: DockerRecord) -> None:
    keep(job, msgspec.to_builtins(record))
