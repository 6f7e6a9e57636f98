"""The client: how front-ends, workers and the command line talk to the engine."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from engine import errors
from engine.errors import Unreachable, WatchkeeperError
from engine.runtime.sockets import Lines, connected, unreachable
from engine.runtime.wire import (
    AnyAnswer,
    AnyRequest,
    Asked,
    Failed,
    Happened,
    Subscribe,
    decode_answered,
    encode_line,
)

_Answer = TypeVar("_Answer")

# A subscriber that does not read loses the connection rather than filling the memory of both sides.
_MOST_WAITING = 100_000


class EngineClient:
    """A connection to the engine, made when it is needed and again when it was lost. Many may ask at once."""

    def __init__(self, socket: Path, *, timeout_s: float = 10.0) -> None:
        """Nothing is connected yet. `timeout_s`: how long an answer may take unless `ask` says otherwise."""
        self._socket, self._timeout_s = socket, timeout_s
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[AnyAnswer]] = {}
        self._lines: Lines | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, request: AnyRequest, *, timeout_s: float | None = None) -> AnyAnswer:
        """Ask and return the answer.

        Raises the error the engine refused with, and `Unreachable` when no answer came: then nobody knows
        whether the request was taken, and it is safe to ask again where it carries a key.
        """
        patience = self._timeout_s if timeout_s is None else timeout_s
        number = next(self._numbers)
        answer: asyncio.Future[AnyAnswer] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(patience):
                lines = await self._connect()
                self._waiting[number] = answer
                lines.send(encode_line(Asked(number, request)))
                said = await answer
        except TimeoutError as error:
            raise unreachable(self._socket, f"no answer within {patience:g} s") from error
        finally:
            self._waiting.pop(number, None)
        if isinstance(said, Failed):
            raise raised(said)
        return said

    async def get(
        self, kind: type[_Answer], request: AnyRequest, *, timeout_s: float | None = None
    ) -> _Answer:
        """Ask for an answer of one kind. Raises as `ask` does."""
        said = await self.ask(request, timeout_s=timeout_s)
        if not isinstance(said, kind):
            raise unreachable(self._socket, f"it answered {type(said).__name__}")
        return said

    async def subscribe(self) -> AsyncIterator[Happened]:
        """Yield what happens from now on, on a connection of its own. Raises `Unreachable` when that ends."""
        queue: asyncio.Queue[Happened | None] = asyncio.Queue()
        opened = asyncio.Event()

        def take(lines: Lines, line: bytes) -> None:
            answer = decode_answered(line).answer
            opened.set()
            if isinstance(answer, Happened):
                queue.put_nowait(answer)
            if queue.qsize() > _MOST_WAITING:
                lines.close()

        lines = await self._open(Lines(take, lambda _: queue.put_nowait(None)))
        try:
            lines.send(encode_line(Asked(0, Subscribe())))
            while (happened := await queue.get()) is not None:
                yield happened
            raise unreachable(self._socket, "the connection was closed")
        finally:
            lines.close()

    async def close(self) -> None:
        """Close the connection. Whoever still waits for an answer gets `Unreachable`."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None
            # Lets the transport finish before its loop may be closed.
            await asyncio.sleep(0)

    async def _connect(self) -> Lines:
        async with self._connecting:
            if self._lines is None:
                self._lines = await self._open(Lines(self._take, self._lost))
            return self._lines

    async def _open(self, lines: Lines) -> Lines:
        made = await connected(self._socket)
        await asyncio.get_running_loop().create_connection(lambda: lines, sock=made)
        return lines

    def _take(self, lines: Lines, line: bytes) -> None:
        try:
            answered = decode_answered(line)
        except msgspec.MsgspecError:
            # Another version, or not the engine at all: nothing it says can be trusted.
            lines.close()
            return
        future = self._waiting.get(answered.number)
        if future is not None and not future.done():
            future.set_result(answered.answer)

    def _lost(self, lines: Lines) -> None:
        if self._lines is not lines and self._lines is not None:
            return
        self._lines = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(unreachable(self._socket, "the connection was lost"))


def raised(failed: Failed) -> WatchkeeperError:
    """Turn a refusal back into the error it was."""
    kind = getattr(errors, failed.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, WatchkeeperError)):
        kind = WatchkeeperError
    return kind(failed.message, place=failed.place, cure=failed.cure)


async def ask_once(socket: Path, request: AnyRequest, *, timeout_s: float = 10.0) -> AnyAnswer:
    """Ask one thing on a connection of its own. Raises as `EngineClient.ask` does."""
    client = EngineClient(socket, timeout_s=timeout_s)
    try:
        return await client.ask(request)
    finally:
        await client.close()


async def reachable(socket: Path, request: AnyRequest, *, timeout_s: float) -> bool:
    """Whether the engine took a request. For what is worth saying and not worth waiting for."""
    with suppress(Unreachable):
        await ask_once(socket, request, timeout_s=timeout_s)
        return True
    return False
