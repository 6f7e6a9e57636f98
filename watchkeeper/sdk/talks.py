"""What is said to the service, and in which order: `Client` and `AsyncClient` both follow it.

A talk is a generator. It gives out what is to be sent or how long to rest, and takes what was answered.
"""

import re
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from engine.errors import Forbidden, Unreachable, WatchkeeperError
from watchkeeper.sdk.errors import (
    Conflict,
    Denied,
    Expired,
    Held,
    Invalid,
    Killed,
    NotAllowed,
    Performed,
    Replaced,
    Shadowed,
    Vetoed,
)
from watchkeeper.sdk.words import Decision, Message, Proposal, Question

T = TypeVar("T")
Answerer: TypeAlias = Callable[[Question, Decision], str | None]
"""Answers what people ask about a proposal; `None`: somebody else will."""

LONGEST_WAIT_S: Final = 50.0
"""Of one request. The service takes 60; proxies on the way are often set to close at that."""
_EPISODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_FIRST_REST_S: Final = 0.1
_LONGEST_REST_S: Final = 2.0
_UNANSWERED_S: Final = 1.0
_MOST_TOLD: Final = 100
_MOST_TOLD_BYTES: Final = 700_000
"""Of one request, with room below what the service takes as shipped. One message alone may be longer."""
_WORDS: Final[dict[str, type[NotAllowed]]] = {
    "held": Held,
    "denied": Denied,
    "shadowed": Shadowed,
    "vetoed": Vetoed,
    "expired": Expired,
    "replaced": Replaced,
    "taken": Replaced,
    "bypassed": Replaced,
    "stopped": Killed,
}


class Ask(Struct, frozen=True, kw_only=True):
    """One request."""

    method: str
    path: str
    timeout_s: float
    body: bytes | None = None
    params: dict[str, str] = {}
    headers: dict[str, str] = {}


class Rest(Struct, frozen=True):
    """A time to do nothing."""

    seconds: float


class Reply(Struct, frozen=True, kw_only=True):
    """What was answered, whatever it says."""

    status: int
    body: bytes


Talk: TypeAlias = Generator[Ask | Rest, Reply | None, T]
"""Takes a `Reply` for an `Ask`, `None` where there was none, and `None` for a `Rest`."""


class _Fault(Struct, frozen=True):
    place: str
    pointer: str
    detail: str


class _Problem(Struct, frozen=True, kw_only=True):
    type: str
    detail: str
    cure: str = ""
    place: str = ""
    faults: tuple[_Fault, ...] = ()


class _Stop(Struct, frozen=True):
    scope: str
    by: str
    reason: str


class _Stops(Struct, frozen=True):
    stops: tuple[_Stop, ...]


class Talks:
    """All that an agent says to the service."""

    def __init__(self, *, patience_s: float, on_question: Answerer | None) -> None:
        """`patience_s`: for how long a request is said again while the service is away."""
        self.patience_s, self.on_question = patience_s, on_question

    def propose(self, proposal: Proposal, key: str | None, wait_s: float) -> Talk[Decision]:
        """Propose, and wait for a final status at most so long."""
        # The key makes saying it again harmless, and waiting for it: the same decision is found.
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        body, until = proposal.body(), time.monotonic() + wait_s
        while True:
            left = max(0.0, min(LONGEST_WAIT_S, until - time.monotonic()))
            decision = yield from self._get(
                Decision,
                Ask(
                    method="POST",
                    path="/v1/proposals",
                    timeout_s=left + self.patience_s,
                    body=body,
                    params={"wait_s": f"{left:.3f}"},
                    headers=headers,
                ),
            )
            if decision.final or time.monotonic() >= until:
                return decision
            answered = yield from self._answer_all(decision)
            if decision.asked and not answered:
                # Whoever waits for the agent's answer is no reason to ask without a pause.
                yield Rest(min(_UNANSWERED_S, max(0.0, until - time.monotonic())))

    def permission(self, proposal: Proposal, key: str | None, wait_s: float) -> Talk[Decision]:
        """Propose, and return the decision only when the agent may do it now. Raises `NotAllowed` else."""
        return (yield from self.confirm((yield from self.propose(proposal, key, wait_s))))

    def confirm(self, decision: Decision) -> Talk[Decision]:
        """See that what was granted still is, and that no stop covers it. Raises `NotAllowed` else."""
        if decision.status == "granted":
            decision = yield from self.look(decision.decision_id)
        if decision.status != "granted":
            raise not_allowed(decision)
        capability = decision.capability
        scopes = {"all", f"agent:{decision.agent}", f"action:{decision.action}", f"capability:{capability}"}
        scopes.add(f"capability:{capability.partition('@')[0]}")
        stops = yield from self._get(_Stops, self._ask("GET", "/v1/stops"))
        for stop in stops.stops:
            if stop.scope in scopes:
                raise Killed(decision, f"{stop.by} stopped {stop.scope}: {stop.reason or 'no reason given'}")
        return decision

    def look(self, decision_id: str) -> Talk[Decision]:
        """See where a decision stands."""
        return (yield from self._get(Decision, self._ask("GET", f"/v1/decisions/{_part(decision_id)}")))

    def explain(self, decision_id: str) -> Talk[str]:
        """Read why it was decided as it was, as people read it."""
        ask = self._ask("GET", f"/v1/decisions/{_part(decision_id)}/explain")
        body = yield from self._answered(msgspec.structs.replace(ask, headers={"Accept": "text/plain"}))
        return body.decode("utf-8", errors="replace")

    def report(self, decision: Decision, ok: bool, detail: str, cost_usd: str | None) -> Talk[None]:
        """Report what came of it. Raises `Vetoed` when a captain took it back meanwhile."""
        # What cannot be sent as it is must not keep the rest from being told.
        told = detail[:10_000].encode(errors="replace").decode()
        said = msgspec.json.encode({"ok": ok, "detail": told, "cost_usd": cost_usd})
        ask = self._ask("POST", f"/v1/proposals/{_part(decision.proposal_id)}/outcome", said)
        refused: Invalid | None = None
        try:
            yield from self._answered(ask)
        except Invalid as error:
            refused = error
        now = yield from self.look(decision.decision_id)
        if now.status == "vetoed":
            raise Vetoed(now, ran=True)
        if refused is not None:
            raise refused

    def answer(self, decision_id: str, nth: int, text: str) -> Talk[None]:
        """Answer a question. Raises `Conflict` when nobody waits for the answer any more."""
        place = f"/v1/decisions/{_part(decision_id)}/questions/{int(nth)}/answer"
        yield from self._answered(self._ask("POST", place, msgspec.json.encode({"answer": text})))

    def tell(self, episode: str, messages: Iterable[Message]) -> Talk[None]:
        """Tell what was said, in as many requests as it takes. What is known already counts once."""
        if not _EPISODE.fullmatch(episode):
            cure = "begin with a letter or digit, go on with these and _ . : -, 200 at most"
            raise Invalid("nothing can be told of an episode of this name", place=repr(episode), cure=cure)
        for part in _parts([msgspec.json.encode(message) for message in messages]):
            said = b'{"messages":[' + b",".join(part) + b"]}"
            yield from self._answered(self._ask("POST", f"/v1/episodes/{episode}/messages", said))

    def heartbeat(self) -> Talk[None]:
        """Say that the agent is alive."""
        yield from self._answered(self._ask("POST", "/v1/heartbeat"))

    def stops(self) -> Talk[tuple[str, ...]]:
        """Return the scopes of the stops that stand."""
        found = yield from self._get(_Stops, self._ask("GET", "/v1/stops"))
        return tuple(stop.scope for stop in found.stops)

    def _answer_all(self, decision: Decision) -> Talk[bool]:
        """Answer what is open; returns whether something was."""
        answered = False
        for question in decision.asked if self.on_question is not None else ():
            text = self.on_question(question, decision) if self.on_question is not None else None
            if text is None:
                continue
            try:
                yield from self.answer(decision.decision_id, question.nth, text)
                answered = True
            except Conflict:  # somebody was quicker, or it is over: the next look tells
                continue
        return answered

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Ask:
        return Ask(method=method, path=path, timeout_s=self.patience_s, body=body)

    def _get(self, kind: type[T], ask: Ask) -> Talk[T]:
        body = yield from self._answered(ask)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise Unreachable(f"{ask.path} answers what we do not know: {error}", cure=_OURS) from error

    def _answered(self, ask: Ask) -> Talk[bytes]:
        """Ask until there is an answer or patience ends."""
        until, rest_s = time.monotonic() + ask.timeout_s, _FIRST_REST_S
        while True:
            reply = yield ask
            if reply is not None and 200 <= reply.status < 300:
                return reply.body
            if reply is not None and reply.status < 500 and reply.status not in {408, 429}:
                raise refusal(reply)
            if time.monotonic() + rest_s >= until:
                said = "no answer" if reply is None else f"answers {reply.status} only"
                raise Unreachable(f"{said} for {self.patience_s:g} s", place=ask.path, cure=_AWAY)
            yield Rest(rest_s)
            rest_s = min(2 * rest_s, _LONGEST_REST_S)


_AWAY: Final = "do not act; see `watchkeeper status`, WATCHKEEPER_URL and WATCHKEEPER_HOME"
_OURS: Final = "see that WATCHKEEPER_URL is a Watchkeeper of this version"


def _parts(messages: list[bytes]) -> Iterator[list[bytes]]:
    """Divide them, in order, into what the service takes at once."""
    part: list[bytes] = []
    size = 0
    for message in messages:
        if part and (len(part) == _MOST_TOLD or size + len(message) > _MOST_TOLD_BYTES):
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message) + 1
    if part:
        yield part


def _part(text: str) -> str:
    """Refuse an id that would lead somewhere else in the address."""
    if not text or not text.isascii() or set(text) & set("/?#%\\") or not text.isprintable() or ".." in text:
        raise Invalid("is no id", place=repr(text), cure="take it from an answer of the service")
    return text


def not_allowed(decision: Decision) -> NotAllowed:
    """Return why the agent must not do it."""
    if any(each.gate == "kill_switch" and each.ruling != "allow" for each in decision.reasons):
        return Killed(decision)
    if decision.shadowed:
        return Shadowed(decision)
    # What the engine performs has the other statuses. One that is new to us means no, too.
    return _WORDS.get(decision.status, Performed)(decision)


def refusal(reply: Reply) -> WatchkeeperError:
    """Turn a problem the service answers into an error of ours, with each fault and its place."""
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except msgspec.DecodeError:
        return Unreachable(f"answers {reply.status}, and nothing that we know", cure=_OURS)
    faults = "; ".join(f"{each.place}{each.pointer}: {each.detail}" for each in problem.faults)
    kinds: dict[int, type[WatchkeeperError]] = {401: Forbidden, 403: Forbidden, 409: Conflict}
    kind = kinds.get(reply.status, Invalid)
    message = f"{problem.detail}: {faults}" if faults else problem.detail
    return kind(message, place=problem.place or None, cure=problem.cure or None)
