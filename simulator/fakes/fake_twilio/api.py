"""The API: what is asked for is checked, done and listed."""

import base64
import hmac
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from simulator.fakes.fake_twilio.records import VERSION, Asked, Call, Json, Text, http_date
from simulator.fakes.fake_twilio.refusals import Refused
from simulator.fakes.fake_twilio.troubles import Troubles, spoiled_reply
from simulator.fakes.fake_twilio.wire import Reply, Silence

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_URL: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_MOST_LETTERS: Final = 1600
_GSM_LETTERS: Final = 160
_OTHER_LETTERS: Final = 70
_STEPS: Final = frozenset({"initiated", "ringing", "answered", "completed"})


class Account:
    """One account: who may ask, its number, and all that it made."""

    def __init__(self, *, sid: str, auth_token: str, number: str, clock: Callable[[], float]) -> None:
        self.sid, self.auth_token, self.number = sid, auth_token, number
        self.clock = clock
        self.status = "active"
        self.can_voice, self.can_sms = True, True
        self.sms_url = ""
        self.caller_ids: list[str] = []
        self.calls: dict[str, Call] = {}
        self.texts: dict[str, Text] = {}
        self.opted_out: set[str] = set()
        self._made = 0

    def next_sid(self, letters: str) -> str:
        """Name something new."""
        self._made += 1
        return f"{letters}{self._made:032x}"


class Api:
    """Answers requests."""

    def __init__(
        self,
        account: Account,
        troubles: Troubles,
        *,
        ring: Callable[[Call], None],
        deliver: Callable[[Text], None],
    ) -> None:
        self._account, self._troubles = account, troubles
        self._ring, self._deliver = ring, deliver
        basic = base64.b64encode(f"{account.sid}:{account.auth_token}".encode()).decode()
        self._basic = f"Basic {basic}".encode()
        self._root = f"/{VERSION}/Accounts/{account.sid}"
        self._routes: dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]] = {
            ("POST", f"{self._root}/Calls.json"): self._call,
            ("GET", f"{self._root}/Calls.json"): self._list_calls,
            ("POST", f"{self._root}/Messages.json"): self._text,
            ("GET", f"{self._root}/Messages.json"): self._list_texts,
            ("GET", f"{self._root}.json"): self._show_account,
            ("GET", f"{self._root}/IncomingPhoneNumbers.json"): self._list_numbers,
            ("GET", f"{self._root}/OutgoingCallerIds.json"): self._list_caller_ids,
        }

    def serve(self, asked: Asked) -> Reply | Silence:
        """Answer one request."""
        try:
            spoiled = self._troubles.one_request()
            if spoiled is not None and not spoiled.taken:
                reply = Reply(status=500, body=b"{}")
            else:
                reply = self._done(asked)
        except Refused as refused:
            return refused.reply()
        return reply if spoiled is None else spoiled_reply(reply, spoiled.how)

    def _done(self, asked: Asked) -> Reply:
        if not hmac.compare_digest(asked.headers.get("authorization", "").encode(), self._basic):
            raise Refused(20003, 401)
        route = self._routes.get((asked.method, asked.path))
        if route is None:
            raise Refused(20404, 404)
        status, answer = route(asked)
        date = (("Date", http_date(self._account.clock())),)
        return Reply(status=status, body=msgspec.json.encode(answer), headers=date)

    # ------------------------------------------------------------ calls

    def _call(self, asked: Asked) -> tuple[int, Any]:
        fields = asked.form()
        form = dict(fields)
        to = self._to(form)
        if form.get("From") != self._account.number and form.get("From") not in self._account.caller_ids:
            raise Refused(21210)
        url, twiml = form.get("Url", ""), form.get("Twiml", "")
        steps = tuple(value for name, value in fields if name == "StatusCallbackEvent")
        addresses = [address for address in (url, form.get("StatusCallback", "")) if address]
        if not (url or twiml) or not all(map(_URL.fullmatch, addresses)) or not set(steps) <= _STEPS:
            raise Refused(21205)
        call = Call(
            sid=self._account.next_sid("CA"),
            account_sid=self._account.sid,
            to=to,
            from_=form["From"],
            created_s=self._account.clock(),
            url=url,
            twiml=twiml,
            status_callback=form.get("StatusCallback", ""),
            steps=steps or ("completed",),
            detects_machines=form.get("MachineDetection") in {"Enable", "DetectMessageEnd"},
        )
        self._account.calls[call.sid] = call
        self._ring(call)
        return 201, call.shown()

    def _list_calls(self, asked: Asked) -> tuple[int, Any]:
        return 200, self._page(asked, "calls", self._account.calls.values())

    # ------------------------------------------------------------ texts

    def _text(self, asked: Asked) -> tuple[int, Any]:
        form = dict(asked.form())
        to, body = self._to(form), form.get("Body", "")
        if "From" not in form:
            raise Refused(21603)
        if form["From"] != self._account.number or not self._account.can_sms:
            raise Refused(21606)
        if not body:
            raise Refused(21602)
        if len(body) > _MOST_LETTERS:
            raise Refused(21617)
        if to in self._account.opted_out:
            raise Refused(21610)
        each = _GSM_LETTERS if body.isascii() else _OTHER_LETTERS
        text = Text(
            sid=self._account.next_sid("SM"),
            account_sid=self._account.sid,
            to=to,
            from_=form["From"],
            body=body,
            created_s=self._account.clock(),
            status_callback=form.get("StatusCallback", ""),
            segments=-(-len(body) // each),
        )
        self._account.texts[text.sid] = text
        self._deliver(text)
        return 201, text.shown()

    def _list_texts(self, asked: Asked) -> tuple[int, Any]:
        return 200, self._page(asked, "messages", self._account.texts.values())

    # ------------------------------------------------------------ the account

    def _show_account(self, _asked: Asked) -> tuple[int, Any]:
        return 200, {"sid": self._account.sid, "status": self._account.status, "type": "Full"}

    def _list_numbers(self, asked: Asked) -> tuple[int, Any]:
        capabilities = {"voice": self._account.can_voice, "sms": self._account.can_sms, "mms": False}
        number = {
            "sid": "PN" + "0" * 32,
            "phone_number": self._account.number,
            "capabilities": capabilities,
            "sms_url": self._account.sms_url,
        }
        is_asked_for = asked.query().get("PhoneNumber", self._account.number) == self._account.number
        return 200, {"incoming_phone_numbers": [number] if is_asked_for else []}

    def _list_caller_ids(self, asked: Asked) -> tuple[int, Any]:
        wanted = asked.query().get("PhoneNumber")
        return 200, {
            "outgoing_caller_ids": [
                {"sid": "PN" + "1" * 32, "phone_number": number}
                for number in self._account.caller_ids
                if wanted in {None, number}
            ]
        }

    # ------------------------------------------------------------ shared

    def _to(self, form: Json) -> str:
        to = str(form.get("To", ""))
        if not to:
            raise Refused(21201)
        if code := self._troubles.refused_numbers.get(to):
            raise Refused(code)
        if not _NUMBER.fullmatch(to):
            raise Refused(21211)
        return to

    @staticmethod
    def _page(asked: Asked, what: str, made: Iterable[Call | Text]) -> Json:
        query = asked.query()
        size = int(query.get("PageSize", "50"))
        found = [
            each
            for each in reversed(list(made))
            if query.get("To", each.to) == each.to and query.get("From", each.from_) == each.from_
        ]
        return {
            what: [each.shown() for each in found[:size]],
            "page": 0,
            "page_size": size,
            "start": 0,
            "end": max(min(size, len(found)) - 1, 0),
            "uri": asked.target,
            "first_page_uri": asked.path,
            "next_page_uri": f"{asked.path}?Page=1" if len(found) > size else None,
            "previous_page_uri": None,
        }
