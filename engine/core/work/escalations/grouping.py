"""Grouping: what is one incident. An incident wakes people once, however much comes of it."""

from engine.core.vocabulary.escalations import EscalationSettings, Ladder
from engine.core.vocabulary.ids import EscalationId
from engine.core.work.escalations.standing import Escalations, Need, group_on


def place(
    escalations: Escalations, settings: EscalationSettings, need: Need, ladder: Ladder, now_us: int
) -> EscalationId | None:
    """Return the escalation that a need joins; `None` where it is an incident of its own.

    It joins the one of its own incident that climbs the same ladder: another one rings other people, or none.
    In a storm it joins the latest that climbs the same ladder and that
    nobody has yet: whoever has one knows what they took, and is told of nothing else in its name. A drill is
    never joined, nor joins.
    """
    if need.kind == "drill":
        return None
    known = escalations.of_key.get(need.key) or escalations.of_group.get(group_on(need.group, ladder.name))
    if known is not None:
        return known
    recent = 0
    latest: EscalationId | None = None
    # They stand in the order in which they were raised.
    for name, each in reversed(escalations.by_id.items()):
        if each.raised_us <= now_us - settings.storm_within_us:
            break
        if each.ladder.name != ladder.name or each.kind == "drill":
            continue
        recent += 1
        if latest is None and each.stage == "ringing":
            latest = name
        if recent >= settings.storm_most and latest is not None:
            return latest
    return None
