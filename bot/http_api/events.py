"""Events from outside: who comes in here has no token of ours, but signs with a source's secret."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Final

import httpx
from fastapi import APIRouter, Path
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.events.acting import Engine, act, wanted
from bot.events.asking import Question
from bot.events.reading import read
from bot.events.signatures import signed
from bot.http_api import answers
from bot.http_api.problems import Problem
from engine.adapters.events_seen import EventsSeen
from engine.adapters.machine_time import now_us
from engine.errors import InputError, WatchkeeperError
from engine.settings.events import EventsFile

PREFIX: Final = "/v1/events/"
_MOST_PER_S: Final = 200
"""Of one source: what is more is told to come again."""
_log = logging.getLogger("watchkeeper.events")
_Source = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class EventsTaken(Struct, frozen=True, kw_only=True):
    """What became of what was sent."""

    events: int
    known: int
    """How many of them were taken before, and did nothing now."""
    rules: tuple[str, ...]
    """The rules that fitted, in order."""
    unreadable: tuple[str, ...]
    """Those of them that the event lacked something for: somebody is woken instead."""
    decisions: tuple[str, ...]


class Events:
    """What may come in, what Prometheus is asked, and what is done about it."""

    def __init__(
        self, file: EventsFile, secrets: Callable[[str], Sequence[str]], engine: Engine, seen: EventsSeen
    ) -> None:
        """`secrets` gives those of a source, read each time: a changed one counts at once."""
        self.file, self.secrets, self.engine, self.seen = file, secrets, engine, seen
        self.second, self.taken = 0, dict[str, int]()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask Prometheus while the server runs."""
        async with httpx.AsyncClient(trust_env=False) as client:
            questions = [
                Question(name, section, self.engine, client) for name, section in self.file.queries.items()
            ]
            tasks = [asyncio.create_task(_keep_asking(question)) for question in questions]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.seen.close()


def routes(events: Events) -> APIRouter:
    """Make the route. It is not in the API's document: it takes what others' systems send."""
    router = APIRouter(include_in_schema=False)

    @router.post(f"{PREFIX}{{source}}")
    async def take(request: Request, source: _Source) -> Response:
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        section, valid = events.file.sources.get(source), None
        if section is not None:
            try:
                secrets = await asyncio.to_thread(events.secrets, source)
            except WatchkeeperError as missing:
                _log.error("%s: %s", source, missing)
                raise _refused() from None
            valid = signed(section, secrets, headers, body, time.time())
        if section is None or valid is None:
            # The same for who is not known and who is not believed.
            raise _refused()
        _not_too_many(events, source)
        if section.scheme != "bearer" and "ce-specversion" in headers:
            # Whoever caught one signed body could write any attributes around it.
            raise Problem(
                "invalid",
                f"{section.scheme} signs the body, and a CloudEvent in binary mode is known by its headers",
                cure="send it in structured mode, or have the source use `scheme: bearer` over TLS",
            )
        try:
            found = read(
                headers, body, signed_id=valid.event_id, id_at=section.id, id_header=section.id_header
            )
        except InputError as wrong:
            _log.warning("%s sent what is no event: %s", source, wrong)
            raise Problem("invalid", str(wrong), cure="see `watchkeeper events try`") from wrong
        ids = [event.event_id for event in found]
        new = await asyncio.to_thread(events.seen.new, source, ids)
        asked = [
            each
            for event in found
            if event.event_id in new
            for each in wanted(source, section.trust, events.file.rules, event, now_us())
        ]
        decisions = await act(events.engine, asked)
        # Only now: what was asked half-way is asked again when the event comes again.
        await asyncio.to_thread(events.seen.note, source, ids, now_us())
        return answers.answer(
            EventsTaken(
                events=len(found),
                known=len(set(ids) - new),
                rules=tuple(dict.fromkeys(each.rule for each in asked)),
                unreadable=tuple(dict.fromkeys(each.rule for each in asked if each.what == "unreadable")),
                decisions=tuple(decisions),
            )
        )

    return router


def _refused() -> Problem:
    return Problem(
        "unauthorised",
        "no such source, or no valid signature of it now",
        cure="see the source in events.yaml, its secret, and the clocks; docs/howto/events.md",
    )


def _not_too_many(events: Events, source: str) -> None:
    now_s = int(time.monotonic())
    if now_s != events.second:
        events.second, events.taken = now_s, {}
    events.taken[source] = events.taken.get(source, 0) + 1
    if events.taken[source] > _MOST_PER_S:
        raise Problem(
            "too-many",
            f"more than {_MOST_PER_S} requests of {source} in a second",
            cure="send them again later, or in batches",
            headers={"Retry-After": "1"},
        )


async def _keep_asking(question: Question) -> None:
    """Ask a question every so often, for as long as the front runs."""
    while True:
        began = time.monotonic()
        await question.ask(now_us())
        await asyncio.sleep(max(0.1, question.section.every_s - (time.monotonic() - began)))
