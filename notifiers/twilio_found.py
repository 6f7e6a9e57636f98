"""Which of what Twilio lists may be what one notification asked for."""

from collections.abc import Iterable
from typing import Final

from notifiers.channel import Message
from notifiers.twilio_client import Seen

_SLACK_S: Final = 2.0
"""Twilio's times are whole seconds, its clock is read to a second, and ours is read after."""


def found_since(message: Message, seen: Iterable[Seen], ahead_s: float, *, from_number: str) -> list[Seen]:
    """Keep what we sent to the message's number since it was asked for, the newest first.

    `ahead_s` is how far Twilio's clock is ahead of ours: what an earlier notification sent must not pass
    for this one, and a clock that is off must not hide what was sent.
    """
    asked_us = message.sent_us if message.since_us is None else message.since_us
    since_s = asked_us / 1e6 + ahead_s - _SLACK_S
    return [
        each
        for each in seen
        if each.to == message.address
        and each.from_ == from_number
        and (each.direction or "").startswith("outbound")
        and (created_s := each.created_s()) is not None
        and created_s >= since_s
    ]
