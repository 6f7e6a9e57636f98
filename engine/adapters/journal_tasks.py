"""The task table beside the journal, in the same file: effects that wait or are under way.

One transaction puts a verdict into the chain and its effect into this table, so there is no moment at which
an effect is authorised and forgotten. Leases are not facts: losing one in a power cut loses nothing, for its
holder is gone too. They are written without waiting for the disk.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import apsw

from engine.adapters.journal_schema import explained, transaction
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, EffectId, ProposalId
from engine.errors import LeaseLost
from engine.ports import Finished, Task

AGEING_US: Final = 30_000_000
"""One step of priority counts as much as this long a wait: whatever waits long enough comes first."""

_COLUMNS: Final = (
    "effect_id, kind, target, decision_id, proposal_id, agent, capability, action, priority, queued_us, "
    "idempotent, force, attempts, token, worker, lease_until_us, started, place"
)
_ENQUEUE: Final = f"""
INSERT INTO task({_COLUMNS}, due_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT(effect_id) DO NOTHING
"""
_FINISH: Final = "DELETE FROM task WHERE effect_id = ?"
_FREE: Final = "UPDATE task SET worker = '', lease_until_us = 0"


def task_of(row: Sequence[Any]) -> Task:
    """Read a row of `_COLUMNS`."""
    return Task(
        effect_id=EffectId(row[0]),
        kind=row[1],
        of=EffectId(row[2]),
        decision_id=DecisionId(row[3]),
        proposal_id=ProposalId(row[4]),
        agent=AgentId(row[5]),
        capability=CapabilityId(row[6]),
        action=ActionName(row[7]),
        priority=row[8],
        queued_us=row[9],
        idempotent=bool(row[10]),
        force=bool(row[11]),
        attempts=row[12],
        token=row[13],
        worker=row[14],
        lease_until_us=row[15],
        started=bool(row[16]),
        place=row[17],
    )


def apply_changes(connection: apsw.Connection, changes: Sequence[Task | Finished]) -> None:
    """Put tasks in or take them out, within the transaction that is open."""
    for change in changes:
        if isinstance(change, Finished):
            connection.execute(_FINISH, (change.effect_id,))
            continue
        task = change
        connection.execute(
            _ENQUEUE,
            (
                task.effect_id, task.kind, task.of, task.decision_id, task.proposal_id, task.agent,
                task.capability, task.action, task.priority, task.queued_us, int(task.idempotent),
                int(task.force), task.attempts, task.token, task.worker, task.lease_until_us,
                int(task.started), task.place, task.queued_us + task.priority * AGEING_US,
            ),
        )  # fmt: skip


class SqliteTaskReader:
    """Looks into the table without changing it."""

    def __init__(self, ask: Callable[[str, tuple[Any, ...]], list[Any]]) -> None:
        """`ask` runs a query on a read connection."""
        self._ask = ask

    def find(self, effect_id: EffectId) -> Task | None:
        """Return one task, or `None` when it is finished or was never there."""
        rows = self._ask(f"SELECT {_COLUMNS} FROM task WHERE effect_id = ?", (effect_id,))
        return task_of(rows[0]) if rows else None

    def all(self) -> list[Task]:
        """Return every task, in the order in which they would be claimed."""
        return [
            task_of(row) for row in self._ask(f"SELECT {_COLUMNS} FROM task ORDER BY due_us, effect_id", ())
        ]


class SqliteTasks(SqliteTaskReader):
    """The table as the engine has it. Every change is a transaction of its own."""

    def __init__(
        self,
        connection: apsw.Connection,
        turn: Callable[[], AbstractContextManager[None]],
        place: str,
    ) -> None:
        """`turn` keeps everybody else away from the write connection."""
        super().__init__(self._on_writer)
        self._connection, self._turn, self._place = connection, turn, place

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
        if any(scope.kind == "all" for scope in passed_over):
            return []
        where, values = _not_covered(passed_over)
        where += f" AND place IN ({', '.join('?' * len(places))})"
        values += places
        first = f"SELECT effect_id FROM task WHERE worker = ''{where} ORDER BY due_us, effect_id LIMIT 1"
        lease = (
            "UPDATE task SET worker = ?, lease_until_us = ?, token = (SELECT token + 1 FROM fencing), "
            f"started = 0 WHERE effect_id = ({first}) RETURNING {_COLUMNS}"
        )
        leased: list[Task] = []
        with self._changing():
            # One by one: a single statement commits by itself, and each lease gets a token of its own.
            while len(leased) < most:
                rows = self._connection.execute(lease, (worker, now_us + lease_us, *values)).fetchall()
                if not rows:
                    break
                leased.append(task_of(rows[0]))
        return leased

    def renew(self, worker: str, tokens: Mapping[EffectId, int], *, until_us: int) -> list[EffectId]:
        """Keep leases alive; returns those that the worker has lost."""
        lost = []
        with self._changing(), transaction(self._connection):
            for effect_id, token in tokens.items():
                kept = self._connection.execute(
                    "UPDATE task SET lease_until_us = ? WHERE effect_id = ? AND token = ? AND worker = ? "
                    "RETURNING 1",
                    (until_us, effect_id, token, worker),
                ).get
                if kept is None:
                    lost.append(effect_id)
        return lost

    def start(self, effect_id: EffectId, token: int) -> Task:
        """Note that it is being begun, once a lease. Raises `LeaseLost` when the token is not the newest."""
        return self._held(
            f"UPDATE task SET attempts = attempts + 1 - started, started = 1 {_HELD} RETURNING {_COLUMNS}",
            effect_id,
            token,
        )

    def give_back(self, effect_id: EffectId, token: int) -> None:
        """Let a leased task wait again, as if it had never been leased this time. Raises `LeaseLost`."""
        self._held(
            f"{_FREE}, attempts = attempts - started, started = 0 {_HELD} RETURNING {_COLUMNS}",
            effect_id,
            token,
        )

    def requeue(self, effect_id: EffectId) -> None:
        """Let a task whose lease ran out wait again. Its next lease gets a newer token."""
        with self._changing():
            self._connection.execute(f"{_FREE} WHERE effect_id = ?", (effect_id,))

    def expired(self, now_us: int) -> list[Task]:
        """Return the leased tasks whose lease has run out."""
        rows = self._ask(
            f"SELECT {_COLUMNS} FROM task WHERE worker != '' AND lease_until_us <= ? ORDER BY effect_id",
            (now_us,),
        )
        return [task_of(row) for row in rows]

    def unclaimed(self, before_us: int) -> list[Task]:
        """Return the tasks for bodies that wait since before that time, and that nobody holds."""
        rows = self._ask(
            f"SELECT {_COLUMNS} FROM task WHERE worker = '' AND place != '' AND queued_us < ? "
            "ORDER BY effect_id",
            (before_us,),
        )
        return [task_of(row) for row in rows]

    def _held(self, statement: str, effect_id: EffectId, token: int) -> Task:
        with self._changing():
            rows = self._connection.execute(statement, (effect_id, token)).fetchall()
        if not rows:
            raise lease_lost(effect_id, token, self._place)
        return task_of(rows[0])

    def _on_writer(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with self._changing():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Have the turn; say SQLite's refusals in our words."""
        with self._turn():
            try:
                yield
            except apsw.Error as error:
                raise explained(error, self._place) from error


_HELD: Final = "WHERE effect_id = ? AND token = ? AND worker != ''"


def lease_lost(effect_id: EffectId, token: int, place: str | None = None) -> LeaseLost:
    """Say that a lease is somebody else's."""
    return LeaseLost(
        f"lease {token} of {effect_id} is over", place=place, cure="stop it, and report nothing more of it"
    )


def _not_covered(scopes: Sequence[Scope]) -> tuple[str, list[str | int]]:
    """Write the condition that no scope covers a task. A capability covers all versions of its name."""
    where = ""
    values: list[str | int] = []
    for scope in scopes:
        if scope.kind == "capability":
            # Not LIKE: a name may hold its wildcards.
            where += " AND capability != ? AND substr(capability, 1, ?) != ?"
            values += [scope.name, len(scope.name) + 1, f"{scope.name}@"]
        else:
            where += f" AND {scope.kind} != ?"
            values.append(scope.name)
    return where, values
