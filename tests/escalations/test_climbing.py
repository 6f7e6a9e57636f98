"""A ladder is climbed until a human proves awake, and never longer."""

from msgspec import structs

from engine.core.state import decode_state, encode_state
from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationCleared,
    EscalationEnded,
    EscalationHanded,
    EscalationJoined,
    EscalationPassed,
    EscalationPostponed,
    EscalationSnoozed,
    NotificationsRequested,
    RungReached,
)
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.core.work.escalations.climbing import handed
from tests.escalations.ladders import LADDER, Bridge

ADA, BEN = PersonId("ada"), PersonId("ben")


def acknowledge(bridge, name, by=ADA):
    bridge.take(
        EscalationAcknowledged(at_us=bridge.now_us, escalation_id=name, by=by, role="responder", via="call")
    )
    bridge.settle()


def clear(bridge, name, key="alert:disk"):
    at_us = bridge.now_us
    until_us = at_us + 5 * MINUTE_US
    bridge.take(EscalationCleared(at_us=at_us, escalation_id=name, key=key, by="engine", until_us=until_us))


def join(bridge, name):
    bridge.take(
        EscalationJoined(
            at_us=bridge.now_us, escalation_id=name, key="alert:disk", summary="again", severity="warning"
        )
    )
    bridge.settle()


def rungs(bridge):
    return [(fact.round, fact.rung, fact.nth) for fact in bridge.told(RungReached)]


def test_the_first_rung_rings_at_once():
    bridge = Bridge()
    name = bridge.raise_()
    assert bridge.to_send(name) == [("ada", "slack", "wake"), ("", "slack-channel", "wake")]


def test_each_rung_rings_as_often_and_as_long_as_it_says():
    bridge = Bridge()
    name = bridge.raise_()
    began = bridge.now_us
    bridge.until(began + HOUR_US)
    assert rungs(bridge) == [
        (1, 1, 1), (1, 2, 1), (1, 2, 2), (1, 3, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2), (2, 3, 1)
    ]  # fmt: skip
    at_s = [(fact.at_us - began) // SECOND_US for fact in bridge.told(RungReached)]
    assert at_s == [0, 30, 90, 150, 270, 300, 360, 420]
    (end,) = bridge.told(EscalationEnded)
    assert (end.how, end.failsafe, (end.at_us - began) // SECOND_US) == ("exhausted", "hold", 540)
    assert bridge[name].stage == "ended", "it stays known while what it is about stands"


def test_an_acknowledgement_ends_the_ringing_and_is_told_to_the_others():
    bridge = Bridge()
    name = bridge.raise_()
    bridge.send_all(name)
    bridge.wait(160)
    bridge.send_all(name)
    acknowledge(bridge, name, BEN)
    told = bridge.send_all(name)
    assert ("ada", "slack", "told") in told
    assert ("ada", "sms", "told") in told
    assert all(channel != "call" for _, channel, _ in told), "nobody is rung to hear that somebody has it"
    assert all(person != "ben" for person, _, _ in told)
    before = len(bridge.facts)
    bridge.wait(29 * 60)
    assert bridge.told(RungReached)[-1].at_us < bridge.now_us - 28 * MINUTE_US
    assert len(bridge.facts) == before


def test_what_was_still_to_be_sent_is_not_sent_after_an_acknowledgement():
    bridge = Bridge()
    name = bridge.raise_()
    acknowledge(bridge, name)
    assert all(purpose == "told" for _, _, purpose in bridge.to_send(name))


def test_who_has_it_is_asked_again_when_nothing_moves_and_all_are_woken_when_they_sleep():
    bridge = Bridge()
    name = bridge.raise_()
    bridge.send_all(name)
    acknowledge(bridge, name)
    bridge.send_all(name)
    bridge.wait(30 * 60)
    assert bridge.send_all(name) == [("ada", "slack", "again")]
    bridge.wait(5 * 60)
    assert bridge[name].stage == "ringing"
    assert rungs(bridge)[-1] == (1, 1, 1)


def test_who_answers_the_question_keeps_it():
    bridge = Bridge()
    name = bridge.raise_()
    bridge.send_all(name)
    acknowledge(bridge, name)
    bridge.wait(30 * 60)
    acknowledge(bridge, name)
    bridge.wait(29 * 60)
    assert (bridge[name].stage, bridge[name].holder) == ("acknowledged", "ada")
    assert len(bridge.told(RungReached)) == 1


def test_near_a_deadline_it_is_asked_sooner():
    bridge = Bridge()
    name = bridge.raise_(deadline_us=bridge.now_us + 20 * MINUTE_US)
    acknowledge(bridge, name)
    began = bridge.now_us
    bridge.send_all(name)
    bridge.until(began + 10 * MINUTE_US)
    asked = [fact for fact in bridge.told(NotificationsRequested) if "nothing moved" in fact.why]
    assert [fact.at_us - began for fact in asked] == [10 * MINUTE_US]
    acknowledge(bridge, name)
    bridge.until(began + 16 * MINUTE_US)
    asked = [fact for fact in bridge.told(NotificationsRequested) if "nothing moved" in fact.why]
    assert [fact.at_us - began for fact in asked] == [10 * MINUTE_US, 16 * MINUTE_US]


def test_a_snooze_comes_back_when_it_said():
    bridge = Bridge()
    name = bridge.raise_()
    bridge.send_all(name)
    bridge.take(
        EscalationSnoozed(
            at_us=bridge.now_us,
            escalation_id=name,
            by=ADA,
            role="responder",
            via="slack",
            until_us=bridge.now_us + HOUR_US,
        )
    )
    bridge.settle()
    bridge.send_all(name)
    bridge.wait(3599)
    assert bridge.to_send(name) == []
    bridge.wait(1)
    assert bridge.send_all(name) == [("ada", "slack", "again")]


def test_whom_it_is_handed_to_is_woken_and_followed_by_the_whole_ladder():
    bridge = Bridge()
    name = bridge.raise_()
    bridge.send_all(name)
    acknowledge(bridge, name)
    bridge.send_all(name)
    notifications, left = handed(name, bridge[name], bridge.crew, BEN, bridge.now_us)
    assert [each.channel for each in notifications] == ["slack", "call", "sms"]
    assert left == ()
    bridge.take(
        EscalationHanded(
            at_us=bridge.now_us,
            escalation_id=name,
            by=ADA,
            to=BEN,
            via="slack",
            notifications=notifications,
            wait_us=60 * SECOND_US,
        )
    )
    bridge.settle()
    assert {person for person, _, _ in bridge.send_all(name)} == {"ben"}
    bridge.wait(61)
    assert rungs(bridge)[-1] == (1, 1, 1)


def test_the_next_person_is_rung_at_once_when_somebody_passes():
    bridge = Bridge()
    name = bridge.raise_()
    bridge.take(EscalationPassed(at_us=bridge.now_us, escalation_id=name, by=ADA, via="call"))
    bridge.settle()
    assert rungs(bridge) == [(1, 1, 1), (1, 2, 1)]


def test_a_rung_of_which_nothing_went_out_is_not_waited_for():
    bridge = Bridge()
    name = bridge.raise_()
    for each in list(bridge[name].sendings):
        bridge.report(each, failure="broken")
    assert rungs(bridge) == [(1, 1, 1), (1, 2, 1)], "two providers are down, the phone is not"


def test_a_rung_that_failed_while_nobody_was_needed_is_not_waited_for_afterwards():
    bridge = Bridge()
    name = bridge.raise_("alert:disk")
    clear(bridge, name)
    for each in list(bridge[name].sendings):
        bridge.report(each, failure="address")
    assert rungs(bridge) == [(1, 1, 1)], "nobody is needed"
    bridge.wait(1)
    join(bridge, name)
    assert rungs(bridge) == [(1, 1, 1), (1, 2, 1)]


def test_a_whole_ladder_that_fails_at_once_is_not_over_at_once():
    bridge = Bridge()
    name = bridge.raise_()
    for _ in range(3):
        for each in [one for one, sending in bridge[name].sendings.items() if sending.is_open]:
            bridge.report(each, failure="setup")
    assert bridge[name].stage == "ringing"
    assert bridge.told(EscalationEnded) == []


def test_a_broken_provider_is_tried_again_and_a_wrong_number_is_not():
    bridge = Bridge()
    name = bridge.raise_()
    slack, channel = bridge[name].sendings
    bridge.report(slack, failure="address")
    bridge.report(channel, failure="broken")
    bridge.wait(2)
    retried = [each for fact in bridge.told(NotificationsRequested) for each in fact.notifications]
    assert [(each.notification_id, each.attempt) for each in retried] == [(channel, 2)]


def test_a_late_report_takes_nothing_back():
    bridge = Bridge()
    name = bridge.raise_()
    slack = next(iter(bridge[name].sendings))
    bridge.report(slack, "answered")
    bridge.report(slack, "accepted")
    bridge.report(slack, "delivered")
    assert bridge[name].sendings[slack].delivery == "answered"
    assert bridge[name].stage == "ringing", "answered is not acknowledged"


def test_quiet_hours_put_a_wake_up_off_and_never_drop_it():
    bridge = Bridge(structs.replace(LADDER, rungs=LADDER.rungs[1:], rounds=1))
    bridge.crew.asleep = dict.fromkeys(["ada", "ben", "cy"], bridge.now_us + 8 * HOUR_US)
    began = bridge.now_us
    bridge.raise_()
    (postponed,) = bridge.told(EscalationPostponed)
    assert postponed.until_us == began + 8 * HOUR_US
    bridge.until(began + 8 * HOUR_US)
    ring = bridge.told(RungReached)[-1]
    assert (ring.at_us, [each.person for each in ring.notifications]) == (began + 8 * HOUR_US, ["ada", "ada"])


def test_what_is_put_off_rings_no_sooner_because_an_earlier_page_came_to_nothing():
    rung = structs.replace(LADDER.rungs[0], by=("slack", "call"), post=())
    bridge = Bridge(structs.replace(LADDER, rungs=(rung,), rounds=1))
    bridge.crew.asleep = {"ada": bridge.now_us + 8 * HOUR_US}
    name = bridge.raise_()
    first, *_ = bridge[name].sendings
    bridge.wait(120)
    assert bridge.told(EscalationPostponed)
    before = rungs(bridge)
    bridge.report(first, failure="broken")
    bridge.wait(60)
    assert rungs(bridge) == before


def test_flapping_wakes_once():
    bridge = Bridge()
    name = bridge.raise_("alert:disk")
    bridge.send_all(name)
    acknowledge(bridge, name)
    bridge.send_all(name)
    for _ in range(20):
        clear(bridge, name)
        bridge.wait(60)
        join(bridge, name)
    assert bridge[name].count == 21
    assert (bridge[name].stage, len(bridge.told(RungReached))) == ("acknowledged", 1)


def test_what_went_away_for_long_ends_and_is_told():
    bridge = Bridge()
    name = bridge.raise_("alert:disk")
    bridge.send_all(name)
    bridge.take(
        EscalationCleared(
            at_us=bridge.now_us,
            escalation_id=name,
            key="alert:disk",
            by="engine",
            until_us=bridge.now_us + 5 * MINUTE_US,
        )
    )
    bridge.wait(5 * 60)
    assert [end.how for end in bridge.told(EscalationEnded)] == ["resolved"]
    assert bridge.to_send(name) == [("ada", "slack", "over"), ("", "slack-channel", "over")]
    for each in list(bridge[name].sendings):
        if name in bridge.state.escalations.by_id and bridge[name].sendings[each].is_open:
            bridge.report(each)
    assert bridge.state.escalations.by_id == {}


def test_a_restart_goes_on_at_the_same_moment():
    straight, restarted = Bridge(), Bridge()
    for bridge in (straight, restarted):
        bridge.raise_()
    for _ in range(60):
        straight.wait(7)
        restarted.wait(7)
        restarted.state = decode_state(encode_state(restarted.state))
    assert restarted.facts == straight.facts


def test_whom_quiet_hours_kept_from_an_earlier_climb_puts_off_no_later_one():
    rung = structs.replace(LADDER.rungs[0], by=("slack", "call"))
    bridge = Bridge(structs.replace(LADDER, rungs=(rung,), rounds=1))
    bridge.crew.asleep = {"ada": bridge.now_us + 20 * SECOND_US}
    name = bridge.raise_()
    assert bridge[name].withheld_us is not None
    acknowledge(bridge, name, BEN)
    bridge.until(bridge.now_us + 36 * MINUTE_US)
    assert [end.how for end in bridge.told(EscalationEnded)] == ["exhausted"]
    assert bridge.told(EscalationPostponed) == []
