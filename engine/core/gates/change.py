"""Change: what a person puts in the place of a held proposal waits for no less than that did."""

from engine.core.vocabulary.proposals import Changed
from engine.core.vocabulary.verdicts import Answer, Wait

GATE = "change"
RULE = "change"
_OWNER = "captain"
_KEPT = frozenset({"person", "votes"})
"""What else the old one waited for is asked anew: whether a rollout is paused, whether it is recommended."""


def judge(changed: Changed, against: str, waits: tuple[Wait, ...]) -> Answer:
    """Deny a change that counts for nothing, for the reason given; else ask for all that was asked before.

    Otherwise whoever answers for one part could write the estimate small, and no vote would be held.
    """
    if against:
        return Answer(gate=GATE, ruling="deny", reason=against, rule=RULE, owner=_OWNER)
    kept = tuple(wait for wait in waits if wait.kind in _KEPT)
    said = f"{changed.by} changed it, in place of {changed.of}"
    if not kept:
        return Answer(gate=GATE, ruling="allow", reason=said, rule=RULE, owner=_OWNER)
    votes = any(wait.kind == "votes" for wait in kept)
    return Answer(
        gate=GATE,
        ruling="consensus" if votes else "escalate",
        reason=f"{said}, and it waits for no less",
        rule=RULE,
        owner=_OWNER,
        waits=kept,
    )
