"""Needs: what needs a person right now, by what the journal adds up to.

It is asked for the whole of them, again and again: so a need that a crash kept from being raised is raised by
the next look, and one that is over is seen to be.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from engine.core.state import State
from engine.core.vocabulary.escalations import EscalationKind
from engine.core.vocabulary.ids import DecisionId
from engine.core.work.contests import Contests, behind
from engine.core.work.escalations.standing import Need
from engine.core.work.hold import PEOPLE, Hold, is_recommended, missing

CLEARED: frozenset[EscalationKind] = frozenset({"decision", "trouble", "channel"})
"""Kinds of which state says whether they still stand. The others stand until a word ends them."""


def standing(state: State, now_us: int) -> Iterator[str]:
    """Give the key of everything that needs a person now."""
    for decision, hold in state.holds.by_id.items():
        if hold.is_open(now_us):
            yield f"decision:{decision}"
    for name in state.troubles.by_name:
        yield f"trouble:{name}"
    for channel, failing in state.escalations.failures.items():
        if failing.is_dead:
            yield f"channel:{channel}"
    yield from state.escalations.wanted


def need_of(state: State, key: str, reasons: tuple[str, ...] = ()) -> Need:
    """Say what is needed. `reasons` are a decision's own, from its verdict.

    Raises `KeyError` for a key that does not stand.
    """
    kind, _, name = key.partition(":")
    if key in state.escalations.wanted:
        return state.escalations.wanted[key]
    if kind == "decision":
        return _decision(state.contests, DecisionId(name), state.holds.by_id[DecisionId(name)], reasons)
    if kind == "trouble":
        trouble = state.troubles.by_name[name]
        summary = f"trouble with the {name}: no effect starts until it is gone"
        return Need(
            key=key,
            group=key,
            kind="trouble",
            severity="critical",
            about=name,
            summary=summary,
            evidence=(trouble.detail,),
        )
    failing = state.escalations.failures[name]
    return Need(
        key=key,
        group=key,
        kind="channel",
        severity="warning",
        about=name,
        summary=f"the channel {name} sends nothing",
        evidence=(f"{failing.count} failures in a row, the last: {failing.detail}",),
    )


def _decision(contests: Contests, decision: DecisionId, hold: Hold, reasons: tuple[str, ...]) -> Need:
    waits = " and ".join(missing(hold, paused=False, behind=behind(contests, decision))) or "a word"
    doing = f"the end of {hold.action}" if hold.effect_id is not None else hold.action
    need = Need(
        key=f"decision:{decision}",
        group=f"episode:{hold.episode}" if hold.episode else f"decision:{decision}",
        kind="decision",
        severity="warning" if _needs_somebody(hold) else "info",
        about=decision,
        summary=f"{doing} by {hold.agent} waits for {waits}",
        evidence=reasons[:2],
        deadline_us=hold.until_us,
        then="it stays undone" if hold.effect_id is None else "nobody has looked at it",
        by=hold.agent,
        capability=hold.capability,
        action=hold.action,
    )
    return _for_captain(contests, decision, need)


def _for_captain(contests: Contests, decision: DecisionId, need: Need) -> Need:
    """Have a captain woken where a ballot decided nothing: once for all that were on it."""
    wanted = contests.of(decision)
    waiting = wanted.waiting.get(decision) if wanted is not None else None
    if wanted is None or waiting is None:
        return need
    need_it = replace(need, group=f"resource:{waiting.touches.resource}", severity="warning")
    contest = wanted.contest
    if contest is not None and contest.undecided and decision in contest.tied:
        return replace(
            need_it,
            evidence=(contest.undecided,),
            deadline_us=contest.captain_until_us,
            then="the highest priority score decides, else the failsafe",
        )
    return need_it if waiting.stuck else need


def _needs_somebody(hold: Hold) -> bool:
    """Whether it goes nowhere without a person. Recommendations need nobody, and others may vote first."""
    waits = [wait.kind for wait in hold.waits]
    return not is_recommended(hold) and (hold.vote_over or any(kind in PEOPLE for kind in waits))


def is_answerable(hold: Hold) -> bool:
    """Whether one person's plain word decides: it wants no code, no second person, no votes and no action."""
    return bool(hold.waits) and all(
        wait.kind == "person" and wait.needed == 1 and not wait.step_up for wait in hold.waits
    )
