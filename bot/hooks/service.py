"""Asking a running service, over HTTP on this machine, with nothing but the standard library."""

import http.client
import json
from pathlib import Path
from typing import Any, Final

from bot.hooks.asking import Said
from bot.http_api.address import Address, read_address
from engine.adapters.fence_files import FileFence
from engine.core.tool_calls import Wish
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, ProposalId, decision_id
from engine.errors import InputError, Unreachable
from engine.runtime.layout import Layout

_MOST_BYTES: Final = 8 << 20


class Service:
    """One running service."""

    def __init__(self, layout: Layout, address: Address, token: str, timeout_s: float) -> None:
        """Connect. Raises `OSError` when nobody listens there: then no service runs."""
        self._layout, self._address, self._token = layout, address, token
        self._agent = AgentId("")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - as it listens
        if address.certificate:
            trust = address.trust()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, address.port, timeout=timeout_s, context=trust if not isinstance(trust, bool) else None
            )
        else:
            self._connection = http.client.HTTPConnection(host, address.port, timeout=timeout_s)
        self._connection.connect()

    def propose(self, wish: Wish, *, capability: str, episode: str, rationale: str, key: str) -> Said:
        """Propose something. Raises `InputError` when it is refused, `Unreachable` without an answer."""
        body: dict[str, Any] = {
            "action": wish.action,
            "args": wish.args,
            "capability": capability,
            "impact": {"cost_usd": wish.cost_usd, "files": wish.files, "api_calls": wish.api_calls},
            "episode": episode,
            "rationale": rationale,
        }
        if wish.confidence is not None:
            body["confidence"] = wish.confidence
        return self._said(self._ask("POST", "/v1/proposals", body, key))

    def known(self, proposal_id: str) -> Said | None:
        """Say where an earlier proposal stands; `None` when there is none."""
        answer = self._ask("GET", f"/v1/decisions/{decision_id(ProposalId(proposal_id))}", missing=True)
        return self._said(answer) if answer else None

    def stopped(self, wish: Wish, capability: str) -> str:
        """Say which stop covers it now, looking at the fence itself; empty when none does."""
        for stop in FileFence(self._layout.stops).stops():
            if stop.scope.covers(self._agent, CapabilityId(capability), ActionName(wish.action)):
                return f"{stop.by} stopped {stop.scope}"
        return ""

    def report(self, proposal_id: str, *, ok: bool, detail: str, at_prompt: bool) -> None:
        """Say what came of something. Raises as `propose` does."""
        said = {"ok": ok, "detail": detail, "at_prompt": at_prompt}
        self._ask("POST", f"/v1/proposals/{proposal_id}/outcome", said)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        key: str = "",
        *,
        missing: bool = False,
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Idempotency-Key": key} if key else {}
        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        try:
            self._connection.request(method, path, content, headers)
            answer = self._connection.getresponse()
            text = answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"no answer: {error}", place=self._address.url, cure="see `watchkeeper status`"
            ) from error
        if missing and answer.status == http.client.NOT_FOUND:
            return {}
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Unreachable(
                f"answered {answer.status}, and nothing that we know",
                place=self._address.url,
                cure="see `watchkeeper status`",
            )
        if answer.status >= http.client.BAD_REQUEST:
            faults = "; ".join(
                f"{fault.get('pointer', '')}: {fault.get('detail', '')}" for fault in said.get("faults", ())
            )
            detail = ": ".join(filter(None, (str(said.get("detail", answer.status)), faults)))
            raise InputError(detail, cure=said.get("cure") or None)
        return said

    def _said(self, answer: dict[str, Any]) -> Said:
        waits = answer["waits"]
        self._agent = AgentId(answer["agent"])
        return Said(
            proposal_id=answer["proposal_id"],
            decision_id=answer["decision_id"],
            word=answer["word"],
            status=answer["status"],
            shadowed=answer["shadowed"],
            reasons=tuple(reason["reason"] for reason in answer["reasons"] if reason["reason"]),
            askable=bool(waits) and all(map(_is_askable, waits)),
            policy_hash=answer["policy_hash"],
            link=f"{self._address.url}/decisions/{answer['decision_id']}",
        )


def _is_askable(wait: dict[str, Any]) -> bool:
    """Whether one responder's word, without a code, is what a decision waits for."""
    return (
        wait["kind"] == "person"
        and wait["role"] == "responder"
        and wait.get("needed", 1) == 1
        and not wait.get("without_owner")
        and not wait.get("step_up")
    )


def running(home: Path, token: str, timeout_s: float) -> Service | None:
    """Connect to the service of a state folder; `None` when none listens. Raises `InputError`."""
    layout = Layout(home)
    address = read_address(layout.address)
    if address is None:
        return None
    try:
        return Service(layout, address, token, timeout_s)
    except (ConnectionRefusedError, FileNotFoundError):
        # It was killed and left its address behind.
        return None
