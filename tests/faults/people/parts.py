"""What the world of an interleaving is made of: a journal that dies where it is told to, accounts, codes.

All of it lives in this process and on no disk, so that a hundred thousand worlds take minutes. What the parts
promise is what the real ones promise; only dying is theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar

from engine.adapters.journal_memory import MemoryJournal
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import decode, tag_of
from engine.errors import InputError, Unreachable
from engine.ports import DecisionFilter, Enrolment, Linked, Page
from engine.runtime import wire


class Died(BaseException):
    """The process is gone at this very line, and nothing behind it happens."""


class Store(MemoryJournal):
    """The disk: it outlives every engine, and front-ends look things up in it."""

    def close(self) -> None:
        """Stay, as a file does."""

    def with_prefix(self, prefix: str) -> list[Record]:
        """Return the records whose key begins so, in the order of the journal."""
        return [record for record in self.read() if record.key.startswith(prefix)]

    def facts(self, *tags: str, before: int | None = None, most: int = 50, after: int = 0) -> Page:
        """Return the newest records of these kinds."""
        until = self.head().seq + 1 if before is None else before
        found = [
            record
            for record in self.read(after=after)
            if record.seq < until and tag_of(type(decode(record.body))) in tags
        ]
        return Page(records=tuple(found[::-1][:most]), before=None)

    def decisions(self, wanted: DecisionFilter, *, before: int | None = None, most: int = 50) -> Page:
        """Return the newest verdicts, of whomever."""
        return self.facts("verdict_reached", before=before, most=most)


class _Mortal:
    """Passes everything on to what lies behind it, until its time has come."""

    CHANGES: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, behind: Any, life: Life) -> None:
        self._behind, self._life = behind, life

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._behind, name)
        if name not in self.CHANGES:
            self._life.require()
            return asked
        return lambda *args, **given: self._life.change(lambda: asked(*args, **given))


class Life:
    """How long an engine lives, counted in the changes that it makes to its disk."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Live until told when to die."""
        self.left: int | None = None
        """How many changes are still made whole; `None`: all."""
        self.half = False
        """Whether the change that is its last reaches the disk."""
        self.over: asyncio.Future[None] = loop.create_future()

    def require(self) -> None:
        """Raise `Died` if it is over."""
        if self.over.done():
            raise Died

    def change(self, make: Callable[[], Any]) -> Any:
        """Change the disk, or die right before or right after it."""
        self.require()
        if self.left is None or self.left > 0:
            self.left = None if self.left is None else self.left - 1
            return make()
        if self.half:
            make()
        self.over.set_result(None)
        raise Died


class MortalTasks(_Mortal):
    """The task table as one engine sees it."""

    CHANGES = frozenset({"claim", "start", "give_back", "requeue", "renew"})


class MortalJournal(_Mortal):
    """The journal as one engine sees it: behind its last change there is nothing more."""

    CHANGES = frozenset({"append", "save_snapshot"})

    @property
    def tasks(self) -> MortalTasks:
        """The effects that wait or are under way."""
        return MortalTasks(self._behind.tasks, self._life)


class Reached:
    """The engine as front-ends and agents reach it: it answers, refuses, or is gone before it answers."""

    def __init__(self) -> None:
        """There is no engine yet."""
        self.live: Any = None
        self.life: Life | None = None

    async def ask(self, request: wire.AnyRequest, *, timeout_s: float | None = None) -> Any:
        """Ask the engine that is there. Raises as it refuses, and `Unreachable` when it died over it."""
        life = self.life
        if self.live is None or life is None or life.over.done():
            raise Unreachable("the engine is away", cure="ask again")
        task = asyncio.ensure_future(self.live.answer(request))
        await asyncio.wait((task, life.over), return_when=asyncio.FIRST_COMPLETED)
        if life.over.done():
            task.cancel()
            # What it raised while it died is nobody's to see.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise Unreachable("the engine died", cure="ask again")
        return task.result()

    async def subscribe(self) -> Any:
        """Tell nobody anything: who waits here, looks."""
        raise Unreachable("nobody listens here", cure="look into the journal")
        yield


class Accounts:
    """The port `Links`: every person has an account on each platform."""

    def __init__(self, people: dict[str, Any], fronts: tuple[str, ...]) -> None:
        """Link them."""
        self._linked = {
            (front, f"{front}-{person}"): Linked(
                person=person, role=role, front=front, account_id=f"{front}-{person}"
            )
            for person, role in people.items()
            for front in fronts
        }

    def who(self, front: str, account_id: str) -> Linked | None:
        """Return whose account it is."""
        return self._linked.get((front, account_id))

    def all(self) -> tuple[Linked, ...]:
        """Return every link."""
        return tuple(self._linked.values())


class Codes:
    """The port `StepUp`: each person's app shows a new code whenever it is looked at, and each works once."""

    def __init__(self) -> None:
        """Nobody has looked yet."""
        self._shown: dict[str, int] = {}
        self._used: dict[str, int] = {}

    def look(self, person: str) -> str:
        """Show the person's next code."""
        self._shown[person] = self._shown.get(person, 0) + 1
        return f"{self._shown[person]:06d}"

    def is_enrolled(self, person: str) -> bool:
        """Everybody is."""
        return True

    def enrol(self, person: str) -> Enrolment:
        """Refuse: everybody is enrolled."""
        raise InputError(f"{person} has one-time codes already", cure="use them")

    def confirm(self, person: str, code: str) -> None:
        """Refuse: there is nothing to confirm."""
        raise InputError(f"{person} has confirmed them already", cure="use them")

    def check(self, person: str, code: str) -> None:
        """Use up a code."""
        nth = int(code)
        if nth != self._shown.get(person, 0) or nth <= self._used.get(person, 0):
            raise InputError("that code is wrong, or its time is over", cure="look again")
        self._used[person] = nth


class InlineHands:
    """An executor without threads: it does at once what it is given, so that a seed brings all of it back."""

    def submit(self, work: Callable[[], object]) -> Future[object]:
        """Do it."""
        done: Future[object] = Future()
        done.set_result(work())
        return done

    def shutdown(self, **_given: object) -> None:
        """There is nothing to let go of."""


class SteadyLoop(asyncio.SelectorEventLoop):
    """An event loop that does in place what is given to threads, so that a seed brings all of it back."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Do it at once."""
        answer = self.create_future()
        try:
            answer.set_result(func(*args))
        except Exception as failed:  # noqa: BLE001 - whoever waits for it gets it
            answer.set_exception(failed)
        return answer
