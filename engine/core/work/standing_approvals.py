"""Standing approvals: a person's word, given beforehand, for one action with some arguments and a while.

It takes the place of one person's approval and of nothing else: never of votes, of a second person, of class
A, of a stop or a limit. It holds under the policy it was given under, and ends by itself.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import Effect, PerformHeld
from engine.core.vocabulary.facts import HoldEnded, StandingEnded, StandingGiven
from engine.core.vocabulary.ids import ActionName, Digest, PersonId, StandingId
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.vocabulary.units import HOUR_US
from engine.core.vocabulary.verdicts import Verdict
from engine.core.work.hold import rank_of

LONGEST_US: Final = 8 * HOUR_US
"""No standing approval lasts longer than a shift."""
ALONE_US: Final = HOUR_US
"""What lasts longer takes a captain."""
_LONGEST_TEXT: Final = 200
_MANY: Final = "*"


class StandingApproval(Struct, frozen=True, kw_only=True):
    """One that stands."""

    by: PersonId
    role: Role
    action: ActionName
    args: dict[str, str]
    """What arguments must be, by name; a `*` at the end takes every ending. Others may be anything."""
    since_us: int
    until_us: int
    policy_hash: Digest
    reason: str = ""


class StandingApprovals(Struct):
    """All that stand."""

    by_id: dict[StandingId, StandingApproval] = {}


def standing_id(by: PersonId, action: ActionName, at_us: int) -> StandingId:
    """Give a standing approval its id.

    >>> standing_id(PersonId("ann"), ActionName("service.restart"), 0)
    's_3bd5840f'
    """
    told = hashlib.blake2b(f"{by}/{action}/{at_us}".encode(), digest_size=4).hexdigest()
    return StandingId(f"s_{told}")


def too_long(role: Role, lasts_us: int) -> str:
    """Say why nobody of this role gives one for so long; empty when they may.

    >>> too_long("responder", 2 * HOUR_US)
    'for more than an hour it takes a captain'
    """
    if lasts_us > LONGEST_US:
        return "nothing stands for more than 8 hours"
    if lasts_us > ALONE_US and RANKS[role] < RANKS["captain"]:
        return "for more than an hour it takes a captain"
    return ""


def fold_given(standing: StandingApprovals, fact: StandingGiven) -> None:
    """Let it stand."""
    standing.by_id[fact.standing_id] = StandingApproval(
        by=fact.by,
        role=fact.role,
        action=fact.action,
        args=fact.args,
        since_us=fact.at_us,
        until_us=fact.until_us,
        policy_hash=fact.policy_hash,
        reason=fact.reason,
    )


def fold_ended(standing: StandingApprovals, fact: StandingEnded) -> None:
    """Let it stand no longer."""
    standing.by_id.pop(fact.standing_id, None)


def expired(standing: StandingApprovals, at_us: int) -> Iterator[StandingEnded]:
    """Give the end of each whose time is over."""
    for name, each in sorted(standing.by_id.items()):
        if each.until_us <= at_us:
            yield StandingEnded(at_us=at_us, standing_id=name, action=each.action, how="expired")


def comparable(args: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments that a standing approval can name, as it writes them.

    >>> comparable({"service": "web", "replicas": 3, "force": True, "paths": ["a"]})
    {'service': 'web', 'replicas': '3', 'force': 'true'}
    """
    found = {}
    for name, value in args.items():
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, str | int) and len(text := str(value)) <= _LONGEST_TEXT:
            found[name] = text
    return found


def matches(pattern: str, value: str | None) -> bool:
    """Whether an argument is what a pattern names. Where a path climbs, no pattern with a `*` takes it.

    >>> [matches("web-*", one) for one in ("web-1", "db-1", "web-1/../db")], matches("web", "web")
    ([True, False, False], True)
    """
    if value is None:
        return False
    if pattern.endswith(_MANY):
        return value.startswith(pattern.removesuffix(_MANY)) and ".." not in value
    return value == pattern


def let_go(standing: StandingApprovals, verdict: Verdict, args: Mapping[str, Any]) -> HoldEnded | None:
    """Return the end of a hold that has only just begun, if a standing approval covers it.

    `args` are the proposal's.
    """
    found = next(_covering(standing, verdict, args), None)
    if found is None:
        return None
    name, each = found
    because = f": {each.reason}" if each.reason else ""
    return approved_at_once(verdict, each.by, f"standing approval {name}{because}")


def approved_at_once(verdict: Verdict, by: PersonId, reason: str) -> HoldEnded:
    """Return the end of a hold that has only just begun, for one person's word is all it waits for."""
    return HoldEnded(
        at_us=verdict.at_us,
        decision_id=verdict.decision_id,
        proposal_id=verdict.proposal_id,
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        how="approved",
        by=(by,),
        reason=reason,
    )


def performed(action: Action, verdict: Verdict) -> tuple[Effect, ...]:
    """Turn a verdict that was let go into a request; none where the agent does it itself."""
    if action.run is None:
        return ()
    return (
        PerformHeld(
            decision_id=verdict.decision_id,
            proposal_id=verdict.proposal_id,
            agent=verdict.agent,
            capability=verdict.capability,
            action=verdict.action,
            digest=verdict.digest,
            undo=action.undo,
            run=action.run,
        ),
    )


def _covering(
    standing: StandingApprovals, verdict: Verdict, args: Mapping[str, Any]
) -> Iterator[tuple[StandingId, StandingApproval]]:
    if not standing.by_id or verdict.word != "hold" or verdict.shadowed:
        return
    # Whoever changed it is right there, and answers for just this.
    if verdict.changed is not UNSET:
        return
    # What else is going on, stops, breakers and limits, must have nothing against it at all.
    if any(answer.ruling != "allow" for answer in verdict.answers):
        return
    named = comparable(args)
    for name, each in sorted(standing.by_id.items()):
        if (
            each.action == verdict.action
            and each.policy_hash == verdict.policy_hash
            and verdict.at_us < each.until_us
            and _is_enough(each, verdict)
            and all(matches(pattern, named.get(key)) for key, pattern in each.args.items())
        ):
            yield name, each


def _is_enough(each: StandingApproval, verdict: Verdict) -> bool:
    """Whether this one person's approval is all it waits for."""
    if each.by in {verdict.agent, f"agent:{verdict.agent}"}:
        return False
    return all(
        wait.kind == "person"
        and wait.needed == 1
        and not wait.step_up
        and not (wait.without_owner and each.by == verdict.owner)
        and RANKS[each.role] >= rank_of(wait)
        for wait in verdict.waits
    )
