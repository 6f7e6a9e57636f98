"""Journal: every record, the newest first, and a page for each with what proves it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Path, Query
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from bot.web_console.console import Console, View
from bot.web_console.guarding import HEADERS, Visitor
from engine.core.vocabulary.chain import Record, hashed_bytes, link
from engine.core.vocabulary.facts import FACT_TYPES
from engine.ports import DecisionsReader

_PAGE: Final = 50
_FIELDS: Final = 400
"""How many fields of one record a page shows."""
_DUMPED: Final = 512
"""How many of the hashed bytes a page shows one by one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST: Final = 2**62

Number = Annotated[int, Path(ge=1, le=_MOST)]


class Asked(BaseModel):
    """Which records are asked for; empty takes all."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, str_max_length=100)

    fact: str = ""
    at: str = ""
    """A record's number, or a time: begin there."""
    before: Annotated[int, Field(ge=0, le=_MOST)] = 0
    """Where the page before ended; 0 begins with the newest."""


class Row(Struct, frozen=True):
    """One record in the list."""

    seq: int
    fact: str
    at_us: int | None
    """`None` where the record says no time that can be read."""
    key: str
    rest: str
    """What else it says, in JSON."""


class Shown(Struct, frozen=True):
    """One value somewhere in a record."""

    name: str
    """The way to it, such as `verdict.waits[0].kind`."""
    text: str
    at_us: int | None = None
    """Set for a moment."""


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/journal")
    async def several(request: Request, visitor: Visitor, asked: Annotated[Asked, Query()]) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await _several(console, asked)

        return await console.page(request, visitor, View("journal.html.j2", "Journal", gather))

    @router.get("/journal/{seq}")
    async def one(request: Request, visitor: Visitor, seq: Number) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await console.tools.look(lambda journal: _one(journal, seq))

        return await console.page(request, visitor, View("record.html.j2", f"Record {seq:,}", gather))

    @router.get("/journal/{seq}/raw")
    async def raw(visitor: Visitor, seq: Number) -> Response:  # noqa: ARG001 - whoever is logged in
        record = await console.tools.look(lambda journal: _found(journal, seq))
        named = {"Content-Disposition": f'attachment; filename="record-{seq}.json"'}
        return Response(record.body, 200, HEADERS | named, media_type="application/octet-stream")

    return router


# ---------------------------------------------------------------- the list


async def _several(console: Console, asked: Asked) -> Mapping[str, Any]:
    at_us, number = _place_of(asked.at)

    def look(journal: DecisionsReader) -> tuple[list[Record], int | None, int]:
        head = journal.head().seq
        top = min(asked.before or head + 1, head + 1)
        if not asked.before and number is not None:
            top = min(number, head) + 1
        elif not asked.before and at_us is not None:
            top = journal.first_at(at_us + 1)
        if asked.fact:
            page = journal.facts(asked.fact, before=top, most=_PAGE)
            return list(page.records), page.before, head
        bottom = max(top - _PAGE, 1)
        records = list(journal.read(after=bottom - 1, until=top - 1)) if top > 1 else []
        return records[::-1], bottom if bottom > 1 else None, head

    found, older, head = await console.tools.look(look)
    query = urlencode({"fact": asked.fact}) + "&" if asked.fact else ""
    return {
        "found": [_row(record) for record in found],
        "before": older,
        "asked": asked,
        "query": query,
        "kinds": sorted(FACT_TYPES),
        "head": head,
    }


def _place_of(text: str) -> tuple[int | None, int | None]:
    """Read where to begin: `(time in µs, None)` or `(None, record)`, or neither for nothing given.

    >>> _place_of("4,711"), _place_of("1970-01-01 00:01"), _place_of("")
    ((None, 4711), (60000000, None), (None, None))
    """
    if not text:
        return None, None
    digits = text.replace(",", "").replace(" ", "")
    if digits.isascii() and digits.isdecimal() and len(digits) <= 18:
        return None, max(int(digits), 1)
    try:
        moment = datetime.fromisoformat(text.upper())
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1), None
    except (ValueError, OverflowError) as wrong:
        raise Problem(
            "invalid",
            f"{text!r} is neither a record nor a time",
            cure="give a record's number, or a time such as 2026-11-27 14:00 (UTC unless it says otherwise)",
        ) from wrong


def _row(record: Record) -> Row:
    tree = _tree(record)
    fact, at_us = tree.pop("fact", "-"), tree.pop("at_us", None)
    return Row(
        seq=record.seq,
        fact=str(fact),
        at_us=at_us if isinstance(at_us, int) and 0 <= at_us < _LATEST_US else None,
        key=record.key,
        rest=msgspec.json.encode(tree).decode(),
    )


def _tree(record: Record) -> dict[str, Any]:
    try:
        return msgspec.json.decode(record.body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        # It was altered: the page shows what is there, and whoever verifies finds it.
        return {"damaged": record.body.decode(errors="replace")}


# ---------------------------------------------------------------- one record


def _found(journal: DecisionsReader, seq: int) -> Record:
    record = next(journal.read(after=seq - 1, until=seq), None)
    if record is None or record.seq != seq:
        raise Problem("not-found", f"there is no record {seq:,}", cure="the newest is on the page Journal")
    return record


def _one(journal: DecisionsReader, seq: int) -> Mapping[str, Any]:
    record, head = _found(journal, seq), journal.head().seq
    before = next(journal.read(after=seq - 2, until=seq - 1), None) if seq > 1 else None
    tree = _tree(record)
    fields = list(_flat(tree))
    hashed = hashed_bytes(record.prev, record.seq, record.key, record.body)
    return {
        "title": f"Record {seq:,}: {tree.get('fact', '-')}"[:120],
        "row": _row(record),
        "fields": fields[:_FIELDS],
        "more": len(fields) - _FIELDS,
        "decision": _decision_in(tree),
        "raw": record.body.decode(errors="replace"),
        "size": len(record.body),
        "hash": record.hash.hex(),
        "prev": record.prev.hex(),
        "fits": link(record.prev, record.seq, record.key, record.body) == record.hash,
        "follows": record.prev == (before.hash if before is not None else bytes(32)),
        "dump": list(_dumped(hashed[:_DUMPED])),
        "hashed": len(hashed),
        "older": seq - 1 if seq > 1 else None,
        "newer": seq + 1 if seq < head else None,
    }


_LATEST_US: Final = 253_402_300_800_000_000
"""The year 10,000: what is later cannot be written as a date."""
_EARLIEST_US: Final = 946_684_800_000_000
"""The year 2000: a number of microseconds below it is a span, not a moment."""


def _flat(tree: object, name: str = "") -> Iterator[Shown]:
    """Walk a record's values in their order, each with the way to it.

    >>> [(each.name, each.text) for each in _flat({"a": {"b": [1, True]}, "c": {}})]
    [('a.b[0]', '1'), ('a.b[1]', 'true'), ('c', '{}')]
    """
    waiting: list[tuple[str, object]] = [(name, tree)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, Mapping) and value:
            dotted = f"{place}." if place else ""
            waiting += [(f"{dotted}{key}", inner) for key, inner in reversed(list(value.items()))]
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            waiting += [(f"{place}[{nth}]", inner) for nth, inner in reversed(list(enumerate(value)))]
        else:
            is_moment = (
                place.endswith("_us") and isinstance(value, int) and _EARLIEST_US <= value < _LATEST_US
            )
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            yield Shown(place, text, value if is_moment and isinstance(value, int) else None)


def _decision_in(tree: Mapping[str, Any]) -> str | None:
    """Return the decision a record is about, if it names one."""
    verdict = tree.get("verdict")
    named = verdict.get("decision_id") if isinstance(verdict, Mapping) else tree.get("decision_id")
    return named if isinstance(named, str) and named.startswith("d_") else None


def _dumped(body: bytes) -> Iterator[str]:
    """Write bytes as people who look at bytes want them.

    >>> list(_dumped(b"\\0Hi"))
    ['0000  00 48 69                                         .Hi']
    """
    for at in range(0, len(body), 16):
        piece = body[at : at + 16]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        yield f"{at:04x}  {piece.hex(' '):<47}  {letters}"
