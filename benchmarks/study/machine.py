"""Does the engine end the same? Whole rollouts go through `decide` and `evolve`, from shadow to their end.

A canary's episodes are proposed, decided, assigned by the product's own hash, acted on and reported; time
passes; every step is the engine's own `StageChanged`. What it saw is then handed to the arrays of the study,
as a world that is told rather than drawn. Ends, moments and the evidence in the facts have to be the same.
"""

from collections import deque
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np

from benchmarks.study.product import PLAN, RAMP, Array
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, UNDECIDED, Climb, Log
from benchmarks.study.worlds import Dice, Next
from engine.core.decide import FOLLOWED, decide
from engine.core.evolve import evolve
from engine.core.policy import Policy, Remembered
from engine.core.state import State
from engine.core.statistics import risk_ratio
from engine.core.vocabulary.facts import (
    Fact,
    IncumbentActed,
    OutcomeReported,
    PromotionAsked,
    ProposalReceived,
    StageChanged,
    TimePassed,
    VerdictReached,
)
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    CapabilityName,
    EpisodeId,
    ProposalId,
)
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.rollouts import SHARES, Requirement, RolloutSettings
from engine.core.vocabulary.units import SECOND_US
from engine.core.vocabulary.verdicts import Verdict
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy

_NEW, _OLD, _NAME = CapabilityId("heal@2"), CapabilityId("heal@1"), CapabilityName("heal")
_ACTION, _ARGS = ActionName("cache.clear"), {"service": "web"}
_BEGIN_US = 1_770_000_000 * SECOND_US
_EVERY_US = 10 * SECOND_US

WORLDS = ((0.15, 1.0), (0.12, 1.25), (0.05, 5.0), (0.25, 1.0))
"""How often the incumbent fails, and how many times as often the canary: much, so that all end soon. In the
last both fail more often than `most_failing`, so control excuses the canary."""


@cache
def _policy() -> Policy:
    """The shipped policy, with steps taken by themselves, and neither limits nor a breaker in the way."""
    shipped = build_policy(read_policy(SHIPPED_POLICY))
    plan = msgspec.structs.replace(
        PLAN, automatic=True, replay_decisions=0, shadow_us=0, horizon_us=5 * SECOND_US
    )
    return msgspec.structs.replace(
        shipped,
        limits=(),
        breaker=msgspec.structs.replace(shipped.breaker, failures_to_open=10**9),
        rollouts=RolloutSettings(plan=plan, established=(_OLD,)),
    )


class Rollout:
    """One canary in a state of its own."""

    def __init__(self, name: str) -> None:
        self._name, self._policy, self._known = name, _policy(), Remembered()
        self._state, self._now_us = State(), _BEGIN_US
        evolve(self._state, self._policy.adopted(self._now_us))
        self.changes: list[tuple[int, StageChanged]] = []
        """Each step, and after how many episodes of the canary stages it came."""
        self.seen: list[tuple[bool, bool]] = []
        """Each of those: whether the canary had it, and whether it failed."""

    def _take(self, fact: Fact) -> Verdict | None:
        evolve(self._state, fact)
        verdict, following = None, deque([fact])
        while following:
            for consequence in decide(self._policy, self._state, following.popleft(), self._known).facts:
                evolve(self._state, consequence)
                if isinstance(consequence, StageChanged):
                    self.changes.append((len(self.seen), consequence))
                if isinstance(consequence, VerdictReached):
                    verdict = consequence.verdict
                if isinstance(consequence, FOLLOWED):
                    following.append(consequence)
        return verdict

    def evidence(self) -> tuple[float, float]:
        """Return the evidence of harm and of no harm that the engine's state holds now."""
        candidate = self._state.rollouts.candidates[_NAME]
        return risk_ratio.bad(candidate.bad), risk_ratio.good(candidate.good)

    def run(self, base: float, ratio: float, rng: Dice, most: int) -> None:
        """Agree with the incumbent in shadow until the first step, and go on to the end."""
        asked = PromotionAsked(at_us=self._now_us, capability=_NEW, by="ann", reason="a new version")
        self._take(asked)
        number = 0
        while self.changes[-1][1].now == "shadow":
            self._episode(f"{self._name}-shadow-{number}", rng, 0.0, 0.0)
            number += 1
        for number in range(most):
            self._episode(f"{self._name}-{number}", rng, base, base * ratio)
            if self.changes[-1][1].now in {"live", "rolled_back"}:
                break

    def _episode(self, episode: str, rng: Dice, incumbent_fails: float, canary_fails: float) -> None:
        proposal = Proposal(
            proposal_id=ProposalId(f"p-{episode}"), agent=AgentId("healer"), capability=_NEW, action=_ACTION,
            args=_ARGS, confidence=0.9, episode=EpisodeId(episode),
        )  # fmt: skip
        verdict = self._take(ProposalReceived(at_us=self._now_us, proposal=proposal))
        if verdict is None or verdict.word != "allow":
            raise AssertionError(f"the study expects its canary to be allowed: {verdict}")
        failed = rng.random() < (incumbent_fails if verdict.shadowed else canary_fails)
        if self.changes[-1][1].now != "shadow":
            self.seen.append((not verdict.shadowed, failed))
        if verdict.shadowed:
            acted = IncumbentActed(
                at_us=self._now_us, episode=EpisodeId(episode), capability=_NAME, action=_ACTION, args=_ARGS,
                ok=not failed, by="ben",
            )  # fmt: skip
            self._take(acted)
        else:
            done = OutcomeReported(
                at_us=self._now_us, proposal_id=proposal.proposal_id, agent=proposal.agent, capability=_NEW,
                action=_ACTION, ok=not failed, by="executor",
            )  # fmt: skip
            self._take(done)
        self._now_us += _EVERY_US
        self._take(TimePassed(at_us=self._now_us, schedule="minute"))


class Told:
    """A world that is told: the episodes that engines saw, one list a canary."""

    stages = len(RAMP)

    def __init__(self, seen: list[list[tuple[bool, bool]]]) -> None:
        self._seen, self._ids = seen, np.arange(len(seen))

    def begin(self, rng: Dice, count: int) -> None:
        """Begin with all of them."""

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""
        self._ids = self._ids[mask]

    def next(self, rng: Dice, at: Array, row: Array) -> Next:
        """Look the next one up. Behind the last nothing fails any more, so that nobody can end there."""
        found = []
        for name, begin, watched in zip(self._ids, at, row >= self.stages, strict=True):
            well = 0
            for number in range(begin, len(self._seen[name])):
                canary, failed = self._seen[name][number]
                if failed or (canary and watched):
                    found.append((number + 1 - begin, failed, canary, well))
                    break
                well += canary
            else:
                found.append((10**9, False, False, 0))
        gap, failed, canary, well = (np.array(each) for each in zip(*found, strict=True))
        return Next(gap, failed, canary, well)


@dataclass(frozen=True)
class Compared:
    """How many rollouts of the real engine the arrays judged the same."""

    rollouts: int
    episodes: int
    live: int
    rolled_back: int
    under_way: int
    """After all the episodes they were given."""
    same: int
    """With the same end, after the same episode, in the same stage."""
    same_bits: int
    """Whose last evidence, in the engine's fact or else its state, has the bits that the arrays have."""

    @property
    def complete(self) -> bool:
        """Whether nothing differed."""
        return self.rollouts == self.same == self.same_bits


MOST = 40_000
"""Episodes that a rollout is given."""


def compare(seed: np.random.SeedSequence, rollouts: int, most: int = MOST) -> Compared:
    """Run so many rollouts in each of the worlds through the engine, and judge what they saw again."""
    ran: list[Rollout] = []
    for (base, ratio), own in zip(WORLDS, seed.spawn(len(WORLDS)), strict=True):
        rng = np.random.default_rng(own)
        for number in range(rollouts):
            ran.append(Rollout(f"{base}-{ratio}-{number}-{rng.integers(1 << 62)}"))
            ran[-1].run(base, ratio, rng, most)
    log = Log.of(len(ran))
    ends = Climb(
        Told([each.seen for each in ran]), len(ran), np.random.default_rng(0), most_episodes=10**8, log=log
    ).run()
    same = same_bits = 0
    words = {"live": ARRIVED, "rolled_back": ROLLED_BACK}
    for number, rollout in enumerate(ran):
        after, last = rollout.changes[-1]
        end = words.get(last.now, UNDECIDED)
        stage = tuple(SHARES).index(last.now if end == UNDECIDED else last.was)
        moment = ends.episodes[number] == after or end == UNDECIDED
        same += (ends.end[number], ends.stage[number]) == (end, stage) and bool(moment)
        same_bits += _same_evidence(log.looks[number][-1], rollout)
    ended = [rollout.changes[-1][1].now for rollout in ran]
    live, rolled_back = ended.count("live"), ended.count("rolled_back")
    return Compared(
        len(ran),
        sum(len(rollout.seen) for rollout in ran),
        live,
        rolled_back,
        len(ran) - live - rolled_back,
        same,
        same_bits,
    )


def _same_evidence(look: tuple[float, float, float], rollout: Rollout) -> bool:
    _, last = rollout.changes[-1]
    if last.now in SHARES:
        return rollout.evidence() == look[:2]
    told: dict[str, Requirement] = {each.name: each for each in last.evidence.requirements}
    harm, no_harm, level = look
    if (over := told.get("failures over the limit")) is not None and isinstance(over.measured, float):
        # Runs of good points are taken in closed form, so the last digits may differ.
        return abs(over.measured - level) <= 1e-9 * level
    if (found := told.get("evidence of harm")) is not None:
        return found.measured == harm
    return told["evidence of no harm"].measured == no_harm
