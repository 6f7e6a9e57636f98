"""Folding: how each fact changes what is known of an escalation.

What is unknown changes nothing: a report may come when all is over, a word when somebody else was quicker.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationCleared,
    EscalationEnded,
    EscalationFact,
    EscalationHanded,
    EscalationJoined,
    EscalationPassed,
    EscalationPostponed,
    EscalationRaised,
    EscalationSnoozed,
    NotificationReported,
    NotificationsRequested,
    OnCallChanged,
    OnCallRestored,
    RungReached,
)
from engine.core.vocabulary.escalations import CHANNEL_FAULTS, SEVERITIES, Notification
from engine.core.vocabulary.facts import EffectEnded, StageChanged
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import DAY_US, HOUR_US
from engine.core.work.endings import ENGINE
from engine.core.work.escalations.standing import (
    DELIVERED,
    Asked,
    Escalation,
    Escalations,
    Failing,
    Need,
    Sending,
    group_on,
)

_KEPT_US: Final = 7 * DAY_US
"""How long one that ended is known while what it was about still stands. A trouble that nobody mends in a
week may wake somebody again."""
_LAST_WORD_US: Final = HOUR_US
"""How long the last word to those who were woken is tried."""


def fold(escalations: Escalations, fact: EscalationFact) -> None:
    """Fold one fact about an escalation."""
    if isinstance(fact, EscalationRaised):
        _raise(escalations, fact)
        return
    escalation = escalations.by_id.get(fact.escalation_id)
    if escalation is None:
        return
    escalation.facts += 1
    _FOLDS[type(fact)](escalations, escalation, fact)
    if not escalation.is_open:
        _let_go(escalations, fact.escalation_id, escalation, fact.at_us)


def _raise(escalations: Escalations, fact: EscalationRaised) -> None:
    escalations.wanted.pop(fact.key, None)
    escalations.by_id[fact.escalation_id] = Escalation(
        code=fact.code,
        group=fact.group,
        kind=fact.kind,
        severity=fact.severity,
        about=fact.about,
        summary=fact.summary,
        evidence=fact.evidence,
        deadline_us=fact.deadline_us,
        then=fact.then,
        by=fact.by,
        raised_us=fact.at_us,
        ladder=fact.ladder,
        needs={fact.key: fact.about},
        asked={
            fact.key: Asked(
                about=fact.about,
                summary=fact.summary,
                evidence=fact.evidence,
                deadline_us=fact.deadline_us,
                then=fact.then,
            )
        },
        key=fact.key,
        next_us=fact.at_us,
    )
    escalations.of_key[fact.key] = fact.escalation_id
    escalations.of_group[group_on(fact.group, fact.ladder.name)] = fact.escalation_id


def _join(escalations: Escalations, escalation: Escalation, fact: EscalationJoined) -> None:
    escalations.wanted.pop(fact.key, None)
    again = fact.key in escalation.needs
    escalation.needs[fact.key] = fact.about
    escalations.of_key[fact.key] = fact.escalation_id
    escalation.count += 1
    escalation.asked[fact.key] = Asked(
        about=fact.about,
        summary=fact.summary,
        evidence=() if fact.evidence is UNSET else fact.evidence,
        deadline_us=fact.deadline_us,
        then="" if fact.then is UNSET else fact.then,
    )
    _show(escalation)
    worse = SEVERITIES[fact.severity] > SEVERITIES[escalation.severity]
    if worse:
        escalation.severity = fact.severity
    if escalation.stage == "cleared":
        escalation.stage = escalation.before
        resumed = escalation.resume_us
        escalation.next_us = None if resumed is None else max(resumed, fact.at_us)
        if escalation.stage == "ringing":
            # Its rung may have failed meanwhile, when nobody was waited for.
            _hurry(escalation, fact.at_us)
    elif escalation.stage == "ended" and not again:
        # Nobody came, or nobody was needed, for what was known then. This is more than that.
        escalation.ended = UNSET
        _climb_anew(escalation, fact.at_us)
    elif escalation.stage == "acknowledged" and escalation.next_us is not None:
        escalation.next_us = min(escalation.next_us, again_us(escalation, fact.at_us))
    if worse:
        _worsen(escalation, fact.at_us)


def _worsen(escalation: Escalation, at_us: int) -> None:
    """Have what got worse wait no longer than that allows: quiet hours and snoozes were for less."""
    if escalation.stage == "ringing" and escalation.withheld_us is not None:
        _climb_anew(escalation, at_us)
    elif escalation.stage == "snoozed" and escalation.next_us is not None:
        escalation.stage = "acknowledged"
        escalation.next_us = min(escalation.next_us, again_us(escalation, at_us))


def _show(escalation: Escalation) -> None:
    """Show a need that still stands: the same as before or else the most pressing, and the first deadline."""
    for key in escalation.asked.keys() - escalation.needs.keys():
        del escalation.asked[key]
    if escalation.key not in escalation.asked:
        # Not by the order in which they joined, which does not outlast a restart.
        escalation.moved = True
        escalation.key = min(escalation.asked, key=lambda key: _pressing(escalation, key), default="")
    shown = escalation.asked.get(escalation.key)
    if shown is None:
        return
    escalation.about, escalation.summary, escalation.evidence = shown.about, shown.summary, shown.evidence
    escalation.then = shown.then
    ends = [each.deadline_us for each in escalation.asked.values() if each.deadline_us is not UNSET]
    escalation.deadline_us = min(ends, default=UNSET)


def _pressing(escalation: Escalation, key: str) -> tuple[bool, int, str]:
    ends_us = escalation.asked[key].deadline_us
    return (True, 0, key) if ends_us is UNSET else (False, ends_us, key)


def _clear(escalations: Escalations, escalation: Escalation, fact: EscalationCleared) -> None:
    escalation.needs.pop(fact.key, None)
    escalations.of_key.pop(fact.key, None)
    if escalation.needs:
        _show(escalation)
    if escalation.needs or escalation.stage in {"cleared", "ended"}:
        return
    escalation.before, escalation.resume_us = escalation.stage, escalation.next_us
    escalation.stage, escalation.next_us = "cleared", fact.until_us


def _reach(_escalations: Escalations, escalation: Escalation, fact: RungReached) -> None:
    if escalation.stage in {"cleared", "ended"}:
        return
    escalation.stage, escalation.holder = "ringing", PersonId("")
    escalation.round, escalation.rung, escalation.nth = fact.round, fact.rung, fact.nth
    escalation.ringing = tuple(each.notification_id for each in fact.notifications)
    if (fact.round, fact.rung, fact.nth) == (1, 1, 1):
        # Whom quiet hours kept from an earlier climb says nothing about this one.
        escalation.withheld_us = None
    waits = [left.until_us for left in fact.left_out if left.until_us is not None]
    if waits:
        known = escalation.withheld_us
        escalation.withheld_us = min(waits) if known is None else min(known, *waits)
    # Where nobody was rung there is nobody to wait for.
    wait_us = escalation.ladder.rungs[fact.rung - 1].wait_us if fact.notifications else 0
    escalation.next_us = fact.at_us + wait_us
    _request(escalation, fact.notifications, fact.at_us)


def _ask(_escalations: Escalations, escalation: Escalation, fact: NotificationsRequested) -> None:
    _request(escalation, fact.notifications, fact.at_us, fact.why)
    purposes = {each.purpose for each in fact.notifications}
    if "told" in purposes or not fact.notifications:
        escalation.to_tell = False
    if "again" in purposes and escalation.stage in {"acknowledged", "snoozed"}:
        escalation.stage = "asked"
        escalation.next_us = fact.at_us + escalation.ladder.answer_us


def _request(
    escalation: Escalation, notifications: tuple[Notification, ...], at_us: int, why: str = ""
) -> None:
    for each in notifications:
        before = escalation.sendings.get(each.notification_id)
        if before is None:
            escalation.made += 1
            escalation.sendings[each.notification_id] = Sending(
                notification=each, requested_us=at_us, why=why
            )
        else:
            escalation.sendings[each.notification_id] = Sending(
                notification=each,
                requested_us=at_us,
                first_us=before.requested_us if before.first_us is None else before.first_us,
                why=before.why,
                was_unsure=before.was_unsure or before.delivery == "unsure",
            )
        if each.purpose != "wake":
            continue
        if each.person:
            ways = escalation.woken.get(each.person, ())
            escalation.woken[each.person] = ways if each.channel in ways else (*ways, each.channel)
        elif each.channel not in escalation.posted:
            escalation.posted += (each.channel,)


def _report(escalations: Escalations, escalation: Escalation, fact: NotificationReported) -> None:
    known = escalation.sendings.get(fact.notification_id)
    if known is None or not changes(known, fact):
        return
    rank, channel = DELIVERED[fact.delivery], known.notification.channel
    if rank:
        escalations.failures.pop(channel, None)
    elif fact.kind in CHANNEL_FAULTS:
        before = escalations.failures.get(channel)
        failures = 1 if before is None else before.count + 1
        escalations.failures[channel] = Failing(count=failures, detail=fact.detail)
    escalation.sendings[fact.notification_id] = replace(
        known, delivery=fact.delivery, retry_us=fact.retry_us, ref=fact.ref or known.ref
    )
    if escalation.stage == "ringing" and fact.notification_id in escalation.ringing:
        _hurry(escalation, fact.at_us)


def changes(known: Sending, fact: NotificationReported) -> bool:
    """Whether a report says anything new of a notification. They come late, twice, and in any order."""
    if fact.attempt != known.notification.attempt:
        return False
    # A provider that took it may still say that it could not deliver it: that is news, and bad.
    bad_news = fact.delivery == "failed" and known.delivery == "accepted"
    return not known.rank or DELIVERED[fact.delivery] > known.rank or bad_news


def _hurry(escalation: Escalation, at_us: int) -> None:
    """Do not wait for a rung of which nothing went out, while there is another to try.

    Not past the last rung: a whole ladder that fails at once would be over before a provider is back.
    """
    rang = [sending for each in escalation.ringing if (sending := escalation.sendings.get(each)) is not None]
    if not rang or any(sending.delivery is UNSET or sending.went_out for sending in rang):
        return
    if escalation.rung < len(escalation.ladder.rungs):
        escalation.nth = escalation.ladder.rungs[escalation.rung - 1].repeat + 1
        escalation.next_us = at_us


def _take(_escalations: Escalations, escalation: Escalation, fact: EscalationAcknowledged) -> None:
    if escalation.stage == "ended":
        return
    _hold(escalation, fact.by, again_us(escalation, fact.at_us), "acknowledged")


def _snooze(_escalations: Escalations, escalation: Escalation, fact: EscalationSnoozed) -> None:
    if escalation.stage == "ended":
        return
    _hold(escalation, fact.by, fact.until_us, "snoozed")


def _hold(escalation: Escalation, by: PersonId, next_us: int, stage: Any) -> None:
    others = escalation.posted or any(person != by for person in escalation.woken)
    escalation.to_tell = bool(others) and escalation.holder != by
    escalation.holder = by
    if escalation.stage == "cleared":
        escalation.before, escalation.resume_us = stage, next_us
    else:
        escalation.stage, escalation.next_us = stage, next_us
    _hush(escalation)


def _hush(escalation: Escalation) -> None:
    """Ring no more: what is still to be sent stays unsent."""
    for name, sending in list(escalation.sendings.items()):
        if sending.notification.purpose in {"wake", "again"} and (sending.is_open or sending.retry_us):
            del escalation.sendings[name]


def again_us(escalation: Escalation, at_us: int) -> int:
    """Say when whoever takes it now is asked whether it moves.

    After the ladder's time, or at half or four fifths of the time until the deadline, whichever is first.
    """
    moments = [at_us + escalation.ladder.ask_again_us]
    if escalation.deadline_us is not UNSET:
        span_us = escalation.deadline_us - escalation.raised_us
        marks = (escalation.raised_us + span_us // 2, escalation.raised_us + span_us * 4 // 5)
        moments += [mark for mark in marks if mark > at_us]
    return min(moments)


def _hand(_escalations: Escalations, escalation: Escalation, fact: EscalationHanded) -> None:
    if escalation.stage in {"ended", "cleared"}:
        return
    _hush(escalation)
    escalation.stage, escalation.holder, escalation.to_tell = "ringing", PersonId(""), False
    escalation.ringing = tuple(each.notification_id for each in fact.notifications)
    escalation.next_us = fact.at_us + fact.wait_us
    # Who does not answer is followed by the whole ladder, from its beginning.
    escalation.round, escalation.rung, escalation.nth = 1, 0, 0
    _request(escalation, fact.notifications, fact.at_us)


def _pass(_escalations: Escalations, escalation: Escalation, fact: EscalationPassed) -> None:
    if escalation.stage in {"acknowledged", "snoozed", "asked"} and escalation.holder == fact.by:
        escalation.stage, escalation.holder = "ringing", PersonId("")
        if escalation.is_last_rung:
            _climb_anew(escalation, fact.at_us)
    if escalation.stage == "ringing":
        if escalation.rung:
            escalation.nth = escalation.ladder.rungs[escalation.rung - 1].repeat + 1
        escalation.next_us = fact.at_us


def _postpone(_escalations: Escalations, escalation: Escalation, fact: EscalationPostponed) -> None:
    if escalation.stage == "ringing":
        _climb_anew(escalation, fact.until_us)


def _climb_anew(escalation: Escalation, at_us: int) -> None:
    escalation.stage, escalation.next_us, escalation.holder = "ringing", at_us, PersonId("")
    escalation.round, escalation.rung, escalation.nth, escalation.ringing = 1, 0, 0, ()


def _end(escalations: Escalations, escalation: Escalation, fact: EscalationEnded) -> None:
    _hush(escalation)
    escalation.stage, escalation.next_us, escalation.to_tell = "ended", None, False
    escalation.ended, escalation.ended_us = fact.how, fact.at_us
    if fact.how != "exhausted" and escalation.kind in _OVER_WHEN_ENDED:
        # Whatever comes under the same key is a new need.
        for key in escalation.needs:
            escalations.of_key.pop(key, None)
        escalation.needs.clear()
    _request(escalation, fact.notifications, fact.at_us, fact.detail)


_OVER_WHEN_ENDED: Final = frozenset({"request", "drill", "undo", "rollout", "failsafe", "alert"})
"""Kinds that nothing but a word ends: there is no state of the engine that says whether they still stand."""


def _let_go(escalations: Escalations, name: EscalationId, escalation: Escalation, at_us: int) -> None:
    """Forget one that ended, once what it was about is over and everybody heard."""
    stands = bool(escalation.needs) and escalation.ended != "resolved" and escalation.kind != "drill"
    if stands and at_us < escalation.ended_us + _KEPT_US:
        return
    speaks = any(each.is_open or each.retry_us is not None for each in escalation.sendings.values())
    if speaks and at_us < escalation.ended_us + _LAST_WORD_US:
        return
    del escalations.by_id[name]
    for key in escalation.needs:
        if escalations.of_key.get(key) == name:
            del escalations.of_key[key]
    group = group_on(escalation.group, escalation.ladder.name)
    if escalations.of_group.get(group) == name:
        del escalations.of_group[group]


_FOLDS: Final[dict[type, Callable[[Escalations, Escalation, Any], None]]] = {
    EscalationJoined: _join,
    EscalationCleared: _clear,
    RungReached: _reach,
    NotificationsRequested: _ask,
    NotificationReported: _report,
    EscalationAcknowledged: _take,
    EscalationSnoozed: _snooze,
    EscalationHanded: _hand,
    EscalationPassed: _pass,
    EscalationPostponed: _postpone,
    EscalationEnded: _end,
}


def put_in_order(escalations: Escalations) -> None:
    """Put escalations into the order in which they were raised, as folding has them."""
    ordered = sorted(escalations.by_id.items(), key=lambda item: (item[1].raised_us, item[0]))
    escalations.by_id = dict(ordered)


# ---------------------------------------------------------------- what else counts


def fold_time(escalations: Escalations, at_us: int) -> None:
    """Forget what ended long ago, and changes of who is on call that are past."""
    for name, each in list(escalations.by_id.items()):
        if not each.is_open:
            _let_go(escalations, name, each, at_us)
    if any(change.until_us <= at_us for change in escalations.changes):
        escalations.changes = tuple(each for each in escalations.changes if each.until_us > at_us)


def fold_effect(escalations: Escalations, fact: EffectEnded) -> None:
    """Want somebody for an undo that failed. Of one that nobody knows the end of, a hold asks already."""
    if fact.kind == "undo" and fact.status == "failed":
        escalations.wanted[f"undo:{fact.effect_id}"] = Need(
            key=f"undo:{fact.effect_id}",
            group=f"undo:{fact.decision_id}",
            kind="undo",
            severity="critical",
            about=fact.decision_id,
            summary=f"taking back {fact.action} of {fact.decision_id} failed",
            evidence=(fact.result.error,) if fact.result.error else (),
            capability=fact.capability,
            action=fact.action,
        )


def fold_stage(escalations: Escalations, fact: StageChanged) -> None:
    """Want somebody where evidence took away authority that a version had."""
    if fact.now == "rolled_back" and fact.by == ENGINE:
        escalations.wanted[f"rollout:{fact.capability}"] = Need(
            key=f"rollout:{fact.capability}",
            group=f"rollout:{fact.capability}",
            kind="rollout",
            severity="warning",
            about=fact.capability,
            capability=fact.capability,
            summary=f"{fact.capability} was rolled back",
            evidence=(fact.reason,),
        )


def fold_changed(escalations: Escalations, fact: OnCallChanged) -> None:
    """Remember who is on call in whose place."""
    escalations.changes = (*escalations.changes, fact)


def fold_restored(escalations: Escalations, fact: OnCallRestored) -> None:
    """Take such a change back."""
    escalations.changes = tuple(each for each in escalations.changes if each.change_id != fact.change_id)
