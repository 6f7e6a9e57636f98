"""What people did about decisions, in the past tense, and what came of it."""

from typing import Literal

from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EffectId,
    PersonId,
    ProposalId,
    StandingId,
)

Role = Literal["viewer", "responder", "captain"]
"""What people may do, least first; each includes those before it."""
RANKS: dict[Role, int] = {"viewer": 0, "responder": 1, "captain": 2}

HoldEnding = Literal["approved", "denied", "vetoed", "timeout"]


class HoldAnswered(Fact, tag="hold_answered", frozen=True, kw_only=True):
    """A person answered a decision that waits for people. `HoldEnded` or `AnswerRefused` may follow."""

    decision_id: DecisionId
    by: PersonId
    role: Role
    answer: Literal["approve", "deny"]
    digest: Digest
    """Of the action and arguments the person was shown."""
    reason: str = ""
    stepped_up: bool = False
    """Whether the person gave a one-time code with it."""


class DecisionOverridden(Fact, tag="decision_overridden", frozen=True, kw_only=True):
    """A captain overruled one decision: `veto` stops it for good, `allow` ends what it waits for."""

    decision_id: DecisionId
    by: PersonId
    word: Literal["veto", "allow"]
    reason: str = ""
    stepped_up: bool = False
    """Whether the captain gave a one-time code with it."""


class HoldEnded(Fact, tag="hold_ended", frozen=True, kw_only=True):
    """A decision waits no longer. It happens to each once, and once to each effect of unknown end."""

    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    how: HoldEnding
    by: tuple[PersonId, ...] = ()
    """Whose answers ended it; nobody's when its time was over."""
    reason: str = ""
    effect_id: EffectId | None = None
    """The effect that was held because nobody knew its end: nothing runs then, whatever was answered. `None`
    for a decision that waited before anything ran."""


class AnswerRefused(Fact, tag="answer_refused", frozen=True, kw_only=True):
    """An answer did not count, and why."""

    decision_id: DecisionId
    by: PersonId
    reason: str


class StandingGiven(Fact, tag="standing_given", frozen=True, kw_only=True):
    """A person approved beforehand what one action does, for a while."""

    standing_id: StandingId
    by: PersonId
    role: Role
    action: ActionName
    args: dict[str, str]
    """What arguments must be, by name; a `*` at the end takes every ending."""
    until_us: int
    policy_hash: Digest
    """It holds under this policy alone."""
    reason: str = ""


class StandingEnded(Fact, tag="standing_ended", frozen=True, kw_only=True):
    """A standing approval stands no longer."""

    standing_id: StandingId
    action: ActionName
    how: Literal["expired", "revoked"]
    by: PersonId = PersonId("")
    """Who revoked it; nobody where its time was over."""
    reason: str = ""


class CommandGiven(Fact, tag="command_given", frozen=True, kw_only=True):
    """Somebody gave a command at a front-end. What changes anything is journaled twice: begun, and ended."""

    command: str
    """In the command language, secrets taken out: `canary promote heal@2`."""
    by: str
    """The person, or `stranger:` and a digest of the account nobody is linked to."""
    front: str
    """Where: `discord`, `slack`, `terminal`, `web`."""
    outcome: Literal["begun", "done", "refused", "forbidden", "failed"]
    detail: str = ""
