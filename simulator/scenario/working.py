"""A worker on a stage: does what is allowed, as the script says it turns out."""

from typing import Literal

from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.ids import DecisionId
from engine.runtime import wire
from engine.runtime.live import Live


async def work(live: Live, decision: DecisionId, how: Literal["does", "fails", "begins"]) -> bool:
    """Do what a decision allowed. Says whether there was anything to do."""
    leased = await live.leases.lease(wire.Lease(worker="w-1:1", most=20, wait_s=0.2))
    mine = [each for each in leased.effects if each.task.decision_id == decision]
    for other in leased.effects:
        if other not in mine:
            await live.leases.give_back(wire.GiveBack(effect_id=other.task.effect_id, token=other.task.token))
    if not mine:
        return False
    task = mine[0].task
    await live.leases.start(wire.Start(effect_id=task.effect_id, token=task.token))
    if how == "begins":
        return True
    status: EffectStatus = "done" if how == "does" else "failed"
    result = Result(
        success=status == "done",
        output="it worked" if status == "done" else "",
        error="" if status == "done" else "it did not work",
        execution_time_s=0.1,
    )
    await live.leases.end(wire.End(effect_id=task.effect_id, token=task.token, status=status, result=result))
    return True
