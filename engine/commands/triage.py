"""Triage: what waits for people in the order in which it is best looked at, and equal waits together."""

import hashlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from engine.commands import catalogue as c
from engine.commands.model import Asker, Confirm, Reply, Table
from engine.commands.tools import Tools
from engine.core.plain_text import count_text
from engine.core.vocabulary.actions import RISK_RANK
from engine.core.vocabulary.ids import DecisionId
from engine.errors import InputError
from engine.runtime import wire

MOST_WAITING: Final = 1_000
"""How many waits are looked through at most."""
MOST_AT_ONCE: Final = 50
"""How many are approved by one press: as many as somebody can look over."""


class Group(Struct, frozen=True, kw_only=True):
    """Equal waits: one action of one capability, held by the same rules."""

    name: str
    holds: tuple[wire.HoldShown, ...]
    """The most pressing first."""


def in_order(holds: Sequence[wire.HoldShown]) -> list[wire.HoldShown]:
    """Put waits into order: the riskiest first, of equal risk whose time is over first."""
    return sorted(holds, key=lambda hold: (-RISK_RANK[hold.risk], hold.until_us, hold.decision_id))


def grouped(holds: Sequence[wire.HoldShown]) -> list[Group]:
    """Put equal waits together, in the order of the most pressing of each."""
    found: dict[str, list[wire.HoldShown]] = {}
    for hold in in_order(holds):
        found.setdefault(name_of(hold), []).append(hold)
    return [Group(name=name, holds=tuple(each)) for name, each in found.items()]


def name_of(hold: wire.HoldShown) -> str:
    """Name the group a wait belongs to: `g_` and eight signs."""
    # What waits for a look at an effect is another question than what waits to run.
    parts = (hold.action, hold.capability, hold.rule, "looked" if hold.effect_id is not None else "")
    return "g_" + hashlib.blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()


def may_go_together(group: Group) -> bool:
    """Whether one press may approve all of it: class A is looked at one by one, each with a code."""
    return len(group.holds) > 1 and not any(wait.step_up for hold in group.holds for wait in hold.waits)


async def waiting(tools: Tools) -> wire.HoldList:
    """Return all that waits."""
    return await tools.ask(wire.GetHolds(most=MOST_WAITING), wire.HoldList)


async def before_approve_all(tools: Tools, asker: Asker, said: c.ApproveAll) -> Confirm:
    """Show exactly which would be approved, and bind the answer to these."""
    found = [group for group in grouped((await waiting(tools)).holds) if group.name == said.group]
    if not found:
        raise InputError(f"nothing of group {said.group} waits", cure="/decisions shows what does")
    group = found[0]
    if not may_go_together(group):
        raise InputError("these are approved one by one", cure=f"/approve {group.holds[0].decision_id}")
    holds = group.holds[:MOST_AT_ONCE]
    first = holds[0]
    shown = "\n".join(f"{hold.decision_id}  {hold.agent}, {hold.risk.value}" for hold in holds)
    bound = ",".join(f"{hold.decision_id}:{hold.digest[:16]}" for hold in holds)
    return Confirm(
        title=f"Approve {count_text(len(holds), 'decisions')}?",
        text=f"Each is {first.action} of {first.capability}, held by {first.rule}. Each is answered and "
        f"journaled by itself, and none that is not here:\n{shown}",
        yes=f"Approve all {len(holds)}",
        instead=f"approve-all {group.name} {bound}",
    )


async def approve_all(tools: Tools, asker: Asker, said: c.ApproveAll) -> Reply:
    """Approve each of those that were shown, bound to what was shown."""
    bound = dict(one.split(":", 1) for one in said.shown.split(",") if ":" in one)
    by_id = {hold.decision_id: hold for hold in (await waiting(tools)).holds}
    rows = []
    for decision, digest in bound.items():
        hold = by_id.get(DecisionId(decision))
        if hold is None or not hold.digest.startswith(digest) or name_of(hold) != said.group:
            rows.append((decision, "no", "it does not wait as it was shown"))
            continue
        answer = await tools.ask(
            wire.AnswerHold(
                decision_id=hold.decision_id,
                by=asker.person,
                role=asker.role,
                answer="approve",
                digest=hold.digest,
                reason=said.reason,
            ),
            wire.HoldAnswer,
        )
        rows.append((decision, "yes" if answer.counted else "no", answer.reason))
    counted = sum(row[1] == "yes" for row in rows)
    return Reply(
        title=f"{asker.person} approved {counted} of {len(rows)}",
        outcome="done" if counted else "refused",
        tone="good" if counted == len(rows) else "warning",
        table=Table(columns=("decision", "counted", "what next"), rows=tuple(rows)),
        private=False,
    )
