"""Decisions: the stream of them, searched by words and by who wanted what when."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from bot.web_console import decision_page
from bot.web_console.console import Console, View
from bot.web_console.guarding import Visitor
from engine.adapters.decision_index import DecisionIndex, Found, Known
from engine.commands.standing import Standing, proposal_of, standing_from
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.core.vocabulary.units import SECOND_US
from engine.errors import JournalError, StorageError, WatchkeeperError
from engine.ports import DecisionFilter, DecisionsReader

_PAGE: Final = 50
_CLOSE: Final = 500
"""How many records the index may be behind before a list is taken from the journal itself."""
_BREATH_S: Final = 0.05
_REST_S: Final = 1.0
_WRONG_S: Final = 20.0
_log = logging.getLogger("watchkeeper.front")


class Asked(BaseModel):
    """Which decisions are asked for; empty takes all."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, str_max_length=200)

    text: str = ""
    word: Literal["", "allow", "hold", "deny"] = ""
    agent: str = ""
    capability: str = ""
    action: str = ""
    since: datetime | None = None
    """UTC where no zone is said."""
    until: datetime | None = None
    before: Annotated[int, Field(ge=0, lt=1 << 62)] = 0
    """Where the page before ended; 0 begins with the newest."""

    @field_validator("since", "until", mode="before")
    @classmethod
    def _no_time(cls, given: Any) -> Any:
        # A field that was left empty is sent all the same.
        return None if isinstance(given, str) and not given.strip() else given

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, given: datetime | None) -> datetime | None:
        try:
            return given.astimezone(UTC) if given is not None and given.tzinfo is not None else given
        except OverflowError as wrong:
            raise ValueError("in UTC, that is no year of ours") from wrong

    def filter(self) -> DecisionFilter:
        """Return it as the journal takes it."""
        return DecisionFilter(
            word=self.word or None,
            agent=AgentId(self.agent) if self.agent else None,
            capability=CapabilityId(self.capability) if self.capability else None,
            action=ActionName(self.action) if self.action else None,
            since_us=_us(self.since),
            until_us=_us(self.until),
        )

    def fields(self) -> dict[str, str]:
        """Return what was given, as the form and addresses have it."""
        given = self.model_dump(exclude={"before"})
        return {
            name: _local(value) if isinstance(value, datetime) else str(value)
            for name, value in given.items()
            if value
        }


class Listed(Struct, frozen=True, kw_only=True):
    """One decision of the list."""

    standing: Standing
    rationale: str
    """What its agent says; empty where it says nothing."""


class Stream(Struct, frozen=True, kw_only=True):
    """One page of the list."""

    found: tuple[Listed, ...] = ()
    before: int | None = None
    """Where the next page begins; `None` when there is none."""
    behind: int = 0
    """How many records were not searched yet."""
    wrong: str = ""
    """Why words cannot be searched now; empty where they can."""


def routes(console: Console, index: DecisionIndex) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/decisions")
    async def several(request: Request, visitor: Visitor, asked: Annotated[Asked, Query()]) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await _several(console, index, asked)

        return await console.page(request, visitor, View("decisions.html.j2", "Decisions", gather))

    @router.get("/decisions/{decision_id}")
    async def one(request: Request, visitor: Visitor, decision_id: str) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await decision_page.gathered(console, visitor, decision_id)

        return await console.page(request, visitor, View("decision.html.j2", decision_id, gather))

    return router


async def stream_of(console: Console, index: DecisionIndex, asked: Asked, *, most: int = _PAGE) -> Stream:
    """Find one page of decisions: through the index, and where that is not there yet, in the journal."""
    return await console.tools.look(lambda journal: _stream(journal, index, asked, most))


async def keep_up(console: Console, index: DecisionIndex) -> None:
    """Read into the index what happens, so that whoever searches need not wait. Ends when it is cancelled."""
    hearing = console.front.hearing
    with hearing.about_all() as flag:
        while True:
            pause_s = _REST_S
            try:
                if await console.tools.look(index.keep_up):
                    pause_s = _BREATH_S
            except WatchkeeperError as error:
                # Whoever searches is told the same.
                _log.info("the index of decisions is not kept up now: %s", error)
                pause_s = _WRONG_S
            await asyncio.sleep(pause_s)
            if pause_s == _REST_S:
                await hearing.wait(flag)


async def _several(console: Console, index: DecisionIndex, asked: Asked) -> Mapping[str, Any]:
    stream = await stream_of(console, index, asked)
    try:
        known = await console.tools.look(lambda _journal: index.known())
    except WatchkeeperError:
        known = Known()
    given = asked.fields()
    return {
        "stream": stream,
        "asked": asked,
        "given": given,
        "known": known,
        "query": urlencode(given) + "&" if given else "",
        "begun": urlencode(given),
    }


def _stream(journal: DecisionsReader, index: DecisionIndex, asked: Asked, most: int) -> Stream:
    found: Found | None = None
    wrong, behind = "", 0
    wanted, before = asked.filter(), asked.before or None
    try:
        found = index.search(journal, asked.text, wanted, before=before, most=most)
        behind = found.behind
    except (StorageError, JournalError) as error:
        wrong = error.message
    # What is rare may be anywhere: without the index that is a walk through the whole journal.
    is_narrow = bool(asked.text) or (found is not None and wanted != DecisionFilter())
    if is_narrow or (found is not None and behind <= _CLOSE):
        if found is None:
            return Stream(wrong=wrong)
        records = [record for seq in found.seqs for record in journal.read(after=seq - 1, until=seq)]
        older = found.before
    else:
        page = journal.decisions(wanted, before=before, most=most)
        records, older, behind = list(page.records), page.before, 0
    standings = [each for record in records if (each := standing_from(journal, record)) is not None]
    return Stream(
        found=tuple(Listed(standing=each, rationale=_rationale(journal, each)) for each in standings),
        before=older,
        behind=behind if behind > _CLOSE else 0,
        wrong=wrong if asked.text else "",
    )


def _rationale(journal: DecisionsReader, standing: Standing) -> str:
    proposal = proposal_of(journal, standing.verdict.proposal_id)
    return proposal.rationale if proposal is not None else ""


def _us(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * SECOND_US)


def _local(moment: datetime) -> str:
    """Write a time as the field that asks for it takes it, in UTC."""
    whole = moment.astimezone(UTC) if moment.tzinfo else moment
    return whole.replace(tzinfo=None, microsecond=0).isoformat(timespec="minutes")
