"""The books: what really happened in a made-up world, which no engine sees."""

from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.facts import PromotionReady, PromotionRefused, RolloutPaused, StageChanged
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, EpisodeId, ProposalId
from engine.core.vocabulary.rollouts import Stage

Actor = Literal["candidate", "incumbent", "people"]


class Truth(Struct, frozen=True, kw_only=True, gc=False):
    """What really came of one episode."""

    episode: EpisodeId
    work: CapabilityName
    service: str
    at_us: int
    ended_us: int
    actor: Actor
    """Who dealt with it: exactly one."""
    stage: Stage
    """How far the candidate was when it began."""
    proposal_id: ProposalId
    """The proposal that was carried out; empty where people did it."""
    probability: float
    """With which it would end badly in these hands."""
    failed: bool
    told: bool | None
    """What the engine heard of it: whether it went well; `None` when nothing came."""
    candidate_failed: bool | None
    """Whether it would have failed, or did, in the candidate's hands; `None` where there is no candidate."""
    incumbent_failed: bool
    """The same for the incumbent, people being awake."""
    cost_cents: int
    """What the outage and the work cost together."""

    @property
    def avoidable(self) -> bool:
        """Whether it failed in the candidate's hands and would not have in the incumbent's."""
        return self.actor == "candidate" and self.failed and not self.incumbent_failed


class Arm(Struct, kw_only=True):
    """What one actor's episodes add up to."""

    episodes: int = 0
    failures: int = 0
    probability: float = 0.0
    """Summed up: the failures that were to be expected."""
    avoidable: int = 0
    cost_cents: int = 0
    minutes: float = 0.0
    """From the incidents to their ends, summed up."""


class Books(Struct):
    """Everything worth counting."""

    truths: list[Truth] = []
    stages: dict[CapabilityId, Stage] = {}
    """How far each candidate is."""
    steps: list[StageChanged] = []
    ready: list[PromotionReady] = []
    refused: list[PromotionRefused] = []
    paused: list[RolloutPaused] = []
    proposals: int = 0

    def arms(self, work: CapabilityName, stages: tuple[Stage, ...] | None = None) -> dict[Actor, Arm]:
        """Add up the episodes of one line of work by who dealt with them, in some stages or in all."""
        found: dict[Actor, Arm] = {}
        for truth in self.truths:
            if truth.work == work and (stages is None or truth.stage in stages):
                arm = found.setdefault(truth.actor, Arm())
                arm.episodes += 1
                arm.failures += truth.failed
                arm.probability += truth.probability
                arm.avoidable += truth.avoidable
                arm.cost_cents += truth.cost_cents
                arm.minutes += (truth.ended_us - truth.at_us) / 60_000_000
        return found
