"""Grounds: how everything stands that an answer to a held decision depends on beside the hold itself."""

from engine.core.gates import kill_switch, limits
from engine.core.policy import Policy
from engine.core.state import State
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import Answer
from engine.core.work import answers, contests


def grounds_of(policy: Policy, state: State, at_us: int) -> answers.Grounds:
    """Say how everything stands that an answer to a held decision depends on beside the hold itself."""

    def stopped(agent: AgentId, capability: CapabilityId, action: ActionName) -> str:
        return kill_switch.judge(state.stops, agent, capability, action).reason

    def limited(agent: AgentId, impact: Impact) -> Answer:
        return limits.judge(state.usage, agent, impact, at_us, shadowed=False)

    return answers.Grounds(
        policy_hash=policy.policy_hash,
        actions=policy.actions,
        stopped=stopped,
        limited=limited,
        may_act=state.rollouts.may_act,
        paused=lambda name: bool(state.rollouts.paused.get(name)),
        captaincy=policy.captaincy,
        behind=lambda decision: contests.behind(state.contests, decision),
    )
