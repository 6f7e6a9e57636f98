"""The line of a body to its engine: HTTP requests that go out, and nothing that comes in.

To the executor it is what the engine's socket is to a worker of the engine's machine.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, TypeVar

import httpx
import msgspec
from msgspec import Struct, structs

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.ids import ActionName, EffectId
from engine.errors import EffectRefused, Forbidden, InputError, LeaseLost, Stopped, Unreachable
from engine.ports import Stop
from engine.runtime import wire

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
_USUAL_S: Final = 10.0
# The engine speaks four times a second: a line that is silent for this long is dead, whatever TCP believes.
_SILENT_S: Final = 2.0
_PAUSE_S: Final = (0.05, 1.0)
_SHORT: Final = 2_000
"""Signs left of what is too long for the other side to take."""
_TOO_MUCH: Final = frozenset({413, 422})


class Self(Struct, frozen=True, kw_only=True):
    """Whom our token speaks for, as the engine says."""

    name: str
    pools: tuple[str, ...]
    version: str
    actions: tuple[Action, ...] = ()


class _Work(Struct, frozen=True, kw_only=True):
    effects: tuple[wire.LeasedEffect, ...]
    lease_s: float


class _Over(Struct, frozen=True, kw_only=True):
    lost: tuple[EffectId, ...]


class _Stops(Struct, frozen=True, kw_only=True):
    stops: tuple[Stop, ...]


class _Problem(Struct, frozen=True, kw_only=True):
    type: str
    detail: str
    cure: str = ""
    place: str = ""


class BodyLine:
    """Asks one engine. Each request stands for itself, and is safe to say again."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        run: str,
        version: str = "",
        accepts: tuple[ActionName, ...] = (),
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
    ) -> None:
        """Nothing is connected yet. `run` names this run; `accepts` is told to people over there."""
        self._url, self._run, self._version, self._accepts = url, run, version, accepts
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            verify=verify,
            proxy=proxy,
            trust_env=False,
            timeout=_USUAL_S,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def oneself(self) -> Self:
        """Ask who we are. Raises `Forbidden` when the token opens nothing, and `Unreachable`."""
        return self._decoded(await self._sent("GET", "self", None, _USUAL_S), Self)

    async def ask(self, request: wire.AnyRequest, *, timeout_s: float | None = None) -> wire.AnyAnswer:
        """Ask and return the answer, as the engine's own client does. Raises as that."""
        patience = _USUAL_S if timeout_s is None else timeout_s
        match request:
            case wire.Lease():
                asked = {
                    "run": self._run, "most": request.most, "wait_s": request.wait_s,
                    "version": self._version, "accepts": self._accepts,
                }  # fmt: skip
                work = self._decoded(await self._sent("POST", "work", asked, patience), _Work)
                return wire.Leased(effects=work.effects, lease_s=work.lease_s)
            case wire.Renew():
                leases = [{"effect_id": name, "token": token} for name, token in request.tokens.items()]
                asked = {"run": self._run, "leases": leases}
                over = self._decoded(await self._sent("POST", "renew", asked, patience), _Over)
                return wire.Renewed(lost=over.lost)
            case wire.Start() | wire.GiveBack():
                where = "begin" if isinstance(request, wire.Start) else "return"
                asked = {"effect_id": request.effect_id, "token": request.token}
                await self._done(where, asked, patience)
            case wire.End():
                await self._end(request, patience)
            case _:
                raise InputError(f"a body does not ask for {type(request).__name__}")
        return wire.Done()

    async def get(
        self, kind: type[_Answer], request: wire.AnyRequest, *, timeout_s: float | None = None
    ) -> _Answer:
        """Ask for an answer of one kind. Raises as `ask` does."""
        said = await self.ask(request, timeout_s=timeout_s)
        if not isinstance(said, kind):
            raise self._unreachable(f"it answered {type(said).__name__}")
        return said

    async def _end(self, request: wire.End, patience: float) -> None:
        told = {"effect_id": request.effect_id, "token": request.token, "status": request.status}
        try:
            await self._done("end", told | {"result": request.result}, patience)
        except _TooMuchError:
            # Better that it ended and how than nothing: what it printed may be cut.
            result = request.result
            short = structs.replace(result, output=result.output[:_SHORT], error=result.error[:_SHORT])
            await self._done("end", told | {"result": short}, patience)

    async def listen(self, hear: Callable[[tuple[Stop, ...]], None]) -> None:
        """Hear of stops until cancelled, over a connection that is made again whenever it is lost."""
        pause = _PAUSE_S[0]
        while True:
            try:
                timeout = httpx.Timeout(_USUAL_S, read=_SILENT_S)
                async with self._http.stream("GET", "/v1/body/stops", timeout=timeout) as answer:
                    if answer.status_code != httpx.codes.OK:
                        await answer.aread()
                        raise self._refusal(answer)
                    async for line in answer.aiter_lines():
                        if line.startswith("data: "):
                            hear(msgspec.json.decode(line[6:], type=_Stops).stops)
                            pause = _PAUSE_S[0]
            except (httpx.HTTPError, msgspec.DecodeError, OSError) as error:
                _log.info("the engine is not heard: %s", str(error) or type(error).__name__)
            except (Forbidden, Unreachable, EffectRefused, LeaseLost, InputError) as refused:
                _log.warning("the engine is not heard: %s", refused)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE_S[1])

    async def _done(self, where: str, body: object, timeout_s: float) -> None:
        """Say something. Raises `Unreachable` for any answer but the engine's own that it is on disk."""
        answer = await self._sent("POST", where, body, timeout_s)
        if answer.status_code != httpx.codes.NO_CONTENT:
            raise self._unreachable(f"it answered {answer.status_code}, not as Watchkeeper does")

    def _decoded(self, answer: httpx.Response, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            # Whoever answered is no Watchkeeper: a proxy on the way, or another service.
            raise self._unreachable(f"it answered what is not Watchkeeper's: {wrong}") from wrong

    async def _sent(self, method: str, where: str, body: object, timeout_s: float) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = await self._http.request(method, f"/v1/body/{where}", content=content, timeout=timeout_s)
        except (httpx.HTTPError, OSError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        if not answer.is_success:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: httpx.Response) -> Exception:
        try:
            problem = msgspec.json.decode(answer.content, type=_Problem)
        except msgspec.DecodeError:
            # Whoever answered is no Watchkeeper: a proxy on the way, or another service.
            return self._unreachable(f"it answered {answer.status_code}, not as Watchkeeper does")
        if answer.status_code in {401, 403}:
            kind: type[Exception] = Forbidden
        elif answer.status_code in _TOO_MUCH:
            kind = _TooMuchError
        else:
            kind = _KINDS.get(problem.type.rpartition(":")[2], Unreachable)
        return kind(problem.detail, place=problem.place or self._url, cure=problem.cure)  # type: ignore[call-arg]  # all of ours

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(
            f"the engine does not answer: {why}",
            place=self._url,
            cure="is this its address, and can it be reached from here?",
        )


class _TooMuchError(InputError):
    """What was sent is longer than the other side takes."""


_KINDS: Final[dict[str, type[Exception]]] = {
    "stopped": Stopped,
    "lease-lost": LeaseLost,
    "refused": EffectRefused,
}
