"""How a phone behaves when it is called or written to."""

from typing import Literal

from msgspec import Struct


class Phone(Struct, frozen=True, kw_only=True):
    """One phone, with the person who has it."""

    answers: Literal["person", "voicemail", "busy", "nobody", "failed"] = "nobody"
    keys: tuple[str, ...] = ()
    """What is pressed each time a key is waited for; `""` is none. Afterwards nothing is pressed any more."""
    hangs_up: bool = False
    """Whether whoever answers is gone before anything is said."""
    lies: bool = False
    """Whether Twilio tells of an answered and completed call though no phone rang."""
    sms: Literal["delivered", "undelivered", "silent"] = "delivered"
    """What becomes of an SMS; `silent`: Twilio never says."""
    error_code: int = 30003
    """Why an SMS is not delivered."""
