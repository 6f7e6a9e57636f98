"""What a stage's engine decides by: the shipped policy, with a few actions as scripts need them."""

from typing import Final

import msgspec
from msgspec import UNSET

from engine.core.policy import Policy
from engine.core.vocabulary.actions import ApprovalRule, Running
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.competing import Competition
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, PersonId, capability_name
from engine.core.vocabulary.rollouts import RolloutPlan, RolloutSettings
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy

CAPABILITY: Final = "heal@1"
ADVISES: Final = CapabilityId("advise@1")
"""A capability that recommends and executes nothing by itself."""
PERFORMED: Final = ("cache.clear", "service.restart", "file.write")
"""The actions this engine performs itself, at the hands of the script."""
RULED: Final = {
    "deploy.release": ApprovalRule(people=2, expires_us=HOUR_US),
    "database.query": ApprovalRule(approval_class="A"),
}
"""The actions with an approval rule of their own: two people within the hour, and class A."""


COMPETE: Final = ("container.restart", "container.stop")
"""The actions two of which want the same container, and so compete here."""


COMPETITION: Final = Competition(within_us=5 * MINUTE_US, captain_us=15 * MINUTE_US, quorum=2)


def stage_policy() -> Policy:
    """Return the shipped policy, under which the script's worker performs a few actions."""
    source = read_policy(SHIPPED_POLICY)
    # A transcript reads the same by day and by night.
    rules = tuple(rule for rule in source.settings.rules.rules if "hour_utc" not in rule.when)
    settings = source.settings.model_copy(
        update={"rules": source.settings.rules.model_copy(update={"rules": rules})}
    )
    policy = build_policy(msgspec.structs.replace(source, settings=settings))
    actions = dict(policy.actions)
    run = Running(runner="shell", timeout_us=60 * SECOND_US, idempotent=True)
    for name in PERFORMED:
        if name in actions:
            actions[ActionName(name)] = msgspec.structs.replace(actions[ActionName(name)], run=run)
    for name, rule in RULED.items():
        actions[ActionName(name)] = msgspec.structs.replace(actions[ActionName(name)], approval=rule)
    rollouts = RolloutSettings(
        established=(CapabilityId(CAPABILITY), ADVISES),
        by_name={capability_name(ADVISES): RolloutPlan(mode="recommend")},
    )
    captaincy = CaptaincySettings(
        captain=PersonId("cora"), deputy=PersonId("dean"), vetoers=(AgentId("agent-4"),)
    )
    for name, action in actions.items():
        if name not in COMPETE:
            actions[name] = msgspec.structs.replace(action, resource=UNSET)
    voting = msgspec.structs.replace(policy.voting, competition=COMPETITION)
    return msgspec.structs.replace(
        policy, actions=actions, rollouts=rollouts, captaincy=captaincy, voting=voting
    )


def by_borda(policy: Policy) -> Policy:
    """Return the same policy with ballots that put alternatives in order."""
    voting = msgspec.structs.replace(
        policy.voting, competition=msgspec.structs.replace(COMPETITION, method="borda")
    )
    return msgspec.structs.replace(policy, voting=voting)
