"""Snapshots: what can be brought back, what that would change, and what was brought back."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.web_console.console import Console, View
from bot.web_console.guarding import Visitor
from engine.adapters.machine_time import now_us
from engine.core.vocabulary.facts import SnapshotRestored, decode, tag_of
from engine.core.vocabulary.units import SECOND_US
from engine.ports import DecisionsReader, SnapshotSeen

_RESTORED: Final = 10
_KEPT_US: Final = 60 * SECOND_US
"""How long what a restore would change is shown without looking again: looking reads the whole workspace."""
_KEPT: Final = 8


class Preview(Struct, frozen=True):
    """What a restore would change, as it was found."""

    found: SnapshotSeen
    changes: tuple[str, ...]
    at_us: int


class Previews:
    """What restores would change, looked at once for all who look."""

    def __init__(self, console: Console) -> None:
        """Nobody looked yet."""
        self._console = console
        self._kept: dict[str, Preview] = {}
        self._looking = asyncio.Lock()

    async def of(self, snapshot_id: str) -> Preview:
        """Return what restoring this one would change. Raises as `Shelf.preview`."""
        async with self._looking:
            kept = self._kept.pop(snapshot_id, None)
            if kept is None or now_us() - kept.at_us > _KEPT_US:
                found, changes = await asyncio.to_thread(self._console.tools.shelf.preview, snapshot_id)
                kept = Preview(found, changes, now_us())
            self._kept[snapshot_id] = kept
            while len(self._kept) > _KEPT:
                self._kept.pop(next(iter(self._kept)))
            return kept


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter()
    previews = Previews(console)

    @router.get("/snapshots")
    async def several(request: Request, visitor: Visitor) -> Response:
        async def gather() -> Mapping[str, Any]:
            found, restored = await asyncio.gather(
                asyncio.to_thread(console.tools.shelf.list), console.tools.look(_restored)
            )
            return {"found": found, "restored": restored}

        return await console.page(request, visitor, View("snapshots.html.j2", "Snapshots", gather))

    @router.get("/snapshots/{snapshot_id}")
    async def one(request: Request, visitor: Visitor, snapshot_id: str) -> Response:
        async def gather() -> Mapping[str, Any]:
            preview = await previews.of(snapshot_id[:100])
            return {"preview": preview, "title": f"Snapshot {preview.found.snapshot_id}"}

        return await console.page(request, visitor, View("snapshot.html.j2", "Snapshot", gather))

    return router


def _restored(journal: DecisionsReader) -> list[tuple[int, SnapshotRestored]]:
    page = journal.facts(tag_of(SnapshotRestored), most=_RESTORED)
    read = ((record.seq, decode(record.body)) for record in page.records)
    return [(seq, fact) for seq, fact in read if isinstance(fact, SnapshotRestored)]
