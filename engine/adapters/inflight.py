"""Effects under way: one small file for each, so that anybody can find and end what works for it.

The worker writes them; whoever sets a stop reads them, with the worker stopped, spinning or dead. They are
not synced: a power cut ends the processes too. What is replaced is replaced whole.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from engine.adapters.files import storage_errors
from engine.adapters.linux_processes import Process, identify, is_running
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EffectId
from engine.errors import StorageError
from engine.ports import Fence, Task, Watch

_TAIL: Final = ".json"
_LONGEST_NAME: Final = 200


class EffectRecord(Struct, frozen=True, kw_only=True):
    """What is known of one effect under way."""

    effect_id: EffectId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    began_us: int
    """By this machine's clock, for people; nothing is decided by it."""
    worker: Process
    processes: tuple[Process, ...] = ()
    """Each the first of its own process group."""
    containers: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether the worker that began it still runs."""
        return is_running(self.worker)


class Underway:
    """One effect under way, as its worker holds it. Safe from many threads."""

    def __init__(self, path: Path, record: EffectRecord) -> None:
        """Take over a record; `InFlight.begin` makes these."""
        self._path = path
        self._record = record
        self._turn = threading.Lock()

    @property
    def record(self) -> EffectRecord:
        """What is known of it."""
        return self._record

    def process(self, pid: int) -> None:
        """Say that a process, the first of its own group, now works for it. One that is gone is left out.

        Raises `StorageError` when it cannot be written down: then end the process.
        """
        if (process := identify(pid)) is not None:
            self._add(processes=(process,))

    def container(self, container_id: str) -> None:
        """Say that a container, by id or name, now works for it. Raises `StorageError`: then end it."""
        self._add(containers=(container_id,))

    def end(self) -> None:
        """Say that nothing works for it any more. Ending twice is harmless.

        Call it as soon as the runner is done, before reporting to the engine: a record that stays although a
        stop covers it means a wedged worker, which is killed.
        """
        with self._turn, storage_errors(self._path):
            self._path.unlink(missing_ok=True)

    def _add(self, *, processes: tuple[Process, ...] = (), containers: tuple[str, ...] = ()) -> None:
        with self._turn:
            known = self._record
            changed = msgspec.structs.replace(
                known,
                processes=(*known.processes, *processes),
                containers=(*known.containers, *containers),
            )
            _write(self._path, changed)
            self._record = changed


class InFlight:
    """The folder of effects under way."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Use this folder. It is made when the first effect begins."""
        self._folder = Path(folder).absolute()

    def begin(
        self,
        effect_id: EffectId,
        *,
        agent: AgentId,
        capability: CapabilityId,
        action: ActionName,
        worker_pid: int | None = None,
    ) -> Underway:
        """Write down that an effect is about to begin; before it passes the fence, so that none is missed.

        `worker_pid` is this process when `None`. Raises `StorageError` when it cannot be written: then the
        effect must not begin.
        """
        worker = identify(os.getpid() if worker_pid is None else worker_pid)
        if worker is None:
            raise StorageError(f"there is no process {worker_pid} to look after {effect_id}", place="/proc")
        record = EffectRecord(
            effect_id=effect_id,
            agent=agent,
            capability=capability,
            action=action,
            began_us=time.time_ns() // 1000,
            worker=worker,
        )
        path = self._path(effect_id)
        with storage_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
        _write(path, record)
        return Underway(path, record)

    @contextlib.contextmanager
    def watching(self, fence: Fence, task: Task) -> Iterator[Watch]:
        """Keep a record of an effect of this process, from before it begins until its runner is done with it.

        Raises `StorageError` when it cannot be written down: then nothing may begin.
        """
        underway = self.begin(
            task.effect_id, agent=task.agent, capability=task.capability, action=task.action
        )
        try:
            yield EffectWatch(fence, underway)
        finally:
            underway.end()

    def all(self) -> list[EffectRecord]:
        """Return every record, by effect. One that cannot be read is left out.

        What works for such an effect then bears the mark of an effect without a record, which every stop
        covers.
        """
        try:
            paths = sorted(self._folder.iterdir())
        except OSError:
            return []
        found = []
        for path in paths:
            if path.suffix == _TAIL:
                with contextlib.suppress(OSError, msgspec.DecodeError):
                    found.append(_decode(path.read_bytes()))
        return found

    def forget(self, effect_id: EffectId) -> None:
        """Remove the record of an effect whose worker is gone, once nothing works for it any more."""
        path = self._path(effect_id)
        with storage_errors(path):
            path.unlink(missing_ok=True)

    def _path(self, effect_id: EffectId) -> Path:
        name = quote(effect_id, safe="")
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(effect_id.encode()).hexdigest()
        return self._folder / (name + _TAIL)


class EffectWatch:
    """The port `Watch`, for one effect: the fence before it, and its record beside it."""

    def __init__(self, fence: Fence, underway: Underway) -> None:
        """Watch an effect whose record has been begun."""
        self._fence = fence
        self._underway = underway

    def starting(self) -> AbstractContextManager[None]:
        """Surround the very moment at which the world is first touched. Raises `Stopped` behind a stop."""
        record = self._underway.record
        return self._fence.starting(record.agent, record.capability, record.action)

    def process(self, pid: int) -> None:
        """Say that a process, the first of its own process group, now works for this effect."""
        self._underway.process(pid)

    def container(self, container_id: str) -> None:
        """Say that a container now works for this effect."""
        self._underway.container(container_id)


_decode: Final = msgspec.json.Decoder(EffectRecord).decode
_encode: Final = msgspec.json.Encoder().encode


def _write(path: Path, record: EffectRecord) -> None:
    temporary = path.with_name(f".watchkeeper-{path.name}.tmp")
    with storage_errors(path):
        try:
            temporary.write_bytes(_encode(record))
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
