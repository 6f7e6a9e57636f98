"""`governed`: a function that runs only when the service allows it, with exactly what was proposed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Any, Final, Literal, ParamSpec, Self, TypeVar

from msgspec import Struct

from engine.errors import WatchkeeperError
from watchkeeper.sdk.clients import AsyncClient, Client
from watchkeeper.sdk.errors import Invalid, NotAllowed
from watchkeeper.sdk.words import Impact, Message, Proposal

P = ParamSpec("P")
R = TypeVar("R")
_LOG: Final = logging.getLogger("watchkeeper.sdk")
_EPISODE: Final[ContextVar[episode | None]] = ContextVar("watchkeeper_episode", default=None)


class episode:  # noqa: N801 - it is used like a function: `with episode("ticket-17"):`
    """What is governed within the block belongs to this episode; an inner block's counts before an outer's.

    For `with` and `async with`. Each task and thread has its own; a thread that is started within the block
    begins without one, unless it is given a copy of the context as `asyncio.to_thread` does.

    What the person said and tools returned is noted on it, and told before each governed call that follows:
    a value that only a tool has named is then seen. Where it cannot be told, the call does not run.
    """

    def __init__(self, name: str) -> None:
        """Name the incident, task or conversation."""
        self.name = name
        self._messages: list[Message] = []
        self._told: dict[tuple[str, str], int] = {}
        self._token: Token[episode | None] | None = None

    def person_said(self, text: str) -> None:
        """Note what the person asked for, word for word. Raises `Invalid` for what cannot be told."""
        self._messages.append(Message(source="person", text=text))

    def tool_returned(
        self,
        name: str,
        text: str,
        *,
        asked: str = "",
        trust: Literal["trusted", "records", "untrusted"] | None = None,
    ) -> None:
        """Note what a tool returned; `Message` says what the rest means. Raises `Invalid`, as above."""
        self._messages.append(Message(source="tool", name=name, text=text, asked=asked, trust=trust))

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that was noted, in order."""
        return tuple(self._messages)

    def untold(self, asker: tuple[str, str]) -> tuple[Message, ...]:
        """Return what this asker has not told yet."""
        return self.messages[self._told.get(asker, 0) :]

    def was_told(self, asker: tuple[str, str], last: Message) -> None:
        """Remember that this has arrived, and all before it."""
        count = 1 + next(n for n in reversed(range(len(self._messages))) if self._messages[n] is last)
        self._told[asker] = max(count, self._told.get(asker, 0))

    def __enter__(self) -> Self:
        """Begin it here."""
        if self._token is not None:
            raise Invalid("this block is entered already", place=self.name, cure="make one for each block")
        self._token = _EPISODE.set(self)
        return self

    def __exit__(self, *_raised: object) -> None:
        """Go back to the one around it."""
        token, self._token = self._token, None
        if token is not None:
            _EPISODE.reset(token)

    async def __aenter__(self) -> Self:
        """Begin it here."""
        return self.__enter__()

    async def __aexit__(self, *_raised: object) -> None:
        """Go back to the one around it."""
        self.__exit__()


class _Rule(Struct, frozen=True, kw_only=True):
    """How a call becomes a proposal."""

    function: Callable[..., Any]
    signature: inspect.Signature
    action: str
    capability: str
    args: Any
    impact: Any
    confidence: Any
    rationale: Any
    environment: str

    def proposal(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> Proposal:
        """Return what is proposed for a call. Raises what Python raises for arguments that do not fit."""
        bound = self.signature.bind(*given, **named)
        bound.apply_defaults()
        values = dict(bound.arguments)

        def of(rule: Any) -> Any:
            return rule(*given, **named) if callable(rule) else rule

        if isinstance(self.args, Sequence):
            args = {name: values[name] for name in self.args}
        else:
            args = values if self.args is None else dict(of(self.args))
        return Proposal(
            action=self.action,
            capability=self.capability,
            args=args,
            episode=block.name if (block := _EPISODE.get()) is not None else "",
            environment=self.environment,
            impact=of(self.impact),
            confidence=of(self.confidence),
            rationale=of(self.rationale),
        )

    def unchanged(self, before: bytes, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Refuse to run with other arguments than those that were decided."""
        if self.proposal(given, named).body() != before:
            raise Invalid(
                "the arguments were changed while it was decided; it was not run",
                place=self.action,
                cure="do not change lists and dicts after they were handed over",
            )


def governed(
    *,
    action: str,
    capability: str,
    args: Sequence[str] | Callable[..., Mapping[str, Any]] | None = None,
    impact: Impact | Callable[..., Impact] = Impact(),  # noqa: B008 - frozen
    confidence: float | Callable[..., float] | None = None,
    rationale: str | Callable[..., str] = "",
    environment: str = "",
    wait_s: float = 0.0,
    client: Client | AsyncClient | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run the decorated function, plain or async, only when the service grants this call to the agent.

    `args` are the action's arguments: `None` all of the function's by their names, or some names, or a
    function of the same arguments. `impact`, `confidence` and `rationale` may be functions of the arguments
    too. `wait_s`: how long people are waited for before `Held` is raised. `client`: `None` makes one from the
    environment for each call; plain functions take a `Client`, async ones an `AsyncClient`.

    Right before the function runs, vetoes, stops and the arguments are looked at again. Whether it returned
    or raised is reported. Raises `NotAllowed`, `Unreachable`, `Invalid` or `Forbidden`, and the function has
    not run then, except for `Vetoed` with `ran`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise Invalid(
                "a generator runs later than it is called", place=function.__qualname__, cure=_PLAIN
            )
        rule = _Rule(
            function=function,
            signature=inspect.signature(function),
            action=action,
            capability=capability,
            args=args,
            impact=impact,
            confidence=confidence,
            rationale=rationale,
            environment=environment,
        )
        unknown = (
            [] if args is None or callable(args) else [n for n in args if n not in rule.signature.parameters]
        )
        if unknown:
            cure = f"it has {', '.join(rule.signature.parameters) or 'none'}"
            raise Invalid(f"has no argument {unknown[0]}", place=function.__qualname__, cure=cure)
        is_async = inspect.iscoroutinefunction(function)
        if client is not None and not isinstance(client, AsyncClient if is_async else Client):
            cure = "give an async function an AsyncClient, a plain one a Client"
            raise Invalid("the client does not fit the function", place=function.__qualname__, cure=cure)
        make = _async_form if is_async else _plain_form
        return functools.wraps(function)(make(rule, client, wait_s))

    return decorate


_PLAIN: Final = "decorate a function that does it and returns"


def _plain_form(rule: _Rule, client: Any, wait_s: float) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        proposal = rule.proposal(given, named)
        body = proposal.body()
        with contextlib.nullcontext(client) if client is not None else Client() as service:
            block = _EPISODE.get()
            if block is not None and (new := block.untold(service.asker)):
                service.tell(block.name, new)
                block.was_told(service.asker, new[-1])
            decision = service.permission(proposal, wait_s=wait_s)
            rule.unchanged(body, given, named)
            try:
                result = _not_later(rule, rule.function(*given, **named))
            except BaseException as error:
                with _losing_nothing():
                    service.report(decision, ok=False, detail=repr(error))
                raise
            with _losing_nothing():
                service.report(decision, ok=True)
        return result

    return call


def _not_later(rule: _Rule, result: Any) -> Any:
    """Refuse what has not begun, where a decorator hid that it is async: nobody looks again then."""
    if inspect.iscoroutine(result):
        result.close()
        raise Invalid(
            "it returned a coroutine, which runs later than it is called; it was not run",
            place=rule.function.__qualname__,
            cure="put @governed nearest to the function, below other decorators",
        )
    return result


def _async_form(rule: _Rule, client: Any, wait_s: float) -> Callable[..., Any]:
    async def call(*given: Any, **named: Any) -> Any:
        proposal = rule.proposal(given, named)
        body = proposal.body()
        async with contextlib.nullcontext(client) if client is not None else AsyncClient() as service:
            block = _EPISODE.get()
            if block is not None and (new := block.untold(service.asker)):
                await service.tell(block.name, new)
                block.was_told(service.asker, new[-1])
            decision = await service.permission(proposal, wait_s=wait_s)
            rule.unchanged(body, given, named)
            try:
                result = await rule.function(*given, **named)
            except BaseException as error:
                with _losing_nothing():
                    await service.report(decision, ok=False, detail=repr(error))
                raise
            with _losing_nothing():
                await service.report(decision, ok=True)
        return result

    return call


@contextlib.contextmanager
def _losing_nothing() -> Iterator[None]:
    """Keep what the function gave when only the report of it fails: calling it again would do it twice."""
    try:
        yield
    except NotAllowed:
        raise
    except WatchkeeperError as error:
        _LOG.warning("what came of it could not be reported: %s", error)
