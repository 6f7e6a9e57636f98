"""What can happen to a rollout, in the past tense."""

from typing import Any

from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.ids import (
    ActionName,
    CapabilityId,
    CapabilityName,
    Digest,
    EpisodeId,
    PersonId,
)
from engine.core.vocabulary.rollouts import Evidence, Stage


class CapabilityPromoted(Fact, tag="capability_promoted", frozen=True, kw_only=True):
    """A version was live in the system a history comes from. A live engine asks for evidence."""

    capability: CapabilityId
    by: str
    reason: str = ""


class CapabilityDemoted(Fact, tag="capability_demoted", frozen=True, kw_only=True):
    """A capability went back to shadow."""

    capability: CapabilityName
    by: str
    reason: str = ""


class CapabilityReplayed(Fact, tag="capability_replayed", frozen=True, kw_only=True):
    """A recorded history was replayed, and this is what one version would have done in it."""

    capability: CapabilityId
    recording: Digest
    """What was replayed: the hash of its content."""
    journal_hash: Digest
    """What the replay came to; whoever repeats it gets the same."""
    policy_hash: Digest
    decisions: int
    """How many proposals of this version were decided."""
    allowed: int
    failed: int
    """Of those allowed, how many ended badly."""
    unsafe: int
    """Of those allowed, how many somebody had labelled as harmful."""
    from_us: int
    until_us: int
    """The first and the last recorded time."""
    by: str


class IncumbentActed(Fact, tag="incumbent_acted", frozen=True, kw_only=True):
    """Whoever handles an episode now, people or a program that is not governed, did something in it."""

    episode: EpisodeId
    capability: CapabilityName
    """The capability that candidates for this work belong to."""
    action: ActionName
    args: dict[str, Any] = {}  # noqa: RUF012 - msgspec gives each fact one of its own
    ok: bool
    """Whether it went well."""
    by: str


class PromotionAsked(Fact, tag="promotion_asked", frozen=True, kw_only=True):
    """A person asked for the next step of a rollout."""

    capability: CapabilityId
    by: PersonId
    reason: str = ""


class RolloutAborted(Fact, tag="rollout_aborted", frozen=True, kw_only=True):
    """A person took authority away: from the candidate on its way, or else from the version that is live."""

    capability: CapabilityName
    by: PersonId
    reason: str = ""


class StageChanged(Fact, tag="stage_changed", frozen=True, kw_only=True):
    """A version went a step up, on evidence, or was rolled back."""

    capability: CapabilityId
    was: Stage
    now: Stage
    by: str
    """Who asked; `engine` when nobody had to."""
    reason: str
    evidence: Evidence


class PromotionRefused(Fact, tag="promotion_refused", frozen=True, kw_only=True):
    """A step was asked for that the evidence does not carry yet."""

    capability: CapabilityId
    stage: Stage
    by: PersonId
    reason: str
    """What is missing, in a sentence."""
    evidence: Evidence
    likely_us: int | None
    """When it may be there if things go on as they did; `None` when nobody can say."""


class PromotionReady(Fact, tag="promotion_ready", frozen=True, kw_only=True):
    """The evidence for the next step is there; it waits for a captain's word."""

    capability: CapabilityId
    stage: Stage
    evidence: Evidence


class RolloutPaused(Fact, tag="rollout_paused", frozen=True, kw_only=True):
    """Somebody put a capability on hold. Several reasons may hold it at once."""

    capability: CapabilityName
    reason: str
    by: str


class RolloutResumed(Fact, tag="rollout_resumed", frozen=True, kw_only=True):
    """One reason to hold a capability fell away."""

    capability: CapabilityName
    reason: str
    by: str
