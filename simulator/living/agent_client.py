"""An agent's client: it proposes over HTTP, follows what becomes of it, and comes back after an outage."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec
from msgspec import Struct

OVER: Final = frozenset({"denied", "vetoed", "expired", "failed", "unknown", "stopped", "refused"})
"""Statuses that say: this will not be done, or did not work."""

_TIMEOUT_S: Final = 20.0
_AWAY_S: Final = 1.0
_LOOK_S: Final = 1.0
_BUSY: Final = 429
_FAULT: Final = 500


class Reason(Struct, frozen=True, kw_only=True):
    """One gate that did not simply allow."""

    gate: str
    reason: str


class Question(Struct, frozen=True, kw_only=True):
    """What somebody asks the agent about its proposal."""

    nth: int
    question: str
    answer: str | None


class Decision(Struct, frozen=True, kw_only=True):
    """What the service says of one proposal; of its answer, the part that an agent goes by."""

    decision_id: str
    proposal_id: str
    word: str
    status: str
    final: bool
    reasons: tuple[Reason, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def why(self) -> str:
        """The reasons in one line, as people read them."""
        return "; ".join(f"{each.gate}: {each.reason}" for each in self.reasons) or self.status

    @property
    def is_over(self) -> bool:
        """Whether it will not be done, or did not work."""
        return self.status in OVER

    @property
    def is_stopped(self) -> bool:
        """Whether a stop refused it."""
        return any(each.gate == "kill_switch" for each in self.reasons) or self.status == "stopped"


class _Stop(Struct, frozen=True, kw_only=True):
    scope: str


class _Stops(Struct, frozen=True, kw_only=True):
    stops: tuple[_Stop, ...]


class Wish(Struct, frozen=True, kw_only=True):
    """What an agent wants, as the HTTP API takes it."""

    action: str
    args: dict[str, Any]
    capability: str
    confidence: float | None = None
    rationale: str = ""
    episode: str = ""
    environment: str = ""
    cost_usd: float = 0.0
    files: int = 0
    api_calls: int = 0
    options: tuple[tuple[str, str], ...] = ()
    """What else it thought of, each with why not."""

    def body(self) -> dict[str, Any]:
        """Return it as a request's body."""
        return {
            "action": self.action,
            "args": self.args,
            "capability": self.capability,
            "confidence": self.confidence,
            "rationale": self.rationale,
            "episode": self.episode,
            "environment": self.environment,
            "impact": {"cost_usd": f"{self.cost_usd:.2f}", "files": self.files, "api_calls": self.api_calls},
            "options": [{"name": name, "why_not": why_not} for name, why_not in self.options],
        }


class Refused(Exception):
    """The service takes this request from nobody: it is wrong, or the token no longer counts."""


class AgentClient:
    """One agent's way to the service. It waits as long as the service is away, and then says it again."""

    def __init__(
        self, name: str, token: str, *, address: Callable[[], str | None], rate: float = 1.0
    ) -> None:
        """`address` is where the service answers, `None` while it does not; `rate` makes time run faster."""
        self.name, self.rate = name, rate
        self._address = address
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S, trust_env=False
        )

    async def close(self) -> None:
        """Let go of the connection."""
        await self._http.aclose()

    async def rest(self, seconds: float) -> None:
        """Do nothing for so many seconds of this world's time."""
        await asyncio.sleep(seconds / self.rate)

    async def propose(self, wish: Wish) -> Decision:
        """Propose it, once, however often the connection breaks. Raises `Refused`."""
        # The key makes saying it again harmless: it finds the decision that was made.
        key = {"Idempotency-Key": secrets.token_hex(8)}
        answer = await self._call("POST", "/v1/proposals", json=wish.body(), headers=key)
        return msgspec.json.decode(answer.content, type=Decision)

    async def look(self, decision: Decision) -> Decision:
        """See how far it is, and answer what people ask about it. Raises `Refused`."""
        answer = await self._call("GET", f"/v1/decisions/{decision.decision_id}")
        return msgspec.json.decode(answer.content, type=Decision)

    async def reply(self, decision: Decision, nth: int, answer: str) -> None:
        """Answer a question about it. Raises `Refused` when nobody waits for the answer any more."""
        place = f"/v1/decisions/{decision.decision_id}/questions/{nth}/answer"
        await self._call("POST", place, json={"answer": answer})

    async def settled(self, decision: Decision, explain: str) -> Decision:
        """Wait until it stands as it will stand. Whoever asks meanwhile hears `explain`. Raises `Refused`."""
        while not decision.final:
            await self.rest(_LOOK_S)
            decision = await self.look(decision)
            for each in decision.questions:
                if each.answer is None:
                    await self.reply(decision, each.nth, explain)
        return decision

    async def report(self, decision: Decision, detail: str, *, ok: bool = True) -> None:
        """Report what came of what it did itself. Raises `Refused` when a veto was quicker."""
        place = f"/v1/proposals/{decision.proposal_id}/outcome"
        await self._call("POST", place, json={"ok": ok, "detail": detail})

    async def is_silenced(self) -> bool:
        """Whether a stop covers this agent as a whole. Raises `Refused`."""
        answer = await self._call("GET", "/v1/stops")
        scopes = {each.scope for each in msgspec.json.decode(answer.content, type=_Stops).stops}
        return bool(scopes & {"all", f"agent:{self.name}"})

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Call until there is an answer. The front may be back on another port, so it is looked up anew."""
        while True:
            answer, url = None, self._address()
            if url is not None:
                try:
                    answer = await self._http.request(method, f"{url}{path}", **more)
                except httpx.HTTPError:
                    answer = None
            if answer is not None and answer.is_success:
                return answer
            if answer is not None and answer.status_code != _BUSY and answer.status_code < _FAULT:
                raise Refused(f"{path}: {answer.status_code} {answer.text[:500]}")
            await asyncio.sleep(_AWAY_S)
