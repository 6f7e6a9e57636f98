"""Deciding on one call: propose it, or ask about the proposal that held it, and make the answer a ruling."""

import os
import re
from typing import Final

from msgspec import structs

from bot.hooks.asking import Engine, Said
from bot.hooks.calls import Ruling, ToolCall
from bot.hooks.kept import Kept, Noted, name_of
from engine.core.plain_text import shortened
from engine.core.tool_calls import Table, wish_of

_LONGEST: Final = 1500
_MOST_EPISODE: Final = 200
_NOT_IN_KEY: Final = re.compile(r"[^A-Za-z0-9._~+=-]")
_MOST_KEY: Final = 60


def before(
    agent: str, table: Table, call: ToolCall, engine: Engine, kept: Kept, *, remark: str = ""
) -> Ruling:
    """Say what an agent is told before a call. Raises any error of ours; then the call is blocked.

    `remark` is what people should know of the call, beside what it is.
    """
    wish = wish_of(table, call.tool, call.input)
    same = name_of(agent, table.capability, wish.action, wish.args)
    said = _held_before(same, table, engine, kept)
    if said is None:
        said = engine.propose(
            wish,
            capability=table.capability,
            episode=_episode(call),
            rationale=f"{agent} calls {shortened(call.tool, 80)}" + (f"; {remark}" if remark else ""),
            key=_key(call),
        )
    ruling = _ruling(table, call, said)
    if ruling.kind in {"allow", "ask", "own"} and (stop := engine.stopped(wish, table.capability)):
        return Ruling(kind="deny", reason=f"Watchkeeper: {stop}", decision_id=said.decision_id)
    if said.status == "held" and not said.shadowed:
        kept.note_held(same, said.proposal_id)
    elif ruling.kind == "allow" and said.word == "hold" and not kept.use(same):
        return Ruling(
            kind="deny",
            reason=f"Watchkeeper: the approval of {said.decision_id} was used for the same call just now; "
            "call it again to propose it anew",
            decision_id=said.decision_id,
        )
    if ruling.kind in {"allow", "ask", "own"}:
        asked_as = same if ruling.kind == "ask" else ""
        kept.note_call(_call_name(agent, call), Noted(proposal_id=said.proposal_id, asked_as=asked_as))
    return ruling


def after(agent: str, call: ToolCall, engine: Engine, kept: Kept) -> None:
    """Report how a call went. One that nobody proposed, or whose end nobody knows, is not reported."""
    noted = kept.take_call(_call_name(agent, call))
    if noted is not None and call.ok is not None:
        detail = shortened(call.detail, _LONGEST)
        engine.report(noted.proposal_id, ok=call.ok, detail=detail, at_prompt=bool(noted.asked_as))
        if noted.asked_as:
            # Made again, it is proposed anew.
            kept.use(noted.asked_as)
    kept.tidy()


def _held_before(same: str, table: Table, engine: Engine, kept: Kept) -> Said | None:
    """Return where the proposal stands that held this very call before; `None` to propose it anew."""
    earlier = kept.held(same, table.approval_s)
    if earlier is None:
        return None
    said = engine.known(earlier)
    if said is None or said.status == "expired" or said.word != "hold":
        kept.use(same)
        return None
    if said.status in {"denied", "vetoed", "taken", "replaced", "bypassed"}:
        # It is said once; whoever insists is proposed anew, and people see that.
        kept.use(same)
    return said


def _ruling(table: Table, call: ToolCall, said: Said) -> Ruling:
    kind, about = said.status, said.decision_id
    why = "; ".join(said.reasons)
    if said.word == "deny":
        return _deny(said, f"denied ({about}): {why}")
    if said.shadowed and kind in {"shadowed", "held"}:
        return _in_shadow(table, call, said, why)
    if kind == "granted":
        return Ruling(kind="allow", reason=f"Watchkeeper allowed it ({about})", decision_id=said.decision_id)
    if kind == "held":
        return _held(table, call, said, why)
    if kind in {"queued", "running", "done", "failed", "unknown", "stopped", "refused"}:
        return _deny(
            said,
            f"the engine performs this action itself ({about}, {kind}): nothing is left to do. In "
            "hooks.yaml, map tools to actions without `run`",
        )
    return _deny(said, f"{_ENDED.get(kind, kind)} ({about})" + (f": {why}" if why else ""))


_ENDED: Final = {
    "denied": "a person denied it",
    "vetoed": "a captain vetoed it",
    "expired": "nobody answered in time",
    "taken": "a person did it themselves, or let it run at the agent's own prompt",
    "bypassed": "it was done without leave",
    "replaced": "a person changed it, and it goes on in that form; look at the decision",
}


def _held(table: Table, call: ToolCall, said: Said, why: str) -> Ruling:
    text = f"held as {said.decision_id}: {why}"
    if call.interactive and table.held.interactive == "ask" and said.askable:
        return _said("ask", said, text)
    kind = "defer" if not call.interactive and table.held.headless == "defer" else "deny"
    return structs.replace(_said(kind, said, f"{text}. {_how(said)}"), waits=True)


def _in_shadow(table: Table, call: ToolCall, said: Said, why: str) -> Ruling:
    text = f"decided and logged only ({said.decision_id}): {table.capability} has not earned authority yet"
    if said.status == "held":
        text += f", and a person would be asked: {why}"
    if table.shadowed == "own" and said.status == "shadowed":
        return _said("own", said, text)
    if table.shadowed == "ask" and call.interactive:
        return _said("ask", said, text)
    return _deny(said, f"{text}. See docs/howto/coding-agents.md, Authority")


def _how(said: Said) -> str:
    """Say how to have it approved."""
    where = f", or opens {said.link}" if said.link else "; it takes the service: watchkeeper up"
    return (
        f"To have it approved a person says `/approve {said.decision_id}` in chat or in `watchkeeper chat`"
        f"{where}. Then make the very same call again; do not try another way round"
    )


def _deny(said: Said, text: str) -> Ruling:
    return Ruling(kind="deny", reason=_reason(text), decision_id=said.decision_id)


def _said(kind: str, said: Said, text: str) -> Ruling:
    return Ruling(kind=kind, reason=_reason(text), decision_id=said.decision_id)  # type: ignore[arg-type]  # it is one of Ruling's


def _reason(text: str) -> str:
    return shortened(f"Watchkeeper: {text}", _LONGEST)


def _episode(call: ToolCall) -> str:
    return call.session if len(call.session) <= _MOST_EPISODE else name_of(call.session)


def _key(call: ToolCall) -> str:
    """Return an idempotency key: the agent's own id of the call, or chance where it has none.

    With the digest of the session: an id need not be unique beyond it.
    """
    own = _NOT_IN_KEY.sub("_", call.call_id)[:_MOST_KEY] or os.urandom(10).hex()
    return f"{name_of(call.session)[:12]}.{own}"


def _call_name(agent: str, call: ToolCall) -> str:
    """Name a call before and after it ran: by its id, or by what it is where it has none."""
    if call.call_id:
        return name_of(agent, call.session, call.call_id)
    return name_of(agent, call.session, call.tool, call.input)
