"""Proof of the journal: records for a browser that recomputes the chain, a check of ours, and an export."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from bot.http_api.problems import Problem
from bot.web_console.console import Console, View
from bot.web_console.guarding import HEADERS, Visitor
from engine.adapters.journal_chain import broken
from engine.adapters.journal_export import export_line
from engine.adapters.machine_time import now_us
from engine.core.vocabulary.chain import Record, hashed_bytes
from engine.core.vocabulary.units import SECOND_US
from engine.errors import ChainBroken, WatchkeeperError
from engine.ports import DecisionsReader

_PAGE: Final = "/journal/verify"
_PIECE_BYTES: Final = 1 << 20
"""How much of the journal is in memory at once, for each browser that verifies or downloads."""
_PIECE_RECORDS: Final = 20_000
_HASH_BYTES: Final = 32
_MOST: Final = 2**62


class Checked(Struct, frozen=True):
    """How the check on the server stands."""

    state: Literal["never", "running", "ok", "broken", "failed"] = "never"
    by: str = ""
    began_us: int = 0
    seconds: float = 0.0
    said: str = ""
    """What was found: the head, or the first record that does not fit."""


class Check:
    """The check of the whole journal that people begin here: one at a time."""

    def __init__(self, console: Console) -> None:
        """Nothing was checked yet."""
        self._console = console
        self.now = Checked()

    def begin(self, by: str) -> None:
        """Begin it, unless one is under way: that one will do."""
        if self.now.state == "running":
            return
        self.now = Checked("running", by, now_us())
        self._console.front.behind(self._run())

    async def _run(self) -> None:
        began = self.now
        state: Literal["ok", "broken", "failed"] = "failed"
        said = "it was cut short"
        try:
            head = await asyncio.to_thread(self._console.front.journal().verify)
            state, said = "ok", f"{head.seq:,} records, head {head}"
        except ChainBroken as error:
            state, said = "broken", str(error)
        except WatchkeeperError as error:
            said = str(error)
        finally:
            seconds = (now_us() - began.began_us) / SECOND_US
            self.now = Checked(state, began.by, began.began_us, seconds, said)


def routes(console: Console) -> APIRouter:
    """Make the routes. They stand before those of single records."""
    router = APIRouter()
    check = Check(console)

    @router.get(_PAGE)
    async def verify(request: Request, visitor: Visitor) -> Response:
        async def gather() -> Mapping[str, Any]:
            return {"head": console.front.journal().head(), "check": check.now}

        return await console.page(request, visitor, View("verify.html.j2", "Verify the journal", gather))

    @router.post("/console/journal/check")
    async def begin(visitor: Visitor) -> Response:
        check.begin(visitor.name)
        return RedirectResponse(_PAGE, 303, HEADERS)

    @router.get("/console/journal/records")
    async def records(
        visitor: Visitor,  # noqa: ARG001 - whoever is logged in
        after: Annotated[int, Query(ge=0, le=_MOST)] = 0,
    ) -> Response:
        try:
            body, last, head = await console.tools.look(lambda journal: _framed(journal, after))
        except ChainBroken as error:
            # Our script tells it apart from a journal that cannot be read just now.
            told = {"X-Journal-Broken": "yes"}
            raise Problem("journal", error.message, cure=error.cure or "", headers=told) from error
        seen = {"X-Journal-Last": str(last), "X-Journal-Head": str(head)}
        return Response(body, 200, HEADERS | seen, media_type="application/octet-stream")

    @router.get("/console/journal/export")
    async def export(visitor: Visitor) -> Response:  # noqa: ARG001 - whoever is logged in
        head = console.front.journal().head().seq
        named = {"Content-Disposition": f'attachment; filename="journal-{head}.jsonl"'}
        return StreamingResponse(
            _exported(console, head), media_type="application/x-ndjson", headers=HEADERS | named
        )

    return router


def _framed(journal: DecisionsReader, after: int) -> tuple[bytes, int, int]:
    """Return records behind one as a browser takes them, the last of them, and the head.

    For each: the number of bytes that are hashed (4 bytes), these bytes, and the hash that is stored.
    """
    head = journal.head().seq
    body, last = bytearray(), after
    for record in journal.read(after=after, until=min(after + _PIECE_RECORDS, head)):
        hashed = _hashed(record)
        body += len(hashed).to_bytes(4) + hashed + record.hash
        last = record.seq
        if len(body) >= _PIECE_BYTES:
            break
    return bytes(body), last, head


def _hashed(record: Record) -> bytes:
    """Return the bytes a record's hash is of. Raises `ChainBroken` when its fields are none of ours."""
    try:
        if len(record.prev) == len(record.hash) == _HASH_BYTES:
            return hashed_bytes(record.prev, record.seq, record.key, record.body)
    except (TypeError, AttributeError, UnicodeEncodeError, OverflowError):
        pass
    raise broken(f"a field of record {record.seq} was altered beyond reading", None)


async def _exported(console: Console, head: int) -> AsyncIterator[bytes]:
    """Give the journal up to a record in lines of JSON, piece by piece: the next when the last was taken."""
    last = 0

    def piece(journal: DecisionsReader) -> tuple[bytes, int]:
        body, reached = bytearray(), last
        for record in journal.read(after=last, until=head):
            body += export_line(record) + b"\n"
            reached = record.seq
            if len(body) >= _PIECE_BYTES:
                break
        return bytes(body), reached

    while last < head:
        body, last = await console.tools.look(piece)
        yield body
