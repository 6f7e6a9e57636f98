"""Consensus: what is large enough needs the votes of several, not the word of one."""

from decimal import Decimal

from msgspec import Struct

from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import Answer, Check, Wait

GATE = "consensus"


class ConsensusSettings(Struct, frozen=True, kw_only=True):
    """From which impact on votes are needed, and how many of how many."""

    from_cost_usd: Decimal
    from_files: int
    votes: int
    voters: int
    owner: str


def judge(settings: ConsensusSettings, impact: Impact) -> Answer:
    """Hold for votes when cost or files reach their threshold. Exactly at the threshold needs votes."""
    checks = (
        Check("cost_usd", str(impact.cost_usd), str(settings.from_cost_usd)),
        Check("files", impact.files, settings.from_files),
    )
    costly, wide = impact.cost_usd >= settings.from_cost_usd, impact.files >= settings.from_files
    if not costly and not wide:
        return Answer(gate=GATE, ruling="allow", rule="consensus", owner=settings.owner, checks=checks)
    check = checks[0] if costly else checks[1]
    return Answer(
        gate=GATE,
        ruling="consensus",
        reason=f"{check.measured} {check.measure} reaches {check.limit}: "
        f"{settings.votes} of {settings.voters} votes are needed",
        rule=f"consensus.from_{check.measure}",
        owner=settings.owner,
        checks=checks,
        waits=(Wait(kind="votes", role="voters", needed=settings.votes, of=settings.voters),),
    )
