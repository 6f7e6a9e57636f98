"""Standing approvals as the engine keeps them: people give and revoke them."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import UnsetType

from engine.core.policy import Policy
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.ids import StandingId
from engine.core.vocabulary.units import MINUTE_US, duration_text
from engine.core.work.standing_approvals import StandingApproval, standing_id, too_long
from engine.errors import InputError
from engine.ports import Announcer
from engine.runtime import wire
from engine.runtime.intake import Intake

MOST: Final = 100
"""How many may stand at once: each is asked of every decision that waits."""


class StandingKeeper:
    """Takes what people say beforehand."""

    def __init__(
        self, policy: Policy, intake: Intake, now_us: Callable[[], int], announcer: Announcer
    ) -> None:
        """Share the engine's intake and clock."""
        self._policy, self._intake, self._now_us, self._announcer = policy, intake, now_us, announcer

    def handlers(self) -> dict[type[wire.Request], Callable[[Any], Awaitable[wire.AnyAnswer]]]:
        """Say which request is answered by what."""
        return {
            wire.GiveStanding: self.give,
            wire.RevokeStanding: self.revoke,
            wire.GetStanding: self.show,
        }

    async def give(self, request: wire.GiveStanding) -> wire.StandingShown:
        """Let an approval stand. Raises `InputError` for what nobody may approve beforehand."""
        self._check(request)
        now_us = self._now_us()
        fact = f.StandingGiven(
            at_us=now_us,
            standing_id=standing_id(request.by, request.action, now_us),
            by=request.by,
            role=request.role,
            action=request.action,
            args=request.args,
            until_us=now_us + request.minutes * MINUTE_US,
            policy_hash=self._policy.policy_hash,
            reason=request.reason,
        )
        if request.only_asked:
            return _shown(fact.standing_id, fact)
        await self._intake.take(f"standing:{fact.standing_id}", fact)
        lasts = duration_text(request.minutes * 60)
        self._announcer.announce("answered", f"{fact.by} approves {fact.action} beforehand for {lasts}")
        return _shown(fact.standing_id, fact)

    async def revoke(self, request: wire.RevokeStanding) -> wire.Done:
        """End one at once. Raises `InputError` when none of that id stands."""
        each = self._intake.state.standing.by_id.get(request.standing_id)
        if each is None:
            raise InputError(
                f"no standing approval {request.standing_id}", cure="/standing list shows those there are"
            )
        fact = f.StandingEnded(
            at_us=self._now_us(),
            standing_id=request.standing_id,
            action=each.action,
            how="revoked",
            by=request.by,
            reason=request.reason,
        )
        await self._intake.take(f"standing:{request.standing_id}:revoked", fact)
        return wire.Done()

    async def show(self, _request: wire.GetStanding | None = None) -> wire.StandingList:
        """Say what stands, the next to end first."""
        now_us, by_id = self._now_us(), self._intake.state.standing.by_id
        open_now = [_shown(name, each) for name, each in by_id.items() if each.until_us > now_us]
        shown = sorted(open_now, key=lambda each: (each.until_us, each.standing_id))
        return wire.StandingList(standing=tuple(shown))

    def _check(self, request: wire.GiveStanding) -> None:
        action = self._policy.actions.get(request.action)
        if action is None:
            known = ", ".join(sorted(self._policy.actions))
            raise InputError(f"the registry has no {request.action}", cure=f"one of {known}")
        if against := _never(action) or too_long(request.role, request.minutes * MINUTE_US):
            raise InputError(against, place=request.action, cure="approve each as it comes")
        if unknown := sorted(request.args.keys() - action.parameters.keys()):
            known = ", ".join(action.parameters) or "none"
            raise InputError(f"{request.action} takes no {', '.join(unknown)}", cure=f"it takes {known}")
        for name, pattern in request.args.items():
            if action.parameters[name].type == "command" and pattern.endswith("*"):
                raise InputError(
                    f"{name}={pattern} would approve whatever is written behind it, any other command too",
                    place=request.action,
                    cure="give the whole command, or none",
                )
        if len(self._intake.state.standing.by_id) >= MOST:
            raise InputError(f"{MOST} stand already", cure="/standing revoke those that are done with")


def _shown(name: StandingId, each: StandingApproval | f.StandingGiven) -> wire.StandingShown:
    return wire.StandingShown(
        standing_id=name,
        by=each.by,
        role=each.role,
        action=each.action,
        args=each.args,
        until_us=each.until_us,
        reason=each.reason,
    )


def _never(action: Action) -> str:
    """Say why nobody approves this action beforehand; empty where somebody may."""
    rule = action.approval
    if not isinstance(rule, UnsetType) and rule.approval_class == "A":
        return f"{action.name} is of class A: it is approved each time, by two people"
    if not isinstance(rule, UnsetType) and rule.needed > 1:
        return f"{action.name} takes {rule.needed} people, and one cannot speak for them all"
    return ""
