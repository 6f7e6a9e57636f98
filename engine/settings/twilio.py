"""Twilio, which calls people and sends them SMS. Its token is a file of the state folder, never a setting."""

from typing import Annotated

from pydantic import Field

from engine.settings.addresses import GuardedUrl
from engine.settings.base import Settings

_Number = Annotated[str, Field(strict=True, pattern=r"^\+[1-9]\d{6,14}$")]


class TwilioSection(Settings):
    """One account, and the number that calls come from."""

    account_sid: Annotated[str, Field(strict=True, pattern=r"^AC[0-9a-fA-F]{32}$")]
    from_number: _Number
    """A number of ours at Twilio that can call and send SMS, as `+15551234567`."""
    base_url: GuardedUrl = "https://api.twilio.com"
    timeout_s: Annotated[float, Field(strict=True, ge=0.1, le=60)] = 8.0
    """How long one request may take, from asking to the end of the answer."""
    ring_s: Annotated[int, Field(strict=True, ge=5, le=600)] = 40
    """How long a phone rings before a call counts as not answered."""
    voice: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9.-]{0,60}$")] = ""
    """Whose voice speaks, such as `Polly.Joanna`; empty: the account's own."""
    language: Annotated[str, Field(strict=True, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")] = "en-US"
    """What the voice takes the text for. Our texts are English."""
    connections: Annotated[int, Field(strict=True, ge=1, le=1000)] = 100
    """How many requests may be under way at once; Twilio refuses too many with 429."""
