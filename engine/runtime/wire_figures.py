"""The wire: figures of what the engine's state holds, for those who watch it from outside."""

from decimal import Decimal

from msgspec import Struct

from engine.core.gates.breaker import BreakerShown
from engine.core.vocabulary.escalations import Severity
from engine.core.vocabulary.facts import Limit
from engine.core.vocabulary.ids import AgentId
from engine.core.work.escalations.standing import Stage
from engine.runtime.wire_words import Answer, Request


class GetUsage(Request, frozen=True, kw_only=True):
    """Say what was used of each limit. Answered with `UsageList`."""

    agent: AgentId | None = None
    """Whose share of limits that hold for each agent alone; `None` for every agent that used any."""


class GetFigures(Request, frozen=True, kw_only=True):
    """Say how much waits, rests and rings. Answered with `Figures`."""


class UsageShown(Struct, frozen=True, kw_only=True):
    """How much of one limit is used right now."""

    limit: Limit
    agent: AgentId | None
    """`None` for all agents together."""
    used: Decimal


class UsageList(Answer, frozen=True, kw_only=True):
    """What was used of each limit, in the order of policy."""

    usage: tuple[UsageShown, ...]


class Ringing(Struct, frozen=True, kw_only=True):
    """How many open escalations are alike."""

    severity: Severity
    stage: Stage
    count: int


class Figures(Answer, frozen=True, kw_only=True):
    """What state holds right now, in numbers."""

    holds: int
    """Decisions that wait for people."""
    oldest_hold_us: int | None
    """Since when the longest waiting one waits; `None` when nothing does."""
    next_hold_end_us: int | None
    """When the first of them is let go unanswered; `None` when nothing waits."""
    breakers: tuple[BreakerShown, ...]
    """Those that are not closed."""
    escalations: tuple[Ringing, ...]
    """Those that are open."""
    dead_channels: tuple[str, ...]
    """Ways to reach people that failed so often in a row that they count as dead."""


FigureRequest = GetUsage | GetFigures
FigureReply = UsageList | Figures
