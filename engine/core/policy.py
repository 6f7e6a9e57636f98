"""One policy, checked and compiled: everything the gates compare against, under one hash."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Struct

from engine.core.gates.blast_radius import BlastSettings
from engine.core.gates.consensus import ConsensusSettings
from engine.core.gates.escalation import EscalationSettings
from engine.core.gates.risk import RiskSettings, Traces
from engine.core.gates.rules import RuleBook
from engine.core.vocabulary.actions import Action, RiskLevel
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.facts import BreakerSettings, CalibrationSettings, Limit, PolicyAdopted
from engine.core.vocabulary.ids import ActionName, Digest
from engine.core.vocabulary.memory import Memory
from engine.core.vocabulary.privacy import PrivacySettings
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.provenance import ProvenanceSettings
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.core.vocabulary.verdicts import Answer, Assessment, Objection, RiskFound, Ruling, Wait
from engine.core.vocabulary.voting import VotingSettings


class Policy(Struct, frozen=True, kw_only=True):
    """What the core decides by. It never changes; another policy is another object with another hash."""

    policy_hash: Digest
    """SHA-256 over every checked value and the action registry; comments and spelling do not count."""
    actions: Mapping[ActionName, Action]
    blast: BlastSettings
    limits: tuple[Limit, ...]
    breaker: BreakerSettings
    risk: RiskSettings
    rules: RuleBook
    consensus: ConsensusSettings
    escalation: EscalationSettings
    hold_us: int
    episode_idle_us: int
    rollouts: RolloutSettings = RolloutSettings()
    voting: VotingSettings = VotingSettings()
    captaincy: CaptaincySettings = CaptaincySettings()
    provenance: ProvenanceSettings = ProvenanceSettings()
    privacy: PrivacySettings = PrivacySettings()
    captain_unseen_us: int | None = None
    """After how long without any captain autonomy stops by itself; `None` means never."""
    calibration: CalibrationSettings | None = None
    """`None` where confidence counts as the agent gives it."""

    def adopted(self, at_us: int) -> PolicyAdopted:
        """Return the fact that tells state what it must know of this policy."""
        return PolicyAdopted(
            at_us=at_us,
            policy_hash=self.policy_hash,
            limits=self.limits,
            breaker=self.breaker,
            hold_us=self.hold_us,
            episode_idle_us=self.episode_idle_us,
            rollouts=self.rollouts,
            calibration=UNSET if self.calibration is None else self.calibration,
        )


class Arguments(Struct, frozen=True):
    """What a proposal's action and arguments say by themselves."""

    texts: list[str]
    digest: Digest
    valid: Answer
    traces: Traces | None
    """What the risk gate searches for; `None` where that failed, and is to be tried again."""
    addresses: frozenset[str] | None
    """Addresses and accounts among them; `None` where finding them failed, and is to be tried again."""


class Risked(Struct, eq=False):
    """What the risk gate said. Two are equal only if they are one: all that led to it was the same."""

    found: RiskFound
    answer: Answer
    quiet: set[tuple[Any, ...]] | None = None
    """When no rule fires on this, as `RuleBook.quiet` has it; `None` until it is worth remembering."""


class Weighed(Struct, frozen=True, array_like=True, gc=False):
    """What the gates that look at a proposal by itself said, and what it comes to.

    Proposals of which they say the same share one.
    """

    assessment: Assessment
    impact: Impact
    """What the proposal is expected to touch, as it was written."""
    risk_level: RiskLevel
    risk_score: int
    ruling: Ruling
    """The strictest answer of these gates."""
    waits: tuple[Wait, ...]
    objections: tuple[Objection, ...]
    """What these gates object to."""


class Remembered:
    """What was worked out before under one policy.

    Agents repeat themselves, gates are pure and answers frozen: what was said once may be said again. Whoever
    decides owns one and passes it in, with facts as canonical JSON has them; without it every gate is asked.
    """

    def __init__(
        self, most: int = 4096, form: Callable[[Assessment], Assessment] = lambda assessment: assessment
    ) -> None:
        """Remember so many of each at most, about a kilobyte apiece; `form` gives assessments their form."""
        self.arguments, self.risked = Memory[Arguments](most), Memory[Risked](most)
        self.weighed, self.form = Memory[Weighed](most), form
