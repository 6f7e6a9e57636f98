"""Bodies: who performs effects on other machines, and which effect belongs to which.

A body comes by itself, over a connection of its own, and holds leases as workers do. The engine never reaches
it. What is kept of it here is only what it said last, and is gone when the engine restarts.
"""

from collections.abc import Callable

from msgspec import structs

from engine.core.policy import Policy
from engine.core.vocabulary.facts import EffectStarted, decode
from engine.core.vocabulary.ids import EffectId
from engine.errors import LeaseLost
from engine.ports import JournalReader, Task
from engine.runtime import wire
from engine.runtime.outbox import ended, place_of

_BETWEEN = "/"


def worker_of(body: str, run: str) -> str:
    """Name one run of a body as a holder of leases. No worker of this machine has a name like it.

    >>> worker_of("laptop", "3f9a")
    'laptop/3f9a'
    """
    return f"{body}{_BETWEEN}{run}"


def body_of(worker: str) -> str:
    """Say which body holds a lease; empty for a worker of this machine.

    >>> [body_of("laptop/3f9a"), body_of("worker-1:71")]
    ['laptop', '']
    """
    name, between, _ = worker.partition(_BETWEEN)
    return name if between else ""


def body_behind(journal: JournalReader, effect_id: EffectId) -> str:
    """Say which body performed an effect; empty when this machine did, or nobody began it."""
    task = journal.tasks.find(effect_id)
    if task is not None and task.worker:
        return body_of(task.worker)
    end = ended(journal, effect_id)
    record = journal.find(f"started:{effect_id}:{end.token}") if end is not None else None
    fact = decode(record.body) if record is not None else None
    return body_of(fact.worker) if isinstance(fact, EffectStarted) else ""


def must_hold(task: Task, body: str) -> None:
    """Raise `LeaseLost` where the lease is another's: no body ends what another performs."""
    if body_of(task.worker) != body:
        raise LeaseLost(
            f"{task.effect_id} is not performed by {body or 'this machine'}", cure="report nothing of it"
        )


class Bodies:
    """The bodies that have been heard of since the engine began."""

    def __init__(self, policy: Policy, now_us: Callable[[], int]) -> None:
        """Nobody was heard of yet."""
        self._policy, self._now_us = policy, now_us
        self._seen: dict[str, wire.BodySeen] = {}

    async def actions(self, request: wire.AskActions) -> wire.ActionsKnown:
        """Say what the registry has for these places."""
        known = self._policy.actions.values()
        found = [one for one in known if one.run is not None and place_of(one.run) in request.places]
        return wire.ActionsKnown(actions=tuple(found))

    def hear(self, body: wire.Body) -> tuple[str, ...]:
        """Note that a body is there, and return the places it performs for."""
        self._seen[body.name] = wire.BodySeen(
            name=body.name,
            pools=body.pools,
            version=body.version,
            # Other names are its own affair, and nobody looked through them.
            accepts=tuple(name for name in body.accepts if name in self._policy.actions),
            last_us=self._now_us(),
        )
        return body.name, *body.pools

    def heard(self, name: str) -> None:
        """Note that one that is known said anything at all."""
        if (seen := self._seen.get(name)) is not None:
            self._seen[name] = structs.replace(seen, last_us=self._now_us())

    def seen(self, tasks: list[Task]) -> tuple[wire.BodySeen, ...]:
        """Say who was heard of, and what each holds."""
        held: dict[str, list[EffectId]] = {}
        for task in tasks:
            if name := body_of(task.worker):
                held.setdefault(name, []).append(task.effect_id)
        return tuple(
            structs.replace(one, holds=tuple(held.get(name, ()))) for name, one in sorted(self._seen.items())
        )

    def elsewhere(self, tasks: list[Task]) -> dict[str, int]:
        """Say how many effects wait for each place that the registry, or an effect, names."""
        actions = self._policy.actions.values()
        places = {place_of(action.run) for action in actions if action.run is not None}
        waiting = {place: 0 for place in sorted(places) if place}
        for task in tasks:
            if task.place and not task.worker:
                waiting[task.place] = waiting.get(task.place, 0) + 1
        return waiting
