"""What agents want: one action, with exact arguments and an honest estimate of its impact."""

from decimal import Decimal
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EpisodeId,
    PersonId,
    ProposalId,
)
from engine.core.vocabulary.people_facts import Role
from engine.core.vocabulary.privacy import Found

# Twelve digits on each side of the point hold a trillion dollars and a millionth of a micro-dollar. Outside
# that, exact sums would silently round at the 28 digits of the decimal context.
_COST_LIMIT_USD = Decimal(10) ** 12
_COST_PLACES = 12
# A sum has as many places as its finest part, so a cost that is fine enough leaves this one as it is.
_FINEST = Decimal(0).scaleb(-_COST_PLACES)
# Priorities go this far either way: at half a minute a step, the least urgent waits ten minutes longer.
_STEPS = 20


class Impact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What an action is expected to touch, or has touched.

    Raises `ValueError` when a part is negative, not finite, or finer than 10⁻¹² USD.
    """

    cost_usd: Decimal = Decimal(0)
    files: int = 0
    api_calls: int = 0

    def __post_init__(self) -> None:
        """Refuse amounts that cannot be summed exactly: a NaN would slip under every limit."""
        cost = self.cost_usd
        # A signed zero is a zero to every limit and another number to some conditions.
        if not cost.is_finite() or cost.is_signed() or cost > _COST_LIMIT_USD:
            raise ValueError(f"cost_usd must be from 0 to 10^12 USD, not {cost}")
        if not (cost + _FINEST).same_quantum(_FINEST):
            places = -int(cost.as_tuple().exponent)
            raise ValueError(f"cost_usd must have at most {_COST_PLACES} decimal places, not {places}")
        if self.files < 0 or self.api_calls < 0:
            raise ValueError(f"files and api_calls must not be negative: {self.files}, {self.api_calls}")


class Option(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the agent considered doing instead."""

    name: str
    why_not: str = ""
    """Empty for the option that was chosen."""


class Changed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who proposes it in this form, and in place of what: a person approved that with changes."""

    of: DecisionId
    """The held decision it replaces."""
    by: PersonId
    role: Role
    digest: Digest
    """Of the action and arguments the person was shown, before the change."""
    reason: str = ""
    stepped_up: bool = False
    """Whether the person gave a one-time code with it."""


class Proposal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent's wish to run one action with exact arguments.

    Raises `ValueError` when the confidence lies outside 0 to 1.
    """

    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    args: dict[str, Any] = {}
    episode: EpisodeId = EpisodeId("")
    """The incident, task or conversation this belongs to; empty when it stands alone."""
    environment: str = ""
    """Where it would act, for example `production`; empty when the agent did not say."""
    impact: Impact = Impact()
    confidence: float | None = None
    """The agent's own estimate that this is right, 0 to 1; `None` means it gave none, and counts as 0."""
    rationale: str = ""
    options: tuple[Option, ...] = ()
    priority: int | UnsetType = UNSET
    """Which of two waiting effects goes first: the smaller. Unset means as the registry says."""
    owner: PersonId | UnsetType = UNSET
    """Who owns the agent, as its token says; unset where it says nobody."""
    changed: Changed | UnsetType = UNSET
    """Set where a person proposes it in place of what the agent did."""
    found: tuple[Found, ...] | UnsetType = UNSET
    """What must not be kept in clear and was found in it. Said by the engine alone, at its door."""

    def __post_init__(self) -> None:
        """Refuse a confidence that no threshold could judge, and a priority that would never be served."""
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence must be from 0 to 1, not {self.confidence}")
        if self.priority is not UNSET and not -_STEPS <= self.priority <= _STEPS:
            raise ValueError(f"priority must be from -{_STEPS} to {_STEPS}, not {self.priority}")
