"""Rollouts as the engine keeps them: people ask, evidence answers, and everybody is told."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, Final

from msgspec import structs

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.rollouts import Stage
from engine.core.work.endings import ENGINE
from engine.core.work.rollout.showing import confounded, names, show
from engine.errors import InputError
from engine.ports import Announcer
from engine.runtime import wire
from engine.runtime.intake import Intake

_NEEDS_VERSION: Final = "such as heal@2"


class RolloutKeeper:
    """Takes what people want of rollouts, and says how they stand."""

    def __init__(self, intake: Intake, now_us: Callable[[], int], announcer: Announcer) -> None:
        """Share the engine's intake and clock."""
        self._intake, self._now_us, self._announcer = intake, now_us, announcer
        self._taken = count()

    def handlers(self) -> dict[type[wire.Request], Callable[[Any], Awaitable[wire.AnyAnswer]]]:
        """Say which request is answered by what."""
        return {
            wire.Promote: self.promote,
            wire.Abort: self.abort,
            wire.PauseRollout: self.pause,
            wire.ResumeRollout: self.resume,
            wire.TellReplay: self.replayed,
            wire.ActIncumbent: self.incumbent,
            wire.GetRollouts: self.show,
            wire.GetPlan: self.plan,
        }

    async def promote(self, request: wire.Promote) -> wire.Stepped:
        """Take the next step if the evidence carries it; otherwise say what is missing.

        Raises `InputError` for a name without a version.
        """
        if "@" not in request.capability:
            raise InputError("name the version too", place=request.capability, cure=_NEEDS_VERSION)
        asked = f.PromotionAsked(
            at_us=self._now_us(), capability=request.capability, by=request.by, reason=request.reason
        )
        # A step begins its counts anew, so this is asked before.
        doubt = confounded(self._intake.state.rollouts, capability_name(request.capability))
        for fact in await self._take(f"asked:{request.capability}", asked):
            if isinstance(fact, f.PromotionRefused):
                return wire.Stepped(
                    capability=fact.capability,
                    was=fact.stage,
                    now=fact.stage,
                    moved=False,
                    reason=fact.reason,
                    evidence=fact.evidence,
                    likely_us=fact.likely_us,
                    confounded=doubt,
                )
            if isinstance(fact, f.StageChanged):
                return _stepped(fact, doubt)
        raise InputError("nothing followed from it", place=request.capability, cure="ask again")

    async def abort(self, request: wire.Abort) -> wire.Stepped:
        """Take authority away at once. Raises `InputError` when nobody of that name has any."""
        name, known = capability_name(request.capability), self._intake.state.rollouts
        if name not in known.live and name not in known.candidates:
            raise _powerless(name)
        fact = f.RolloutAborted(at_us=self._now_us(), capability=name, by=request.by, reason=request.reason)
        for followed in await self._take(f"aborted:{name}", fact):
            if isinstance(followed, f.StageChanged):
                return _stepped(followed)
        raise _powerless(name)

    async def pause(self, request: wire.PauseRollout) -> wire.Done:
        """Hold a capability back for one reason more."""
        name = capability_name(request.capability)
        if not request.reason.strip():
            raise InputError("a pause needs a reason", place=name, cure="it is lifted by the same one")
        fact = f.RolloutPaused(at_us=self._now_us(), capability=name, reason=request.reason, by=request.by)
        await self._take(f"paused:{name}", fact)
        return wire.Done()

    async def resume(self, request: wire.ResumeRollout) -> wire.Done:
        """Lift one reason, or all when none is named. Raises `InputError` for one that does not hold it."""
        name = capability_name(request.capability)
        held = self._intake.state.rollouts.paused.get(name, {})
        if not held or (request.reason and request.reason not in held):
            known = "; ".join(sorted(held)) or "none"
            raise InputError("it is not paused for that", place=name, cure=f"reasons that hold it: {known}")
        for reason in [request.reason] if request.reason else sorted(held):
            fact = f.RolloutResumed(at_us=self._now_us(), capability=name, reason=reason, by=request.by)
            await self._take(f"resumed:{name}", fact)
        return wire.Done()

    async def replayed(self, request: wire.TellReplay) -> wire.Replayed:
        """Take what a replay showed. Begins a rollout when it shows enough."""
        before = self._stage(request.fact.capability)
        fact = structs.replace(request.fact, at_us=self._now_us())
        followed = await self._take(f"replayed:{fact.capability}", fact)
        begun = any(isinstance(each, f.StageChanged) for each in followed)
        return wire.Replayed(begun=begun, was=before, now=self._stage(fact.capability))

    async def incumbent(self, request: wire.ActIncumbent) -> wire.Done:
        """Take what people, or a program nobody governs, did in an episode."""
        fact = f.IncumbentActed(
            at_us=self._now_us(),
            episode=request.episode,
            capability=capability_name(request.capability),
            action=request.action,
            args=request.args,
            ok=request.ok,
            by=request.by,
        )
        await self._take(f"incumbent:{request.episode}", fact)
        return wire.Done()

    async def show(self, request: wire.GetRollouts) -> wire.RolloutList:
        """Say how one rollout stands, or all. Raises `InputError` for a name nobody knows."""
        rollouts, now_us = self._intake.state.rollouts, self._now_us()
        known = names(rollouts)
        wanted = [capability_name(request.capability)] if request.capability else known
        if request.capability and wanted[0] not in known:
            raise InputError(
                "no such capability has a rollout or is live",
                place=request.capability,
                cure=f"known: {', '.join(known) or 'none'}; see `watchkeeper rollout plan`",
            )
        return wire.RolloutList(rollouts=tuple(show(rollouts, name, now_us) for name in wanted))

    async def plan(self, request: wire.GetPlan) -> wire.Planned:
        """Say what a capability has to show: also one that nobody heard of yet."""
        settings, name = self._intake.state.rollouts.settings, capability_name(request.capability)
        return wire.Planned(plan=settings.plan_of(name), established=settings.established_as(name))

    def tell(self, facts: Sequence[f.Fact]) -> None:
        """Tell people what happened to rollouts."""
        for fact in facts:
            if isinstance(fact, f.StageChanged):
                text = f"{fact.capability} went from {fact.was} to {fact.now} ({fact.by}): {fact.reason}"
                self._announcer.announce("rollout", text, urgent=fact.now == "rolled_back")
            elif isinstance(fact, f.PromotionRefused):
                text = f"{fact.capability} stays in {fact.stage}, though {fact.by} asked: {fact.reason}"
                self._announcer.announce("rollout", text)
            elif isinstance(fact, f.PromotionReady):
                text = (
                    f"{fact.capability} may go to {fact.stage}: watchkeeper canary promote {fact.capability}"
                )
                self._announcer.announce("rollout", text)
            elif isinstance(fact, f.RolloutPaused) and fact.by == ENGINE:
                text = f"{fact.capability} is paused, for its numbers cannot be trusted: {fact.reason}"
                self._announcer.announce("rollout", text, urgent=True)

    def _stage(self, capability: CapabilityId) -> Stage:
        candidate = self._intake.state.rollouts.candidate_of(capability)
        return candidate.stage if candidate is not None else "unproven"

    async def _take(self, key: str, fact: f.Fact) -> tuple[f.Fact, ...]:
        # Two people may want the same within one commit, and each gets an answer: the place in the journal
        # alone would make one wish of them.
        place = f"{self._intake.journal.head().seq}:{next(self._taken)}"
        taken = await self._intake.take(f"{key}:{place}", fact)
        return taken.decisions.facts


def _stepped(fact: f.StageChanged, doubt: str = "") -> wire.Stepped:
    return wire.Stepped(
        capability=fact.capability,
        was=fact.was,
        now=fact.now,
        moved=True,
        reason=fact.reason,
        evidence=fact.evidence,
        likely_us=None,
        confounded=doubt,
    )


def _powerless(name: CapabilityName) -> InputError:
    return InputError("it has no rollout and nothing live", place=name, cure="watchkeeper canary status")
