"""The policy folder as frozen models: unknown keys refused, contradictions found, everything under one hash.

A policy folder holds `limits.yaml`, `risk.yaml`, `thresholds.yaml` and `rules.yaml`, and may hold
`rollouts.yaml`, `voting.yaml`, `captaincy.yaml`, `provenance.yaml`, `privacy.yaml` and
`shell.yaml`. The action registry is
`actions.yaml` in that folder or, where several policies share one, in the folder above.
"""

import re
from collections import Counter
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.core.vocabulary.actions import (
    RISK_RANK,
    ApprovalClass,
    Kind,
    ParameterType,
    RiskLevel,
    RunnerKind,
    SandboxKind,
)
from engine.core.vocabulary.facts import Measured
from engine.core.vocabulary.verdicts import Ruling
from engine.settings.base import Count, Name, Points, Role, Seconds, Settings, Usd
from engine.settings.captaincy import CaptaincyFile
from engine.settings.privacy import PrivacyFile
from engine.settings.provenance import ProvenanceFile
from engine.settings.rollouts import RolloutsFile
from engine.settings.shell import ShellFile
from engine.settings.voting import VotingFile


class BlastSection(Settings):
    """The most one action may touch."""

    cost_usd: Usd
    files: Count
    api_calls: Count


class WindowSection(Settings):
    """One rate limit."""

    id: Name
    measure: Measured
    most: Usd
    window_s: Seconds
    per: Literal["agent", "all"]


class BreakerSection(Settings):
    """The circuit breaker."""

    failures_to_open: Annotated[int, Field(strict=True, ge=1, le=1000)]
    window_s: Seconds
    open_s: Seconds
    trials: Annotated[int, Field(strict=True, ge=1, le=1000)]
    successes_to_close: Annotated[int, Field(strict=True, ge=1, le=1000)]


class LimitsFile(Settings):
    """`limits.yaml`."""

    owner: Role
    blast: BlastSection
    windows: tuple[WindowSection, ...]
    breaker: BreakerSection

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _once("windows: id", [window.id for window in self.windows])
        for one in self.windows:
            for other in self.windows:
                if (
                    (one.measure, one.window_s) == (other.measure, other.window_s)
                    and (one.per, other.per) == ("agent", "all")
                    and one.most > other.most
                ):
                    raise ValueError(
                        f"{one.id} lets one agent use {one.most} {one.measure} while {other.id} lets all "
                        f"agents together use only {other.most}; lower the first or raise the second"
                    )
        return self


class PatternEntry(Settings):
    """One destructive text pattern."""

    id: Name
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    points: Points
    why: str


class PathEntry(Settings):
    """One protected place."""

    id: Name
    path: Annotated[str, Field(min_length=1, max_length=500)]
    points: Points
    why: str


class RiskPoints(Settings):
    """How much each part adds to the score."""

    declared: dict[RiskLevel, Points]
    unknown_action: Points
    irreversible: Points
    unsandboxed: Points = 20
    production: Points
    impact: Points


class RiskFile(Settings):
    """`risk.yaml`."""

    owner: Role
    role: Role
    points: RiskPoints
    production_environments: tuple[str, ...]
    levels: dict[RiskLevel, Points]
    rulings: dict[RiskLevel, Literal["allow", "escalate", "deny"]]
    destructive: tuple[PatternEntry, ...]
    protected: tuple[PathEntry, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for section, table in (
            ("points.declared", self.points.declared),
            ("levels", self.levels),
            ("rulings", self.rulings),
        ):
            if missing := [level.value for level in RiskLevel if level not in table]:
                raise ValueError(f"{section}: give a value for {', '.join(missing)} too")
        scores = [self.levels[level] for level in RiskLevel]
        if scores[0] != 0 or scores != sorted(set(scores)):
            raise ValueError(
                "levels: begin with SAFE: 0 and let every level begin at a higher score than the last"
            )
        order = ["allow", "escalate", "deny"]
        ranks = [order.index(self.rulings[level]) for level in RiskLevel]
        if ranks != sorted(ranks):
            raise ValueError("rulings: a higher level is ruled less strictly than a lower one")
        _once("destructive: id", [entry.id for entry in self.destructive])
        _once("protected: id", [entry.id for entry in self.protected])
        return self


class ConsensusSection(Settings):
    """When votes are needed."""

    from_cost_usd: Usd
    from_files: Annotated[int, Field(strict=True, ge=1, le=10**9)]
    votes: Annotated[int, Field(strict=True, ge=1, le=1000)]
    voters: Annotated[int, Field(strict=True, ge=1, le=1000)]
    owner: Role

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.votes > self.voters:
            raise ValueError(f"{self.votes} votes can never come from {self.voters} voters")
        return self


class EscalationSection(Settings):
    """When a person is asked."""

    below_confidence: Annotated[float, Field(strict=True, ge=0, le=1)]
    confidence_from: RiskLevel
    above_cost_usd: Usd
    role: Role
    owner: Role


class MemorySection(Settings):
    """How long things are kept in mind."""

    hold_s: Seconds
    episode_idle_s: Seconds


class PresenceSection(Settings):
    """What happens when nobody is there."""

    captain_unseen_s: Annotated[float, Field(strict=True, ge=60, le=366 * 86_400)] | None = None


class CalibrationSection(Settings):
    """What confidences were worth, and when that asks a person."""

    enforce: bool = False
    below: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.7
    decisions: Annotated[int, Field(strict=True, ge=1, le=1000)] = 50
    least: Annotated[int, Field(strict=True, ge=1, le=1000)] = 20
    margin: Annotated[float, Field(strict=True, ge=0, le=5)] = 1.0
    owner: Role = "captain"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.least > self.decisions:
            raise ValueError(
                f"least is {self.least}, but only the last {self.decisions} decisions count, so nothing "
                "would ever be known; lower the first or raise the second"
            )
        return self


class ThresholdsFile(Settings):
    """`thresholds.yaml`."""

    consensus: ConsensusSection
    escalation: EscalationSection
    memory: MemorySection
    presence: PresenceSection = PresenceSection()
    calibration: CalibrationSection = CalibrationSection()


class RuleEntry(Settings):
    """One rule."""

    id: Name
    when: Annotated[str, Field(min_length=1, max_length=2000)]
    ruling: Ruling
    mode: Literal["enforce", "shadow"] = "enforce"
    reason: Annotated[str, Field(min_length=1, max_length=300)]
    role: Role = "responder"
    owner: Role = "captain"


class RulesFile(Settings):
    """`rules.yaml`."""

    rules: tuple[RuleEntry, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _once("rules: id", [rule.id for rule in self.rules])
        ruled: dict[str, RuleEntry] = {}
        for rule in self.rules:
            condition = " ".join(rule.when.split())
            other = ruled.setdefault(condition, rule)
            if other is not rule and other.mode == rule.mode:
                raise ValueError(
                    f"{other.id} and {rule.id} have the same condition but rule {other.ruling} and "
                    f"{rule.ruling}; keep one"
                )
        return self


class ParameterEntry(Settings):
    """One argument of an action."""

    type: ParameterType
    required: bool = True
    nullable: bool = False
    items: ParameterType | None = None
    choices: tuple[str | int | float | bool, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.items is not None and self.type != "list":
            raise ValueError(f"`items` is for lists; this is a {self.type}")
        return self


class ApprovalSection(Settings):
    """Who approves an action, each time."""

    role: Literal["responder", "captain"] = "responder"
    people: Annotated[int, Field(strict=True, ge=1, le=10)] | None = None
    owner_counts: bool = False
    expires_s: Annotated[float, Field(strict=True, ge=60, le=366 * 86_400)] | None = None
    failsafe: Literal["deny"] = "deny"
    approval_class: Annotated[ApprovalClass, Field(alias="class")] = "B"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.approval_class == "A" and self.people == 1:
            raise ValueError("class A always takes two people; say `people: 2` or more, or leave it out")
        return self


class RunSection(Settings):
    """How an action is performed."""

    runner: RunnerKind
    settings: dict[str, Any] = {}
    timeout_s: Annotated[float, Field(strict=True, ge=0.1, le=86_400)] = 60.0
    idempotent: bool = False
    undo_on_failure: bool = False
    sandbox: SandboxKind = "auto"
    network: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.*-]+:[0-9]{1,5}$")], ...] = ()
    priority: Annotated[int, Field(strict=True, ge=-20, le=20)] = 0
    on: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None = None
    """The body or pool that performs it; `None` means this machine."""


class ActionEntry(Settings):
    """One action."""

    summary: str
    kind: Kind
    risk: RiskLevel
    parameters: dict[Name, ParameterEntry] = {}
    undo: Name | None = None
    blast: BlastSection | None = None
    requires_approval: bool = False
    approval: ApprovalSection | None = None
    resource: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    run: RunSection | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.resource is not None:
            self._check_resource(self.resource)
        if self.kind == "read" and RISK_RANK[self.risk] > RISK_RANK[RiskLevel.HIGH]:
            raise ValueError(f"an action that only reads cannot be {self.risk.value}; say `kind: write`")
        return self

    def _check_resource(self, template: str) -> None:
        if self.kind == "read":
            raise ValueError("resource: an action that only reads competes with nothing; leave it out")
        bare = _BRACES.sub("", template)
        if "{" in bare or "}" in bare:
            raise ValueError(f"resource: {template!r} has a brace without its other; write {{name}}")
        for name in _BRACES.findall(template):
            given = self.parameters.get(name)
            if given is None or given.type in _NOT_ONE or not given.required:
                raise ValueError(
                    f"resource: {{{name}}} must be a required parameter with one value, for what is not "
                    "given competes with nothing"
                )


_BRACES = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
_NOT_ONE = frozenset({"list", "object", "any", "number", "boolean"})


class ActionsFile(Settings):
    """`actions.yaml`."""

    actions: dict[Name, ActionEntry]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, action in self.actions.items():
            if action.undo is not None and action.undo not in self.actions:
                raise ValueError(
                    f"{name}: its undo {action.undo!r} is not in the registry; add it or remove `undo`"
                )
        return self


class PolicySettings(Settings):
    """A whole policy folder."""

    rollouts: RolloutsFile = RolloutsFile()
    voting: VotingFile = VotingFile()
    captaincy: CaptaincyFile = CaptaincyFile()
    provenance: ProvenanceFile = ProvenanceFile()
    privacy: PrivacyFile = PrivacyFile()
    shell: ShellFile | None = None

    limits: LimitsFile
    risk: RiskFile
    thresholds: ThresholdsFile
    rules: RulesFile
    actions: ActionsFile

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        blast, consensus = self.limits.blast, self.thresholds.consensus
        hold_s = self.thresholds.memory.hold_s
        for action, entry in self.actions.actions.items():
            expires_s = entry.approval.expires_s if entry.approval is not None else None
            if expires_s is not None and expires_s > hold_s:
                raise ValueError(
                    f"actions: {action} is to wait {expires_s:g} s for approval, but thresholds: "
                    f"memory.hold_s ends every wait after {hold_s:g} s; lower the first or raise the second"
                )
        for name, threshold, cap in (
            ("cost_usd", consensus.from_cost_usd, blast.cost_usd),
            ("files", Decimal(consensus.from_files), Decimal(blast.files)),
        ):
            if threshold > cap:
                raise ValueError(
                    f"thresholds: consensus.from_{name} is {threshold}, but limits: blast.{name} denies "
                    f"everything over {cap}, so no vote would ever be held; lower the first or raise "
                    "the second"
                )
        competition = self.voting.competition
        if competition is not None and competition.within_s + competition.captain_s >= hold_s:
            raise ValueError(
                f"voting: competition takes {competition.within_s:g} s for ballots and "
                f"{competition.captain_s:g} s for a captain, but thresholds: memory.hold_s ends every wait "
                f"after {hold_s:g} s, so nothing would be decided; lower the first two or raise the last"
            )
        for topic in self.voting.topics:
            if (most := self.voting.most_votes(topic)) < consensus.votes:
                raise ValueError(
                    f"voting: topics of {topic.capability} {topic.action}: its voters have {most} votes, and "
                    f"thresholds: consensus asks for {consensus.votes}, so nothing would ever be carried; "
                    "register more voters, of more owners"
                )
        return self


def _once(what: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{what} {name!r} stands {count} times; each must be its own")
