"""Policy files, joined to the core: read, checked, compiled."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, ValidationError

from engine.adapters.cel_rules import CelRuleBook
from engine.adapters.patterns import Re2Patterns, path_patterns
from engine.adapters.yaml_files import Document, read_yaml
from engine.core.gates.blast_radius import BlastSettings
from engine.core.gates.consensus import ConsensusSettings
from engine.core.gates.escalation import EscalationSettings
from engine.core.gates.risk import Pattern, RiskSettings
from engine.core.gates.rules import Rule
from engine.core.policy import Policy
from engine.core.vocabulary.actions import (
    Action,
    ApprovalRule,
    BlastCaps,
    Parameter,
    RiskLevel,
    Running,
)
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.competing import Competition
from engine.core.vocabulary.facts import BreakerSettings, CalibrationSettings, Limit, encode
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    CapabilityName,
    Digest,
    PersonId,
    RuleId,
)
from engine.core.vocabulary.privacy import PrivacySettings, Treated
from engine.core.vocabulary.provenance import ProvenanceSettings
from engine.core.vocabulary.rollouts import RolloutPlan, RolloutSettings, SeriesLimit
from engine.core.vocabulary.units import DAY_US, SECOND_US
from engine.core.vocabulary.verdicts import Wait
from engine.core.vocabulary.voting import Topic, Voter, VotingSettings
from engine.errors import InputError, PolicyError
from engine.settings.captaincy import CaptaincyFile
from engine.settings.policy import (
    ActionsFile,
    ApprovalSection,
    BlastSection,
    CalibrationSection,
    LimitsFile,
    PolicySettings,
    RiskFile,
    RulesFile,
    RunSection,
    ThresholdsFile,
)
from engine.settings.privacy import PrivacyFile
from engine.settings.provenance import ProvenanceFile
from engine.settings.rollouts import PlanSection, RolloutsFile
from engine.settings.shell import ShellFile
from engine.settings.voting import CompetitionSection, VotingFile
from engine.wiring.shell import rules_version, shell_settings

SHIPPED_CONFIG = Path(__file__).resolve().parents[2] / "config"
SHIPPED_POLICY = SHIPPED_CONFIG / "policies"


def config_folder(home: Path, chosen: Path | None = None) -> Path:
    """Return the folder in force: the one chosen, else the state folder's own, else the shipped one."""
    own = home / "config"
    return chosen or (own if own.is_dir() else SHIPPED_CONFIG)


class PolicySource(msgspec.Struct, frozen=True):
    """A policy folder that was read and checked, but not compiled: it can travel to another process."""

    place: str
    settings: PolicySettings
    recorded: tuple[Action, ...] = ()
    """Actions of a recorded system; the folder's own registry wins where both name one."""

    def with_recorded(self, actions: Iterable[Action]) -> "PolicySource":
        """Add the registry that came with a recording."""
        return msgspec.structs.replace(self, recorded=tuple(actions))

    @property
    def actions(self) -> dict[ActionName, Action]:
        """The registry in force."""
        return {action.name: action for action in self.recorded} | _actions(self.settings.actions)

    @property
    def policy_hash(self) -> Digest:
        """SHA-256 over every checked value and the registry in force, whichever file it came from."""
        actions = [action for _, action in sorted(self.actions.items())]
        if self.settings.voting.competition is None:
            # Where nothing competes, what actions would compete for changes no verdict.
            actions = [msgspec.structs.replace(action, resource=UNSET) for action in actions]
        registry = encode(actions)
        values = self.settings.model_dump(mode="json", exclude={"actions"})
        if not values["thresholds"]["calibration"]["enforce"]:
            # What is not in force changes no verdict, so it does not make another policy either.
            del values["thresholds"]["calibration"]
        for plan in (values["rollouts"]["plan"], *values["rollouts"]["capabilities"].values()):
            if plan["mode"] == "execute":
                del plan["mode"]
        if self.settings.captaincy == CaptaincyFile():
            del values["captaincy"]
        if self.settings.provenance == ProvenanceFile():
            del values["provenance"]
        if self.settings.privacy == PrivacyFile():
            del values["privacy"]
        if self.settings.voting == VotingFile():
            # Nobody has said anything about votes: the policy is what it was before there was a say in that.
            del values["voting"]
        elif values["voting"]["competition"] is None:
            del values["voting"]["competition"]
        if self.settings.shell is None:
            del values["shell"]
        else:
            # What is found in commands depends on lists and grammars of ours as much as on the file.
            values["shell"]["rules"] = rules_version()
        body = encode(values)
        return Digest(hashlib.sha256(len(body).to_bytes(8) + body + registry).hexdigest())


def read_policy(folder: Path) -> PolicySource:
    """Read and check a policy folder. Raises `InputError` or `PolicyError` naming the place and the cure."""
    if not folder.is_dir():
        raise InputError(
            "no such policy folder",
            place=str(folder),
            cure="give a folder with limits.yaml and its companions",
        )
    documents: dict[str, Document] = {}
    checked: dict[str, BaseModel] = {}
    for name, model in _FILES.items():
        path = _place_of(folder, name)
        if name in _MAY_BE_MISSING and not path.exists():
            # A policy folder from before there were plans, voters, or a say in commands goes on as it is.
            continue
        if not path.exists():
            raise InputError(
                "no such file", place=str(path), cure="copy it from the shipped config and adapt it"
            )
        documents[name] = read_yaml(path)
        checked[name] = documents[name].checked(model)
    try:
        settings = PolicySettings.model_validate(checked)
    except ValidationError as invalid:
        message = invalid.errors()[0]["msg"].removeprefix("Value error, ")
        raise PolicyError(message, place=str(folder)) from None
    source = PolicySource(str(folder), settings)
    # Compiling finds what only the pattern and condition languages can know, while lines are still at hand.
    _rule_book(settings, documents["rules"])
    _risk_settings(settings, documents["risk"])
    return source


def policy_files(folder: Path) -> dict[str, Path]:
    """Return the files of a policy folder that are there, under the names they would have in it."""
    found = {f"{name}.yaml": _place_of(folder, name) for name in _FILES}
    return {name: path for name, path in found.items() if path.exists()}


def _place_of(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    return folder.parent / "actions.yaml" if name == "actions" and not path.exists() else path


def build_policy(source: PolicySource) -> Policy:
    """Compile a checked policy into what the core decides by."""
    settings = source.settings
    thresholds, limits = settings.thresholds, settings.limits
    return Policy(
        policy_hash=source.policy_hash,
        actions=source.actions,
        blast=BlastSettings(caps=_caps(limits.blast), owner=limits.owner),
        limits=tuple(
            Limit(
                id=window.id,
                measure=window.measure,
                most=window.most,
                window_us=_us(window.window_s),
                per=window.per,
                owner=limits.owner,
            )
            for window in limits.windows
        ),
        breaker=BreakerSettings(
            failures_to_open=limits.breaker.failures_to_open,
            window_us=_us(limits.breaker.window_s),
            open_us=_us(limits.breaker.open_s),
            trials=limits.breaker.trials,
            successes_to_close=limits.breaker.successes_to_close,
            owner=limits.owner,
        ),
        risk=_risk_settings(settings),
        rules=_rule_book(settings),
        consensus=ConsensusSettings(**thresholds.consensus.model_dump()),
        escalation=EscalationSettings(**thresholds.escalation.model_dump()),
        hold_us=_us(thresholds.memory.hold_s),
        episode_idle_us=_us(thresholds.memory.episode_idle_s),
        rollouts=_rollouts(settings.rollouts),
        voting=_voting(settings.voting),
        captaincy=_captaincy(settings.captaincy),
        provenance=_provenance(settings.provenance),
        privacy=_privacy(settings.privacy),
        captain_unseen_us=_us(unseen) if (unseen := thresholds.presence.captain_unseen_s) else None,
        calibration=_calibration(thresholds.calibration),
    )


def _calibration(section: CalibrationSection) -> CalibrationSettings | None:
    if not section.enforce:
        return None
    return CalibrationSettings(**section.model_dump(exclude={"enforce"}))


_FILES: dict[str, type[BaseModel]] = {
    "limits": LimitsFile,
    "risk": RiskFile,
    "thresholds": ThresholdsFile,
    "rules": RulesFile,
    "actions": ActionsFile,
    "rollouts": RolloutsFile,
    "voting": VotingFile,
    "captaincy": CaptaincyFile,
    "provenance": ProvenanceFile,
    "privacy": PrivacyFile,
    "shell": ShellFile,
}
_MAY_BE_MISSING = frozenset({"rollouts", "voting", "captaincy", "provenance", "privacy", "shell"})


def _rollouts(file: RolloutsFile) -> RolloutSettings:
    return RolloutSettings(
        plan=_plan(file.plan),
        by_name={CapabilityName(name): _plan(own, own.unit) for name, own in file.capabilities.items()},
        established=tuple(CapabilityId(version) for version in file.established),
        exploration=file.exploration,
        owner=file.owner,
    )


def _provenance(file: ProvenanceFile) -> ProvenanceSettings:
    vouchers = None if file.vouchers is None else frozenset(map(AgentId, file.vouchers))
    return ProvenanceSettings(tools=file.tools, unlabelled=file.unlabelled, vouchers=vouchers)


def _captaincy(file: CaptaincyFile) -> CaptaincySettings:
    return CaptaincySettings(
        captain=PersonId(file.captain or ""),
        deputy=PersonId(file.deputy or ""),
        confirm=file.confirm,
        vetoers=tuple(AgentId(name) for name in file.veto),
        owner=file.owner,
    )


def _privacy(file: PrivacyFile) -> PrivacySettings:
    return PrivacySettings(
        secret=Treated(**file.treated("secret")),
        card=Treated(**file.treated("card")),
        iban=Treated(**file.treated("iban")),
        email=Treated(**file.treated("email")),
        phone=Treated(**file.treated("phone")),
        owner=file.owner,
    )


def _voting(file: VotingFile) -> VotingSettings:
    return VotingSettings(
        topics=tuple(
            Topic(
                capability=topic.capability,
                action=topic.action,
                voters=tuple(
                    Voter(name=PersonId(name), weight=weight) for name, weight in topic.voters.items()
                ),
            )
            for topic in file.topics
        ),
        owners={PersonId(name): PersonId(owner) for name, owner in file.owners.items()},
        quorum=file.quorum,
        deadline_us=_us(file.deadline_s) if file.deadline_s is not None else None,
        owner=file.owner,
        competition=_competition(file.competition),
    )


def _competition(section: CompetitionSection | None) -> Competition | None:
    if section is None:
        return None
    return Competition(
        method=section.method,
        within_us=_us(section.within_s),
        captain_us=_us(section.captain_s),
        quorum=section.quorum,
        losers=section.losers,
        failsafe=section.failsafe,
    )


def _plan(section: PlanSection, unit: str = "episode") -> RolloutPlan:
    replay, shadow, canary = section.replay, section.shadow, section.canary
    return RolloutPlan(
        mode=UNSET if section.mode == "execute" else section.mode,
        automatic=section.automatic,
        undo_on_rollback=section.undo_on_rollback,
        unit=unit,
        horizon_us=_us(section.horizon_s),
        replay_decisions=replay.decisions,
        replay_age_us=round(replay.most_age_days * DAY_US),
        shadow_us=round(shadow.days * DAY_US),
        shadow_episodes=shadow.episodes,
        agreement=shadow.agreement,
        compare=shadow.compare,
        canary_episodes=canary.episodes,
        ratios=canary.rule_out,
        alpha=section.wrong_with_probability,
        failure_share=canary.most_failing,
        span=canary.false_alarm_span,
        never=tuple(ActionName(name) for name in section.never),
        guardrails=tuple(
            SeriesLimit(series=each.series, above=each.above, share=each.share) for each in section.guardrails
        ),
    )


def read_actions(path: Path) -> dict[ActionName, Action]:
    """Read an action registry that stands alone. Raises `InputError` and `PolicyError` with the line."""
    return _actions(read_yaml(path).checked(ActionsFile))


def _actions(registry: ActionsFile) -> dict[ActionName, Action]:
    return {
        ActionName(name): Action(
            name=ActionName(name),
            kind=entry.kind,
            risk=entry.risk,
            parameters={key: Parameter(**value.model_dump()) for key, value in entry.parameters.items()},
            undo=entry.undo,
            resource=UNSET if entry.resource is None else entry.resource,
            blast=_caps(entry.blast) if entry.blast is not None else None,
            summary=entry.summary,
            requires_approval=entry.requires_approval,
            approval=_approval(entry.approval) if entry.approval is not None else UNSET,
            run=_running(entry.run) if entry.run is not None else None,
        )
        for name, entry in registry.actions.items()
    }


def _approval(section: ApprovalSection) -> ApprovalRule:
    class_a = section.approval_class == "A"
    return ApprovalRule(
        role=section.role,
        people=section.people or (2 if class_a else 1),
        owner_counts=section.owner_counts,
        expires_us=_us(section.expires_s) if section.expires_s is not None else None,
        failsafe=section.failsafe,
        approval_class=section.approval_class,
    )


def _running(section: RunSection) -> Running:
    return Running(
        runner=section.runner,
        settings=dict(section.settings),
        timeout_us=_us(section.timeout_s),
        idempotent=section.idempotent,
        undo_on_failure=section.undo_on_failure,
        sandbox=section.sandbox,
        network=section.network,
        priority=section.priority,
        on=UNSET if section.on is None else section.on,
    )


def _caps(section: BlastSection) -> BlastCaps:
    return BlastCaps(cost_usd=section.cost_usd, files=section.files, api_calls=section.api_calls)


def _risk_settings(settings: PolicySettings, document: Document | None = None) -> RiskSettings:
    table: RiskFile = settings.risk
    points = table.points
    return RiskSettings(
        declared_points=points.declared,
        unknown_points=points.unknown_action,
        irreversible_points=points.irreversible,
        unsandboxed_points=points.unsandboxed,
        production_points=points.production,
        production=frozenset(name.strip().casefold() for name in table.production_environments),
        impact_points=points.impact,
        thresholds=tuple((table.levels[level], level) for level in reversed(RiskLevel)),
        rulings=dict(table.rulings),
        destructive=tuple(Pattern(id=e.id, points=e.points, why=e.why) for e in table.destructive),
        destructive_text=Re2Patterns(
            [
                # Texts are searched one a line: `$` must find the end of each, not only of the last.
                (f"(?m){entry.pattern}", _place(document, "destructive", position, "pattern"))
                for position, entry in enumerate(table.destructive)
            ]
        ),
        protected=tuple(Pattern(id=e.id, points=e.points, why=e.why) for e in table.protected),
        protected_paths=path_patterns(
            [
                (entry.path, _place(document, "protected", position, "path"))
                for position, entry in enumerate(table.protected)
            ]
        ),
        caps=_caps(settings.limits.blast),
        role=table.role,
        owner=table.owner,
        shell=None if settings.shell is None else shell_settings(settings.shell),
    )


def _rule_book(settings: PolicySettings, document: Document | None = None) -> CelRuleBook:
    consensus = settings.thresholds.consensus
    votes = Wait(kind="votes", role="voters", needed=consensus.votes, of=consensus.voters)
    return CelRuleBook(
        [
            (
                Rule(
                    id=RuleId(entry.id),
                    ruling=entry.ruling,
                    mode=entry.mode,
                    reason=entry.reason,
                    when=" ".join(entry.when.split()),
                    wait=votes if entry.ruling == "consensus" else Wait(kind="person", role=entry.role),
                    owner=entry.owner,
                ),
                entry.when,
                _place(document, "rules", position, "when"),
            )
            for position, entry in enumerate(settings.rules.rules)
        ]
    )


def _place(document: Document | None, *steps: str | int) -> str:
    return document.place(*steps) if document is not None else "policy"


def _us(seconds: float) -> int:
    return round(seconds * SECOND_US)
