"""`Client` and `AsyncClient`: an agent's way to the service, over HTTP."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from engine.errors import Forbidden
from watchkeeper.sdk.errors import Invalid
from watchkeeper.sdk.talks import Answerer, Ask, Reply, Rest, Talk, Talks

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    import httpx

    from watchkeeper.sdk.words import Decision, Message, Proposal

T = TypeVar("T")
URL_VARIABLE: Final = "WATCHKEEPER_URL"
TOKEN_VARIABLE: Final = "WATCHKEEPER_TOKEN"  # noqa: S105 - the variable's name
PLAIN_VARIABLE: Final = "WATCHKEEPER_PLAIN_HTTP"
_CONNECT_S: Final = 5.0


class _Base:
    """What both share: where the service is, who asks, and what is said."""

    def __init__(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        patience_s: float = 10.0,
        on_question: Answerer | None = None,
        plain_http: bool = False,
    ) -> None:
        """Take what is given, else `WATCHKEEPER_URL` and `WATCHKEEPER_TOKEN`.

        Without an address it is looked up in the state folder of this machine (`WATCHKEEPER_HOME`), each
        time, as the service may come back elsewhere. `patience_s`: for how long a request is said again while
        there is no answer; then `Unreachable` is raised, and nothing may be done. `on_question` answers what
        people ask while a proposal waits. `plain_http` (or `WATCHKEEPER_PLAIN_HTTP=1`): the token may go over
        http to another machine, where whoever is on the way can read it and act as this agent. Raises
        `Forbidden` without a token, `Invalid` for a wrong address.
        """
        plain = plain_http or os.environ.get(PLAIN_VARIABLE, "").strip() == "1"
        self._url = _checked(url or os.environ.get(URL_VARIABLE, "").strip(), plain=plain)
        self._token = (token or os.environ.get(TOKEN_VARIABLE, "")).strip()
        if not self._token:
            cure = f"set {TOKEN_VARIABLE}; `watchkeeper token create --agent NAME` makes one"
            raise Forbidden("an agent's token is needed", cure=cure)
        if not (self._token.isascii() and self._token.isprintable()):
            raise Invalid(
                "the token is not plain text", cure="copy it as `watchkeeper token create` shows it"
            )
        self._talks = Talks(patience_s=patience_s, on_question=on_question)

    def _where(self) -> tuple[str, ssl.SSLContext | bool] | None:
        """Return the address and how it is verified; `None` while nothing serves here."""
        if self._url:
            return self._url, True
        from bot.http_api.address import read_address
        from engine.runtime.layout import Layout
        from watchkeeper.home import home

        address = read_address(Layout(Path(home()).resolve()).address)
        return None if address is None else (address.here, address.trust())

    @property
    def asker(self) -> tuple[str, str]:
        """Who asks whom: what was told as one was not told as another."""
        return self._url, self._token

    def _options(self, verify: ssl.SSLContext | bool) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        # What stays on this machine goes through no proxy that the environment names.
        away = bool(self._url) and not _on_this_machine(urlsplit(self._url).hostname or "")
        return {"headers": headers, "verify": verify, "trust_env": away}


def _checked(url: str, *, plain: bool) -> str:
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in {"http", "https"} and parts.port != 0 else None
    except ValueError:
        host = None
    if not host or parts.username is not None:
        cure = "give http://HOST:PORT or https://HOST, without a name and password"
        raise Invalid("is no address of the service", place=url, cure=cure)
    if parts.scheme == "http" and not plain and not _on_this_machine(host):
        cure = f"give its https address; where nobody else is on the way, set {PLAIN_VARIABLE}=1"
        raise Invalid("would carry the token in the clear to another machine", place=url, cure=cure)
    return url.rstrip("/")


def _on_this_machine(host: str) -> bool:
    from ipaddress import ip_address  # what most programs here have no use for

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _request(url: str, ask: Ask) -> dict[str, Any]:
    import httpx

    return {
        "method": ask.method,
        "url": url + ask.path,
        "content": ask.body,
        "params": ask.params,
        "headers": ask.headers,
        "timeout": httpx.Timeout(ask.timeout_s, connect=min(_CONNECT_S, ask.timeout_s)),
    }


class Client(_Base):
    """An agent's way to the service, for programs without an event loop. Threads may share one."""

    _http: httpx.Client | None = None

    def propose(self, proposal: Proposal, *, key: str | None = None, wait_s: float = 0.0) -> Decision:
        """Propose an action, and return where it stands after at most `wait_s` seconds, whatever that is.

        `key` is the proposal's own (`None`: a new one); said again with the same one, it finds the same
        decision. Raises `Invalid`, `Forbidden` and `Unreachable`.
        """
        return self._follow(self._talks.propose(proposal, key, wait_s))

    def permission(self, proposal: Proposal, *, key: str | None = None, wait_s: float = 0.0) -> Decision:
        """As `propose`, and returns only when the agent may do it itself, now. Raises `NotAllowed` else."""
        return self._follow(self._talks.permission(proposal, key, wait_s))

    def confirm(self, decision: Decision) -> Decision:
        """See right before acting that what was granted still is. Raises `NotAllowed` else."""
        return self._follow(self._talks.confirm(decision))

    def look(self, decision_id: str) -> Decision:
        """See where a decision stands."""
        return self._follow(self._talks.look(decision_id))

    def explain(self, decision_id: str) -> str:
        """Read why it was decided as it was, as people read it: several lines."""
        return self._follow(self._talks.explain(decision_id))

    def report(self, decision: Decision, *, ok: bool, detail: str = "", cost_usd: str | None = None) -> None:
        """Report what came of it. Raises `Vetoed` when a captain took it back meanwhile."""
        self._follow(self._talks.report(decision, ok, detail, cost_usd))

    def tell(self, episode: str, messages: Iterable[Message]) -> None:
        """Tell what was said in an episode, in order: where values of its proposals come from is read there.

        What is known already counts once, so the whole conversation may be told every time. Raises `Invalid`,
        `Forbidden` and `Unreachable`; of a long list a part may have been told then.
        """
        self._follow(self._talks.tell(episode, messages))

    def answer(self, decision_id: str, nth: int, text: str) -> None:
        """Answer the nth question about it. Raises `Conflict` when nobody waits for that any more."""
        self._follow(self._talks.answer(decision_id, nth, text))

    def heartbeat(self) -> None:
        """Say that the agent is alive."""
        self._follow(self._talks.heartbeat())

    def stops(self) -> tuple[str, ...]:
        """Return the scopes of the stops that stand, such as `all` or `agent:coder-1`."""
        return self._follow(self._talks.stops())

    def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            self._http.close()

    def __enter__(self) -> Self:
        """Close it at the end of the block."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Let go of the connections."""
        self.close()

    _making: Final = threading.Lock()

    def _follow(self, talk: Talk[T]) -> T:
        reply: Reply | None = None
        try:
            while True:
                step = talk.send(reply)
                reply = None
                if isinstance(step, Rest):
                    time.sleep(step.seconds)
                else:
                    reply = self._send(step)
        except StopIteration as end:
            found: T = end.value
            return found

    def _send(self, ask: Ask) -> Reply | None:
        import httpx

        where = self._where()
        if where is None:
            return None
        with self._making:
            if self._http is None:
                self._http = httpx.Client(**self._options(where[1]))
        try:
            answer = self._http.request(**_request(where[0], ask))
        except httpx.RequestError:
            return None
        return Reply(status=answer.status_code, body=answer.content)


class AsyncClient(_Base):
    """An agent's way to the service, for programs with an event loop, to which it then belongs."""

    _http: httpx.AsyncClient | None = None

    async def propose(self, proposal: Proposal, *, key: str | None = None, wait_s: float = 0.0) -> Decision:
        """As `Client.propose`."""
        return await self._follow(self._talks.propose(proposal, key, wait_s))

    async def permission(
        self, proposal: Proposal, *, key: str | None = None, wait_s: float = 0.0
    ) -> Decision:
        """As `Client.permission`."""
        return await self._follow(self._talks.permission(proposal, key, wait_s))

    async def confirm(self, decision: Decision) -> Decision:
        """As `Client.confirm`."""
        return await self._follow(self._talks.confirm(decision))

    async def look(self, decision_id: str) -> Decision:
        """See where a decision stands."""
        return await self._follow(self._talks.look(decision_id))

    async def explain(self, decision_id: str) -> str:
        """As `Client.explain`."""
        return await self._follow(self._talks.explain(decision_id))

    async def report(
        self, decision: Decision, *, ok: bool, detail: str = "", cost_usd: str | None = None
    ) -> None:
        """As `Client.report`."""
        await self._follow(self._talks.report(decision, ok, detail, cost_usd))

    async def tell(self, episode: str, messages: Iterable[Message]) -> None:
        """As `Client.tell`."""
        await self._follow(self._talks.tell(episode, messages))

    async def answer(self, decision_id: str, nth: int, text: str) -> None:
        """As `Client.answer`."""
        await self._follow(self._talks.answer(decision_id, nth, text))

    async def heartbeat(self) -> None:
        """Say that the agent is alive."""
        await self._follow(self._talks.heartbeat())

    async def stops(self) -> tuple[str, ...]:
        """Return the scopes of the stops that stand."""
        return await self._follow(self._talks.stops())

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Close it at the end of the block."""
        return self

    async def __aexit__(self, *_raised: object) -> None:
        """Let go of the connections."""
        await self.close()

    async def _follow(self, talk: Talk[T]) -> T:
        # Half of what importing this module would take, for programs that have no use for it.
        import asyncio

        reply: Reply | None = None
        try:
            while True:
                step = talk.send(reply)
                reply = None
                if isinstance(step, Rest):
                    await asyncio.sleep(step.seconds)
                else:
                    reply = await self._send(step)
        except StopIteration as end:
            found: T = end.value
            return found

    async def _send(self, ask: Ask) -> Reply | None:
        import httpx

        where = self._where()
        if where is None:
            return None
        if self._http is None:
            self._http = httpx.AsyncClient(**self._options(where[1]))
        try:
            answer = await self._http.request(**_request(where[0], ask))
        except httpx.RequestError:
            return None
        return Reply(status=answer.status_code, body=answer.content)
