"""The action registry's entries: what an agent may ask for, and what each ask may touch."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.ids import ActionName

Kind = Literal["read", "write"]
"""`read` leaves the world as it was; everything else is `write`."""


class RiskLevel(StrEnum):
    """How bad a mistake would be, from harmless to beyond repair."""

    SAFE = "SAFE"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"
    DESTRUCTIVE = "DESTRUCTIVE"


RISK_LEVELS: tuple[RiskLevel, ...] = tuple(RiskLevel)
RISK_RANK: dict[RiskLevel, int] = {level: rank for rank, level in enumerate(RISK_LEVELS)}

ParameterType = Literal[
    "string", "integer", "number", "boolean", "path", "command", "email", "url", "list", "object", "any"
]


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One argument an action takes."""

    type: ParameterType
    required: bool = True
    nullable: bool = False
    """Whether an explicit null is a value; a missing argument is another matter."""
    items: ParameterType | None = None
    """The type of each item of a list; `None` means any."""
    choices: tuple[Any, ...] | None = None
    """The only values allowed; `None` means any value of the type."""


class BlastCaps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The most one action may touch at once."""

    cost_usd: Decimal
    files: int
    api_calls: int


RunnerKind = Literal["shell", "file", "git", "http", "docker", "python"]
SandboxKind = Literal["auto", "docker", "bubblewrap", "none"]


class Running(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an action is performed."""

    runner: RunnerKind
    settings: dict[str, Any] = {}
    """What this runner must know beyond the arguments, checked by the runner itself when it is loaded."""
    timeout_us: int
    """When it is ended by force."""
    idempotent: bool = False
    """Whether doing it twice is doing it once. Only then is it tried again when nobody knows how far it got;
    otherwise a person is asked."""
    undo_on_failure: bool = False
    """Whether what it did is taken back at once when it fails."""
    sandbox: SandboxKind = "auto"
    """`auto` takes Docker where an engine answers, else bubblewrap, else refuses. `none` is a choice."""
    network: tuple[str, ...] = ()
    """The hosts it may reach, `name:port`; none when empty."""
    priority: int = 0
    """Which of two waiting ones goes first: the smaller. One step counts as much as waiting half a minute."""
    on: str | UnsetType = UNSET
    """The body, or the pool of bodies, that performs it; unset: this machine."""


ApprovalClass = Literal["A", "B"]
"""`A` is what must never happen on one person's word: two people approve it, each with a one-time code."""


class ApprovalRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who approves an action, each time."""

    role: str = "responder"
    people: int = 1
    """How many different people; accounts of one person count once."""
    owner_counts: bool = False
    """Whether the person counts who owns the agent that proposed it."""
    expires_us: int | None = None
    """How long it waits; `None` means as long as the policy holds anything."""
    failsafe: Literal["deny"] = "deny"
    """What happens when nobody answers in time: nothing runs, and it is recorded as a timeout."""
    approval_class: ApprovalClass = "B"

    @property
    def needed(self) -> int:
        """How many people it takes. Class A never takes fewer than two."""
        return max(2, self.people) if self.approval_class == "A" else self.people


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the action registry."""

    name: ActionName
    kind: Kind
    risk: RiskLevel
    parameters: dict[str, Parameter] = {}
    undo: str | None = None
    """The action that takes this one back; `None` means it cannot be undone."""
    blast: BlastCaps | None = None
    """Caps for this action alone; `None` means the caps of the policy."""
    summary: str = ""
    requires_approval: bool = False
    """Whether a person is asked each time, however sure the agent is."""
    approval: ApprovalRule | UnsetType = UNSET
    """Who is asked each time; unset leaves it to the policy and to `requires_approval`."""
    resource: str | UnsetType = UNSET
    """What it needs for itself, arguments in braces: `service:{service}`; unset where it needs nothing."""
    run: Running | None = None
    """How we perform it; `None` means that the agent does so itself once it is allowed, and reports back."""

    @property
    def unsandboxed(self) -> bool:
        """Whether it runs a program with nothing around it."""
        return self.run is not None and self.run.sandbox == "none" and self.run.runner in {"shell", "python"}
