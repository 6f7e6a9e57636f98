"""Routes of links that answer: a page that shows an escalation, and its buttons. The link is all it takes.

Looking changes nothing, for previews, mail scanners and browsers look at links that nobody pressed. Only a
POST answers: a button of the page, or an action of a push that was pressed on a phone's lock screen.
"""

from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.door import Rate
from bot.http_api.front import Front
from bot.http_api.link_page import Button, Page, html_answer
from bot.http_api.problems import RETRY_S, Problem
from engine.adapters.link_tokens import PREFIX, Bearer, LinkTokens
from engine.adapters.machine_time import now_us
from engine.adapters.outage_notes import OUTAGE, OutageAnswer, OutageNotes
from engine.adapters.rotations import wall
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import DecisionId, PersonId
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import InputError, Unreachable, WatchkeeperError
from engine.ports import Stop
from engine.runtime import wire_escalations as wire
from engine.runtime.wire import AnswerHold, HoldAnswer
from notifiers.plain_words import time_left

VIA: Final = "link"
SNOOZE_US: Final = 15 * MINUTE_US
_LONGEST_FORM: Final = 4096
_BAD_PER_S: Final = 10
"""How many links that are none are looked at in a second, of all that come."""
_PER_S: Final = 5
"""How many requests of one person's links are answered in a second."""
_HAVE: Final = Button(word="acknowledge", label="I have it")
_TAKE: Final = Button(word="take", label="I take it over")
_LATER: Final = Button(word="snooze", label=f"Remind me in {SNOOZE_US // MINUTE_US} min")
_NEXT: Final = Button(word="pass", label="Wake the next person")
_DENY: Final = Button(word="deny", label="Deny")
_APPROVE: Final = Button(word="approve", label="Approve")
_STOP: Final = Button(word="stop", label="Stop everything")
_BACK: Final = Button(word="look", label="No, go back")
_SURE: Final = {
    "approve": ("Approve it?", Button(word="approve-sure", label="Yes, approve")),
    "stop": ("Stop all autonomy?", Button(word="stop-sure", label="Yes, stop everything")),
}
"""What a thumb must not do by accident is asked for twice."""
_SAID: Final[dict[str, wire.EscalationWord]] = {
    "acknowledge": "acknowledge", "take": "take", "snooze": "snooze", "pass": "pass",
}  # fmt: skip
_WORDS: Final = {*_SAID, *_SURE, "deny", "approve-sure", "stop-sure", "look"}

Token = Annotated[str, Path(max_length=2_000)]


class Links(Struct, frozen=True, kw_only=True):
    """What the routes work with."""

    tokens: LinkTokens
    outages: OutageNotes
    public_url: str
    """Where people reach us from outside."""


def routes(front: Front, links: Links) -> APIRouter:
    """Make the routes. They are no part of the API's own document: only people with a link call them."""
    router = APIRouter(prefix=PREFIX.rstrip("/"), include_in_schema=False)
    desk = _Desk(front, links)

    @router.api_route("/{token}", methods=["GET", "HEAD"])
    async def look(token: Token) -> Response:
        bearer = desk.borne(token)
        if isinstance(bearer, Response):
            return bearer
        return await desk.look(bearer)

    @router.post("/{token}")
    async def answer(token: Token, request: Request) -> Response:
        bearer = desk.borne(token)
        if isinstance(bearer, Response):
            return bearer
        word = await _word(request)
        if word is None:
            return html_answer(_refused("There is no such answer. Open the link again."), 400)
        if bearer.escalation_id.startswith(OUTAGE) and word == "acknowledge":
            return desk.have_outage(bearer)
        return await desk.say(bearer, word)

    return router


class _Desk:
    """What is done for whoever bears a link."""

    def __init__(self, front: Front, links: Links) -> None:
        self._front, self._links = front, links
        self._rate, self._bad = Rate(_PER_S), Rate(_BAD_PER_S)

    def borne(self, token: str) -> Bearer | Response:
        """Return what a link stands for, or the page that says why it answers nothing."""
        try:
            bearer = self._links.tokens.bearer_of(token)
        except WatchkeeperError as error:
            return html_answer(_refused(f"Links cannot be read: {error.message}."), 503)
        taken = self._bad.take(("", "")) if bearer is None else self._rate.take(("person", bearer.person))
        if taken > 0:
            return html_answer(_refused("Too many requests. Wait a second."), 429, retry_s=1)
        if bearer is None:
            return html_answer(_refused("This link is not one of ours, or not whole.", _ANEW), 404)
        if self._links.tokens.is_over(bearer):
            return html_answer(_refused("The time of this link is over.", _ANEW), 410)
        return bearer

    # ------------------------------------------------------------ an escalation

    async def look(self, bearer: Bearer) -> Response:
        """Show how it stands."""
        if bearer.escalation_id.startswith(OUTAGE):
            return html_answer(self.outage_page(bearer))
        try:
            known, answerable = await self._find(bearer)
        except Unreachable:
            return html_answer(_away(bearer, ""), 503, retry_s=RETRY_S)
        except WatchkeeperError as error:
            return html_answer(_refused(error.message), 503)
        return html_answer(self._shown(bearer, known, answerable=answerable))

    async def say(self, bearer: Bearer, word: str) -> Response:
        """Take a word, and show how it stands then."""
        if word == "look":
            return await self.look(bearer)
        if word in _SURE:
            return html_answer(_asked(bearer, word))
        try:
            return await (self._stop(bearer) if word == "stop-sure" else self._said(bearer, word))
        except Unreachable:
            return html_answer(_away(bearer, "Nothing was noted. Press again."), 503, retry_s=RETRY_S)
        except (Problem, WatchkeeperError) as error:
            return html_answer(_refused(error.detail if isinstance(error, Problem) else error.message), 409)

    async def _said(self, bearer: Bearer, word: str) -> Response:
        known, answerable = await self._find(bearer)
        if known is None or known.ended is not None:
            return html_answer(self._shown(bearer, known), 409)
        said: wire.EscalationAnswer | HoldAnswer
        if word in _SAID:
            said = await self._answer(bearer, known, _SAID[word])
        elif answerable:
            said = await self._decide(bearer, known, word)
        else:
            # It wants a code, a second person or a vote, or is decided by now.
            raise InputError("It takes more than a link to decide this. Use chat or the terminal.")
        known, answerable = await self._find(bearer)
        page = self._shown(
            bearer, known, answerable=answerable, said=f"{said.reason}.", is_wrong=not said.counted
        )
        return html_answer(page, 200 if said.counted else 409)

    async def _find(self, bearer: Bearer) -> tuple[wire.EscalationShown | None, bool]:
        """Return the escalation, if it is known, and whether a plain word decides what it is about."""
        found = await self._front.ask(wire.GetEscalations(), wire.EscalationList)
        ours = [each for each in found.escalations if each.escalation_id == bearer.escalation_id]
        if not ours:
            return None, False
        sent = await self._front.ask(
            wire.FindNotifications(person=bearer.person, code=ours[0].code), wire.NotificationsGiven
        )
        answerable = any(
            each.answerable and each.escalation.escalation_id == bearer.escalation_id
            for each in sent.notifications
        )
        return ours[0], answerable

    async def _answer(
        self, bearer: Bearer, known: wire.EscalationShown, word: wire.EscalationWord
    ) -> wire.EscalationAnswer:
        asked = wire.AnswerEscalation(
            escalation=known.escalation_id,
            word=word,
            by=bearer.person,
            role=self._role(bearer.person),
            via=VIA,
            for_us=SNOOZE_US if word == "snooze" else None,
        )
        return await self._front.ask(asked, wire.EscalationAnswer)

    async def _decide(self, bearer: Bearer, known: wire.EscalationShown, word: str) -> HoldAnswer:
        asked = AnswerHold(
            decision_id=DecisionId(known.about),
            by=bearer.person,
            role=self._role(bearer.person),
            answer="deny" if word == "deny" else "approve",
            reason="by a link",
        )
        return await self._front.ask(asked, HoldAnswer)

    async def _stop(self, bearer: Bearer) -> Response:
        """Stop all autonomy. Asks nobody who could be dead."""
        if RANKS[self._role(bearer.person)] < RANKS["responder"]:
            return html_answer(_refused(_NOT_YOURS), 409)
        reason = f"by a link, answering {bearer.escalation_id}"
        stop = Stop(scope=Scope("all"), by=bearer.person, reason=reason, at_us=now_us())
        await self._front.stopping.set(stop)
        return html_answer(Page(title="All autonomy is stopped", lines=(_LIFT,), small=_foot(bearer)))

    def _role(self, person: PersonId) -> Role:
        known = self._front.roster.people.get(person)
        return known.role if known is not None else "viewer"

    def _clock(self, person: PersonId, at_us: int) -> str:
        known = self._front.roster.people.get(person)
        zone = known.zone if known is not None else "UTC"
        return f"{wall(zone, at_us):%a %H:%M} ({zone})"

    def _shown(
        self,
        bearer: Bearer,
        known: wire.EscalationShown | None,
        *,
        answerable: bool = False,
        said: str = "",
        is_wrong: bool = False,
    ) -> Page:
        if known is None or known.ended is not None:
            how = "" if known is None else f"It is over: {known.ended}."
            title = "This is over" if known is None else known.summary
            return Page(title=title, said=said or how or "Nobody is needed for it any more.")
        drill = ["This is a drill: nothing is wrong. Answer as if it were."] if known.kind == "drill" else []
        together = [f"{known.count} of these came together."] if known.count > 1 else []
        code = f", code {known.code}" if known.code else ""
        about = f"About {known.about}; raised" if known.about else "Raised"
        return Page(
            title=known.summary,
            kind=f"{known.severity}: {known.kind} {known.escalation_id}{code}",
            is_critical=known.severity == "critical",
            said=said or _holder(bearer, known),
            is_wrong=is_wrong,
            deadline=_deadline(known, self._clock(bearer.person, known.deadline_us or 0)),
            lines=(*drill, *known.evidence, *together, f"{about} by {known.by}."),
            buttons=(*_buttons(bearer, known), *((_DENY, _APPROVE) if answerable else ()), _STOP),
            small=_foot(bearer),
        )

    # ------------------------------------------------------------ the engine itself

    def outage_page(self, bearer: Bearer) -> Page:
        """Show how an outage stands, of which no engine can tell."""
        answered = self._links.outages.answered(bearer.escalation_id)
        if not self._is_standing(bearer):
            return Page(title="The engine answers again", said="Nobody is needed for it any more.")
        return Page(
            title="The engine of Watchkeeper does not answer",
            kind="critical: outage",
            is_critical=True,
            said=f"{answered.by} has it." if answered is not None else "",
            lines=_OUTAGE,
            buttons=(_HAVE, _STOP) if answered is None else (_STOP,),
            small=_foot(bearer),
        )

    def have_outage(self, bearer: Bearer) -> Response:
        """Note it in a file, for the pager: whoever else could be told does not answer."""
        if not self._is_standing(bearer):
            return html_answer(self.outage_page(bearer), 409)
        if RANKS[self._role(bearer.person)] < RANKS["responder"]:
            return html_answer(_refused(_NOT_YOURS), 409)
        given = OutageAnswer(outage_id=bearer.escalation_id, by=bearer.person, at_us=now_us())
        try:
            self._links.outages.answer(given)
        except WatchkeeperError as error:
            return html_answer(_refused(f"It could not be noted: {error.message}."), 503)
        return html_answer(self.outage_page(bearer))

    def _is_standing(self, bearer: Bearer) -> bool:
        standing = self._links.outages.standing()
        return standing is not None and standing.outage_id == bearer.escalation_id


_NOT_YOURS: Final = "Only responders and captains answer. Ask one of these."
_LIFT: Final = "Nothing begins until a captain lifts it: watchkeeper resume, or resume in chat."
_ANEW: Final = (
    "Open the link of a newer message, or answer where you are logged in: ack CODE in chat, or by SMS."
)
_OUTAGE: Final = (
    "Nothing is decided or started while it does not answer, and what was under way may be cut short.",
    "On its machine: watchkeeper status says what there is, watchkeeper up starts it.",
)


async def _word(request: Request) -> str | None:
    """Return the word of a form; `None` for none, or one that is no answer here."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_FORM:
            return None
    try:
        fields = dict(parse_qsl(bytes(body).decode(), max_num_fields=10))
    except (UnicodeDecodeError, ValueError):
        return None
    word = fields.get("word", "")
    return word if word in _WORDS else None


def _holder(bearer: Bearer, known: wire.EscalationShown) -> str:
    if not known.holder or known.stage == "ringing":
        return ""
    return "You have it." if known.holder == bearer.person else f"{known.holder} has it."


def _buttons(bearer: Bearer, known: wire.EscalationShown) -> tuple[Button, ...]:
    match known.stage:
        case "ringing":
            return (_HAVE, _LATER, _NEXT)
        case "cleared" | "ended":
            return ()
        case _ if known.holder != bearer.person:
            return (_TAKE,)
        case "asked":
            return (_HAVE, _LATER)
        case _:
            return (_LATER,)


def _deadline(known: wire.EscalationShown, at: str) -> str:
    if known.deadline_us is None:
        return ""
    then, at_us = known.then or "it ends", now_us()
    if known.deadline_us <= at_us:
        return f"Since {at}: {then}."
    return f"At {at}, in {time_left(at_us, known.deadline_us)}: {then}."


def _foot(bearer: Bearer) -> str:
    return f"Whoever has this page answers as {bearer.person}. Pass it on to nobody."


def _away(bearer: Bearer, said: str) -> Page:
    return Page(
        title="Somebody is needed, and the engine does not answer",
        said=said,
        is_wrong=True,
        lines=("It is being started again. If that takes longer than a minute: watchkeeper status.",),
        buttons=(_HAVE, _STOP),
        small=_foot(bearer),
    )


def _asked(bearer: Bearer, word: str) -> Page:
    title, yes = _SURE[word]
    return Page(title=title, buttons=(yes, _BACK), small=_foot(bearer))


def _refused(why: str, cure: str = "") -> Page:
    return Page(title=why, lines=(cure,) if cure else ())
