"""Strategies of facts about escalations: few names, so that they meet."""

from typing import Any

from hypothesis import strategies as st

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.escalations import Ladder, LeftOut, Notification, Rung
from engine.core.vocabulary.units import MINUTE_US

NAMES = st.sampled_from(["e_1", "e_2", "e_3"])
KEYS = st.sampled_from(["decision:d_1", "trouble:disk", "alert:a", "alert:b"])
PEOPLE = st.sampled_from(["ann", "ben"])
TEXTS = st.sampled_from(["", "disk full", "été\u202e"])
SEVERITIES = st.sampled_from(["info", "warning", "critical"])
TIMES = st.integers(0, 1 << 50)
NOTIFICATIONS = st.lists(
    st.builds(
        Notification,
        notification_id=st.sampled_from(["e_1.1", "e_1.2", "e_2.1", "e_3.11"]),
        channel=st.sampled_from(["call", "sms", "console"]),
        person=st.sampled_from(["", "ann", "ben"]),
        purpose=st.sampled_from(["wake", "again", "told", "over"]),
        attempt=st.integers(1, 3),
    ),
    max_size=3,
).map(tuple)
LADDERS = st.sampled_from(
    [
        Ladder(
            name="short",
            rungs=(Rung(to=("ann",), by=("call",), wait_us=MINUTE_US, repeat=1),),
            ask_again_us=10 * MINUTE_US,
            answer_us=MINUTE_US,
        ),
        Ladder(
            name="long",
            rungs=(
                Rung(post=("console",), wait_us=MINUTE_US),
                Rung(to=("everyone",), by=("call", "sms"), wait_us=MINUTE_US),
            ),
            rounds=2,
            failsafe="stop",
            ask_again_us=MINUTE_US,
            answer_us=MINUTE_US,
        ),
    ]
)


def fields() -> dict[type, dict[str, Any]]:
    """Return, for each kind of fact, a strategy for each of its fields but the time."""
    one = {"escalation_id": NAMES}
    said = one | {"by": PEOPLE, "via": st.sampled_from(["call", "slack"])}
    role = {"role": st.sampled_from(["viewer", "responder", "captain"])}
    return {
        e.EscalationRaised: one
        | {
            "code": st.sampled_from(["", "4711"]),
            "key": KEYS,
            "group": KEYS,
            "kind": st.sampled_from(["decision", "trouble", "alert", "request", "drill"]),
            "severity": SEVERITIES,
            "about": TEXTS,
            "summary": TEXTS,
            "evidence": st.lists(TEXTS, max_size=2).map(tuple),
            "deadline_us": TIMES,
            "by": PEOPLE,
            "ladder": LADDERS,
            "ladders_hash": st.just("aa"),
        },
        e.EscalationJoined: one
        | {"key": KEYS, "about": TEXTS, "summary": TEXTS, "severity": SEVERITIES, "deadline_us": TIMES},
        e.EscalationCleared: one | {"key": KEYS, "by": PEOPLE, "detail": TEXTS, "until_us": TIMES},
        e.RungReached: one
        | {
            "round": st.just(1),
            "rung": st.just(1),
            "nth": st.integers(1, 2),
            "notifications": NOTIFICATIONS,
            "left_out": st.lists(
                st.builds(LeftOut, who=PEOPLE, why=TEXTS, until_us=st.none() | TIMES), max_size=2
            ).map(tuple),
        },
        e.NotificationsRequested: one | {"why": TEXTS, "notifications": NOTIFICATIONS},
        e.NotificationReported: one
        | {
            "notification_id": st.sampled_from(["e_1.1", "e_1.2", "e_2.1", "e_3.11"]),
            "attempt": st.integers(1, 3),
            "delivery": st.sampled_from(["accepted", "delivered", "answered", "failed", "unsure"]),
            "kind": st.sampled_from(["address", "setup", "busy", "broken", "unsure"]),
            "ref": TEXTS,
            "detail": TEXTS,
            "retry_us": st.none() | TIMES,
        },
        e.EscalationAcknowledged: said | role,
        e.EscalationSnoozed: said | role | {"until_us": TIMES},
        e.EscalationHanded: said
        | {"to": PEOPLE, "notifications": NOTIFICATIONS, "wait_us": st.integers(1, MINUTE_US)},
        e.EscalationPassed: said,
        e.EscalationPostponed: one | {"until_us": TIMES, "reason": TEXTS},
        e.EscalationEnded: one
        | {
            "how": st.sampled_from(["resolved", "exhausted", "cancelled"]),
            "by": PEOPLE,
            "detail": TEXTS,
            "failsafe": st.sampled_from(["hold", "stop"]),
            "notifications": NOTIFICATIONS,
        },
        e.OnCallChanged: {
            "change_id": st.sampled_from(["c1", "c2"]),
            "schedule": st.just("primary"),
            "person": PEOPLE,
            "from_us": TIMES,
            "until_us": TIMES,
            "by": PEOPLE,
            "reason": TEXTS,
        },
        e.OnCallRestored: {"change_id": st.sampled_from(["c1", "c2"]), "by": PEOPLE},
    }
