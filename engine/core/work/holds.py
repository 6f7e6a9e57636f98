"""Held decisions: what waits for people, until it is answered or its time is over."""

from collections import OrderedDict

from msgspec import Struct, field

from engine.core.vocabulary.facts import EffectEnded
from engine.core.vocabulary.ids import ActionName, AgentId, DecisionId
from engine.core.vocabulary.verdicts import Verdict, Wait


class Hold(Struct, frozen=True):
    """One decision that waits."""

    since_us: int
    until_us: int
    agent: AgentId
    action: ActionName
    waits: tuple[Wait, ...]
    shadowed: bool


class Holds(Struct):
    """All decisions that wait, the longest waiting first.

    In an `OrderedDict` the first is found at once. A plain one looks through the places of all that went
    before it, which costs more than deciding where thousands wait for a day.
    """

    hold_us: int = 0
    by_id: dict[DecisionId, Hold] = field(default_factory=OrderedDict)


def fold_verdict(holds: Holds, verdict: Verdict) -> None:
    """Begin to wait for what a held verdict names; let go of what has waited too long."""
    by_id = holds.by_id
    while by_id:
        first = next(iter(by_id))
        if by_id[first].until_us > verdict.at_us:
            break
        del by_id[first]
    if verdict.word == "hold":
        by_id[verdict.decision_id] = Hold(
            verdict.at_us,
            verdict.at_us + holds.hold_us,
            verdict.agent,
            verdict.action,
            verdict.waits,
            verdict.shadowed,
        )


def fold_ended(holds: Holds, fact: EffectEnded) -> None:
    """Hold an effect that nobody knows the end of, until a person has looked. Known ends hold nothing."""
    if fact.status == "unknown" and fact.kind != "preview":
        # Anew at the end, for the longest waiting stand first.
        holds.by_id.pop(fact.decision_id, None)
        holds.by_id[fact.decision_id] = Hold(
            fact.at_us,
            fact.at_us + holds.hold_us,
            fact.agent,
            fact.action,
            (Wait(kind="person", role="responder"),),
            shadowed=False,
        )


def trim(holds: Holds, now_us: int) -> None:
    """Let go of everything that has waited too long."""
    for name in [name for name, hold in holds.by_id.items() if hold.until_us <= now_us]:
        del holds.by_id[name]
