"""The task table in memory, for the journal in memory."""

import threading
from collections.abc import Mapping, Sequence

from msgspec import structs

from engine.adapters.journal_tasks import AGEING_US, lease_lost
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import EffectId
from engine.ports import Finished, Task


class MemoryTasks:
    """A task table held in a dictionary. Safe from many threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._tasks: dict[EffectId, Task] = {}
        self._token = 0
        self._turn = threading.RLock()

    def apply(self, changes: Sequence[Task | Finished]) -> None:
        """Put tasks in or take them out."""
        with self._turn:
            for change in changes:
                if isinstance(change, Finished):
                    self._tasks.pop(change.effect_id, None)
                else:
                    self._tasks.setdefault(change.effect_id, change)

    def claim(
        self,
        worker: str,
        *,
        now_us: int,
        lease_us: int,
        most: int,
        passed_over: Sequence[Scope] = (),
        places: Sequence[str] = ("",),
    ) -> list[Task]:
        """Lease up to `most` waiting tasks to a worker, the first in line first."""
        with self._turn:
            waiting = [
                task
                for task in self.all()
                if not task.worker and task.place in places and not _covered(task, passed_over)
            ]
            leased = []
            for task in waiting[:most]:
                self._token += 1
                changes = {"worker": worker, "lease_until_us": now_us + lease_us, "token": self._token}
                leased.append(self._put(task, **changes, started=False))
            return leased

    def renew(self, worker: str, tokens: Mapping[EffectId, int], *, until_us: int) -> list[EffectId]:
        """Keep leases alive; returns those that the worker has lost."""
        lost = []
        with self._turn:
            for effect_id, token in tokens.items():
                task = self._tasks.get(effect_id)
                if task is None or (task.worker, task.token) != (worker, token):
                    lost.append(effect_id)
                else:
                    self._put(task, lease_until_us=until_us)
        return lost

    def start(self, effect_id: EffectId, token: int) -> Task:
        """Note that it is being begun, once a lease. Raises `LeaseLost` when the token is not the newest."""
        with self._turn:
            task = self._held(effect_id, token)
            return self._put(task, started=True, attempts=task.attempts + 1 - task.started)

    def give_back(self, effect_id: EffectId, token: int) -> None:
        """Let a leased task wait again, as if it had never been leased this time. Raises `LeaseLost`."""
        with self._turn:
            task = self._held(effect_id, token)
            self._put(task, worker="", lease_until_us=0, started=False, attempts=task.attempts - task.started)

    def requeue(self, effect_id: EffectId) -> None:
        """Let a task whose lease ran out wait again."""
        with self._turn:
            if effect_id in self._tasks:
                self._put(self._tasks[effect_id], worker="", lease_until_us=0)

    def expired(self, now_us: int) -> list[Task]:
        """Return the leased tasks whose lease has run out."""
        with self._turn:
            found = [task for task in self._tasks.values() if task.worker and task.lease_until_us <= now_us]
        return sorted(found, key=lambda task: task.effect_id)

    def unclaimed(self, before_us: int) -> list[Task]:
        """Return the tasks for bodies that wait since before that time, and that nobody holds."""
        waiting = [task for task in self.all() if not task.worker and task.place]
        return sorted(
            (task for task in waiting if task.queued_us < before_us), key=lambda task: task.effect_id
        )

    def find(self, effect_id: EffectId) -> Task | None:
        """Return one task, or `None` when it is finished or was never there."""
        return self._tasks.get(effect_id)

    def all(self) -> list[Task]:
        """Return every task, in the order in which they would be claimed."""
        with self._turn:
            return sorted(self._tasks.values(), key=_line)

    def _held(self, effect_id: EffectId, token: int) -> Task:
        task = self._tasks.get(effect_id)
        if task is None or not task.worker or task.token != token:
            raise lease_lost(effect_id, token)
        return task

    def _put(self, task: Task, **changes: object) -> Task:
        changed = self._tasks[task.effect_id] = structs.replace(task, **changes)
        return changed


def _line(task: Task) -> tuple[int, str]:
    return task.queued_us + task.priority * AGEING_US, task.effect_id


def _covered(task: Task, scopes: Sequence[Scope]) -> bool:
    return any(scope.covers(task.agent, task.capability, task.action) for scope in scopes)
