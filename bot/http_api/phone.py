"""Routes for Twilio: what a call says, which keys were pressed, how it went, and answers by SMS.

Nobody gets in here with a token of ours: each request is signed by Twilio, over an address that we make from
what is configured and never from what the request says of itself. Whatever is not signed does nothing.
"""

import asyncio
import logging
from collections import OrderedDict, defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal, Protocol
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from engine.core.vocabulary.ids import NotificationId, PersonId
from engine.errors import WatchkeeperError
from notifiers import twiml, voice_menu
from notifiers.channel import Message, Report, Word
from notifiers.plain_words import harmless
from notifiers.short_text import WORDS, Reply, how_to_answer, read_reply
from notifiers.twilio_callbacks import PREFIX, SIGNATURE, SMS_PATH, is_path_key, is_signed
from notifiers.twilio_errors import why_failed
from notifiers.twiml import Voice

MOST_FORM_BYTES: Final = 32 << 10
"""Twilio's forms are a tenth of this, also with an SMS of 1,600 letters."""
_MOST_FIELDS: Final = 200
_MOST_REMEMBERED: Final = 4096
_MOST_TRIES: Final = 5
_AGAIN_AFTER_S: Final = 3
_LONGEST_SMS: Final = 300
_MOST_GUESSES: Final = 10
_GUESSES_IN_S: Final = 600.0
"""Ten codes in ten minutes leave whoever guesses among 9,000 one chance in a hundred in a night."""

_log = logging.getLogger("watchkeeper.phone")

Form = dict[str, str]
Key = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class PhoneDesk(Protocol):
    """What calls and SMS do with the engine."""

    async def message(self, notification_id: NotificationId) -> Message | None:
        """Return what somebody is called for; `None` when there is no such, or it is over.

        Raises `WatchkeeperError`, `Unreachable` for one, when nobody can say.
        """

    async def by_code(self, code: str, person: PersonId) -> Message | None:
        """Return the newest that somebody was sent about the open escalation of a code; `None` without one.

        Raises `WatchkeeperError` when nobody can say.
        """

    async def say(
        self, notification_id: NotificationId, person: PersonId, word: Word, *, via: str, key: str
    ) -> str:
        """Do what a person answered; returns what to say back, in a sentence. `via` is `call` or `sms`.

        The same `key` is the same answer, come twice. Raises `WatchkeeperError` when it cannot be done.
        """

    async def stop(self, person: PersonId, *, via: str, reason: str) -> str:
        """Stop all autonomy; returns what to say back. Needs no engine.

        Raises `Forbidden` for who may not, and `StorageError` when the fence cannot be set.
        """

    async def report(self, report: Report) -> None:
        """Note how far a notification got. Comes late, twice and in any order."""


class Phone(Struct, frozen=True, kw_only=True):
    """What the routes work with."""

    desk: PhoneDesk
    person_of: Callable[[str], PersonId | None]
    """Whose number that is; `None` for nobody's."""
    account_sid: str
    token: str
    public_url: str
    """Our address as Twilio knows it, to the letter; without a `/` at its end."""
    voice: Voice


def routes(phone: Phone) -> APIRouter:
    """Make the routes. They are no part of the API's own document: nobody but Twilio calls them."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    told, guesses = _Told(), _Guesses()

    @router.post("/{notification_id}/{key}/voice")
    async def voice(notification_id: Id, key: Key, request: Request) -> Response:
        form = await _form(phone, request, notification_id, key)
        return _xml(await _answered(phone, NotificationId(notification_id), form, request))

    @router.post("/{notification_id}/{key}/key")
    async def pressed(notification_id: Id, key: Key, request: Request) -> Response:
        form = await _form(phone, request, notification_id, key)
        return _xml(await _pressed(phone, told, NotificationId(notification_id), form, request))

    @router.post("/{notification_id}/{key}/status")
    async def status(notification_id: Id, key: Key, request: Request) -> Response:
        form = await _form(phone, request, notification_id, key)
        report = _report(NotificationId(notification_id), form)
        if report is not None:
            await phone.desk.report(report)
        return Response(status_code=204)

    @router.post(SMS_PATH.removeprefix(PREFIX))
    async def sms(request: Request) -> Response:
        form = await _form(phone, request)
        said = await told.once(f"sms {form.get('MessageSid', '')}", lambda: _written(phone, guesses, form))
        return _xml(twiml.texted(said) if said else twiml.EMPTY)

    return router


# ---------------------------------------------------------------- who calls


async def _form(phone: Phone, request: Request, notification: str = "", key: str = "") -> Form:
    """Return the form of a request that Twilio signed. Raises a problem for any other."""
    if notification and not is_path_key(phone.token, notification, key):
        raise _forbidden()
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            raise Problem("too-large", f"more than {MOST_FORM_BYTES} bytes", cure="send what Twilio sends")
    url = phone.public_url + request.url.path
    if request.url.query:
        url += f"?{request.url.query}"
    try:
        fields = parse_qsl(
            bytes(body).decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except (UnicodeDecodeError, ValueError):
        raise _forbidden() from None
    if not is_signed(phone.token, url, fields, request.headers.get(SIGNATURE, "")):
        _log.warning("not signed by Twilio, or for another address than %s", url.partition("?")[0])
        raise _forbidden()
    form = dict(fields)
    if form.get("AccountSid") != phone.account_sid:
        raise _forbidden()
    return form


def _forbidden() -> Problem:
    return Problem(
        "forbidden",
        "Twilio did not sign this",
        cure="if it did: public_url must be the address that Twilio was given, to the letter",
    )


def _xml(text: str) -> Response:
    return Response(text, media_type=twiml.MEDIA_TYPE)


# ---------------------------------------------------------------- calls


async def _answered(phone: Phone, notification: NotificationId, form: Form, request: Request) -> str:
    """Somebody, or a machine, picked up."""
    tries = _number(request.query_params.get("try", "0"))
    try:
        message = await phone.desk.message(notification)
    except WatchkeeperError as error:
        _log.warning("cannot say what %s is about: %s", notification, error)
        say = ("This is Watchkeeper. Somebody is needed, and the engine does not answer.",)
        if tries >= _MOST_TRIES:
            return _turn(phone, voice_menu.engine_away((*say, "Look at it now.")), request, 0)
        to = f"{phone.public_url}{request.url.path}?try={tries + 1}"
        return twiml.come_back(phone.voice, say, after_s=_AGAIN_AFTER_S, to=to)
    if message is None:
        return _turn(phone, voice_menu.over(), request, 0)
    if form.get("AnsweredBy", "").startswith(("machine", "fax")):
        return _turn(phone, voice_menu.voicemail(message), request, 0)
    return _turn(phone, voice_menu.opening(message), request, 0)


async def _pressed(
    phone: Phone, told: "_Told", notification: NotificationId, form: Form, request: Request
) -> str:
    """Somebody pressed a key."""
    step = _number(request.query_params.get("step", "0"))
    state: voice_menu.State = "sure" if request.query_params.get("at") == "sure" else "menu"
    try:
        message = await phone.desk.message(notification)
    except WatchkeeperError as error:
        _log.warning("a key for %s came while nobody could take it: %s", notification, error)
        turn = await _without_engine(phone, told, form, state)
        return _turn(phone, turn, request, step)
    if message is None:
        return _turn(phone, voice_menu.over(), request, step)
    turn = voice_menu.pressed(message, form.get("Digits", ""), state)
    if turn.wish is None:
        return _turn(phone, turn, request, step)
    wish, key = turn.wish, f"{form.get('CallSid', '')} {step}"
    try:
        said = await told.once(
            f"call {key}",
            lambda: phone.desk.say(notification, message.person, wish, via="call", key=key),
        )
    except WatchkeeperError as error:
        _log.warning("%s by %s was not done: %s", wish, message.person, error)
        return _turn(phone, voice_menu.failed(message, harmless(error.message, _LONGEST_SMS)), request, step)
    return _turn(phone, voice_menu.after(message, wish, said), request, step)


async def _without_engine(
    phone: Phone, told: "_Told", form: Form, state: voice_menu.State
) -> voice_menu.Turn:
    """Take a key while nobody knows what a call is about. To stop everything the key is enough."""
    person = phone.person_of(form.get("To", ""))
    if form.get("Digits") != voice_menu.STOP_KEY or person is None:
        return voice_menu.engine_away(("The engine does not answer, so nothing was done.",))
    if state != "sure":
        return voice_menu.sure()
    call = form.get("CallSid", "")
    try:
        said = await told.once(
            f"stop {call}", lambda: phone.desk.stop(person, via="call", reason=f"by call {call}")
        )
    except WatchkeeperError as error:
        _log.exception("a stop by %s failed", person)
        return voice_menu.engine_away((harmless(error.message, _LONGEST_SMS), "Nothing was done."))
    return voice_menu.Turn(asked=(), closing=(said, "Goodbye."))


def _turn(phone: Phone, turn: voice_menu.Turn, request: Request, step: int) -> str:
    """Write what comes next. Each key has a number, so that one that comes twice is known for one."""
    base = request.url.path.rpartition("/")[0]
    action = f"{phone.public_url}{base}/key?at={turn.state}&step={step + 1}"
    return voice_menu.twiml(turn, phone.voice, action=action)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


# ---------------------------------------------------------------- how it went

_Delivery = Literal["delivered", "answered", "failed"]
_CALL_STATUS: Final[dict[str, _Delivery]] = {
    "ringing": "delivered",
    "in-progress": "answered",
    "completed": "answered",
    "busy": "failed",
    "no-answer": "failed",
    "failed": "failed",
    "canceled": "failed",
}
_SMS_STATUS: Final[dict[str, _Delivery]] = {
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


def _report(notification: NotificationId, form: Form) -> Report | None:
    """Tell what a status means; `None` for one that tells nothing new."""
    if "MessageStatus" in form:
        status, known = form["MessageStatus"], _SMS_STATUS
        detail = why_failed(form.get("ErrorCode", "")[:10]) or status
    else:
        status, known = form.get("CallStatus", ""), _CALL_STATUS
        machine = form.get("AnsweredBy", "").startswith(("machine", "fax"))
        detail = "voicemail" if machine else status
    delivery = known.get(status)
    if delivery is None:
        return None
    return Report(notification_id=notification, delivery=delivery, detail=detail)


# ---------------------------------------------------------------- answers by SMS


async def _written(phone: Phone, guesses: "_Guesses", form: Form) -> str:
    """Do what somebody wrote; returns what is written back, empty for nothing."""
    person = phone.person_of(form.get("From", ""))
    if person is None:
        # To answer strangers costs money, and tells them that somebody is here.
        _log.info("an SMS from a number that is nobody's")
        return ""
    reply = read_reply(form.get("Body", ""))
    if guesses.too_many(person) and (reply is None or reply.word != "stop"):
        _log.warning("too many wrong codes in the name of %s: SMS from there are not listened to", person)
        return ""
    if reply is None:
        return f"Not understood. Answer with the code and a word, such as 4711 {WORDS['acknowledge']}"
    return await _done(phone, guesses, person, reply, key=form.get("MessageSid", ""))


async def _done(phone: Phone, guesses: "_Guesses", person: PersonId, reply: Reply, *, key: str) -> str:
    """Do what was understood; returns what is written back."""
    try:
        if reply.word == "stop":
            # Never asks the engine first: it may be what has to be stopped.
            return await phone.desk.stop(person, via="sms", reason=f"by SMS, {reply.code}")
        message = await phone.desk.by_code(reply.code, person)
        if message is None:
            guesses.wrong(person)
            return f"Nothing is open with code {reply.code}."
        if reply.word not in {choice.word for choice in message.choices}:
            return f"{WORDS[reply.word]} is not possible. {how_to_answer(message.code, message.choices)}"
        return await phone.desk.say(message.notification_id, person, reply.word, via="sms", key=key)
    except WatchkeeperError as error:
        _log.warning("an SMS of %s was not done: %s", person, error)
        return f"Not done: {harmless(error.message, _LONGEST_SMS)}"


class _Guesses:
    """Counts wrong codes. The sender of an SMS can be forged, so the code is what proves who answers."""

    def __init__(self) -> None:
        self._at_s: defaultdict[PersonId, deque[float]] = defaultdict(lambda: deque(maxlen=_MOST_GUESSES))

    def wrong(self, person: PersonId) -> None:
        """Note one."""
        self._at_s[person].append(asyncio.get_running_loop().time())

    def too_many(self, person: PersonId) -> bool:
        """Tell whether there were more of late than a tired hand writes."""
        at_s = self._at_s[person]
        return len(at_s) == _MOST_GUESSES and at_s[0] > asyncio.get_running_loop().time() - _GUESSES_IN_S


class _Told:
    """Does each answer once, and tells those who bring it again what came of it."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, asyncio.Future[str]] = OrderedDict()

    async def once(self, key: str, do: Callable[[], Awaitable[str]]) -> str:
        """Do something unless it was done, or is being done. Raises as it does; failures are forgotten."""
        found = self._known.get(key)
        if found is None:
            found = asyncio.ensure_future(do())
            self._known[key] = found
            found.add_done_callback(lambda done: self._forget_failure(key, done))
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        # Whoever brings it first may hang up: it is done all the same.
        return await asyncio.shield(found)

    def _forget_failure(self, key: str, done: "asyncio.Future[str]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._known.pop(key, None)
