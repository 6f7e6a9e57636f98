"""Which of a provider's ids belong to which notification, for providers that know no ids of ours.

Twilio lists calls by number and time, not by what we call them. Whoever looks there for a call of which
nobody knows must not take another's for it: that would be silence for the one.
"""

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Final

from engine.core.vocabulary.ids import NotificationId
from notifiers.channel import Message, NotSent, Sent
from notifiers.twilio_client import Taken

_MOST: Final = 10_000
"""How many are remembered: more than are sent in the minutes in which anybody looks back."""
_FORGET_US: Final = 3600 * 1_000_000
_SLOW_US: Final = 60 * 1_000_000
"""How long a request may have been on its way before what it asked for comes to exist."""
_NOBODY: Final = NotificationId("")


class Claims:
    """What is known of sends in this process."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._owner: OrderedDict[str, NotificationId] = OrderedDict()
        self._open: dict[str, dict[NotificationId, int]] = {}
        """By address: what is or may be under way, and when it was asked for."""

    def begin(self, message: Message) -> None:
        """Note that something is being sent to an address, and may come to exist."""
        known = self._open.get(message.address, {})
        still = {each: sent_us for each, sent_us in known.items() if sent_us > message.sent_us - _FORGET_US}
        self._open[message.address] = still | {message.notification_id: message.sent_us}

    def took(self, message: Message, ref: str) -> None:
        """Note that the provider's id belongs to this notification."""
        self._owner[ref] = message.notification_id
        if len(self._owner) > _MOST:
            self._owner.popitem(last=False)
        self.never_was(message)

    def never_was(self, message: Message) -> None:
        """Note that nothing came to exist of a send, or that nobody asks any more."""
        left = self._open.get(message.address)
        if left is not None:
            left.pop(message.notification_id, None)
            if not left:
                del self._open[message.address]

    def find(self, message: Message, refs: list[str]) -> str | None:
        """Return which of the provider's ids, all made since for this address, is this notification's.

        `None` when none is, or when it may as well be another's: then it is sent again, for two rings are
        better than none.
        """
        own = [ref for ref in refs if self._owner.get(ref) == message.notification_id]
        if own:
            return own[0]
        free = [ref for ref in refs if ref not in self._owner]
        asked_us = message.sent_us if message.since_us is None else message.since_us
        # What was asked for long before cannot have made what came to exist since.
        others = [
            each
            for each, sent_us in self._open.get(message.address, {}).items()
            if each != message.notification_id and sent_us > asked_us - _SLOW_US
        ]
        if free and others:
            # Whose it is nobody will ever know, so none of them may have it later.
            self._owner.update(dict.fromkeys(free, _NOBODY))
            return None
        return free[0] if free else None

    async def asked(self, message: Message, taking: Awaitable[Taken]) -> Sent:
        """Ask Twilio for what a message is sent by, and claim what it makes. Raises `NotSent`."""
        self.begin(message)
        try:
            taken = await taking
        except NotSent as error:
            if error.kind != "unsure":
                self.never_was(message)
            raise
        self.took(message, taken.sid)
        return Sent(delivery="accepted", ref=taken.sid)

    def settled(self, message: Message, made: list[str]) -> Sent | None:
        """Claim what an earlier try made, of all it may have made; `None` where it made none."""
        ref = self.find(message, made)
        if ref is None:
            self.never_was(message)
            return None
        self.took(message, ref)
        return Sent(delivery="accepted", ref=ref)
