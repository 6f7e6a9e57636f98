"""The server: the engine's socket. Reads requests, has the live engine answer, in any order."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import WatchkeeperError
from engine.runtime.live import Live
from engine.runtime.sockets import Lines, bound
from engine.runtime.wire import (
    Answered,
    AnyAnswer,
    Asked,
    Done,
    Failed,
    Happened,
    Subscribe,
    decode_asked,
    encode_line,
)

# A subscriber that reads nothing is let go before it fills the engine's memory; it may come back.
_MOST_UNREAD_BYTES: Final = 16 << 20


class EngineServer:
    """Listens on one socket until it is closed."""

    def __init__(self, live: Live, socket: Path) -> None:
        """Nothing listens yet."""
        self._live, self._socket = live, socket
        self._server: asyncio.Server | None = None
        self._lines: set[Lines] = set()
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to listen."""
        listening = bound(self._socket)
        self._server = await asyncio.get_running_loop().create_unix_server(self._connect, sock=listening)

    async def close(self) -> None:
        """Stop listening, let what is being answered come to its end, and close every connection."""
        if self._server is not None:
            self._server.close()
        self._socket.unlink(missing_ok=True)
        long_ones = [task for task in self._answering if task.get_name() == "lease"]
        for task in long_ones:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering, timeout=5)
        for lines in list(self._lines):
            lines.close()
        await asyncio.sleep(0)

    def _connect(self) -> Lines:
        lines = Lines(self._take, self._lines.discard)
        self._lines.add(lines)
        return lines

    def _take(self, lines: Lines, line: bytes) -> None:
        try:
            asked = decode_asked(line)
        except (msgspec.MsgspecError, ValueError) as wrong:
            # Without a number nothing can be answered to it in particular.
            lines.send(encode_line(Answered(0, Failed(kind="InputError", message=str(wrong)))))
            return
        if isinstance(asked.request, Subscribe):
            self._subscribe(lines, asked.number)
            return
        task = asyncio.get_running_loop().create_task(self._answer(lines, asked))
        if type(asked.request).__name__ in {"Lease", "RequestPreview", "TakeNotifications"}:
            task.set_name("lease")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, lines: Lines, asked: Asked) -> None:
        answer: AnyAnswer
        try:
            answer = await self._live.answer(asked.request)
        except WatchkeeperError as refused:
            answer = failed(refused)
        lines.send(encode_line(Answered(asked.number, answer)))

    def _subscribe(self, lines: Lines, number: int) -> None:
        def hear(happened: Happened) -> None:
            if lines not in self._lines or lines.waiting_bytes > _MOST_UNREAD_BYTES:
                end()
                lines.close()
                return
            lines.send(encode_line(Answered(number, happened)))

        end = self._live.subscribe(hear)
        lines.send(encode_line(Answered(number, Done())))


def failed(error: WatchkeeperError) -> Failed:
    """Put a refusal into words for the wire."""
    return Failed(kind=type(error).__name__, message=error.message, place=error.place, cure=error.cure)
