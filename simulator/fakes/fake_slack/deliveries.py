"""One thing told to the bot, and what came back: the same for Socket Mode and for HTTP."""

from typing import Final, Literal, Protocol

from msgspec import Struct

from simulator.fakes.fake_slack.workspace import Json

Kind = Literal["slash_commands", "interactive", "events_api"]

TIMED_OUT: Final = "operation_timeout"
"""Slack's word when the bot did not take notice in time."""
UNREACHABLE: Final = "dispatch_failed"
"""Slack's word when there was nobody to tell."""

REASONS: Final = {TIMED_OUT: "timeout", UNREACHABLE: "connection_failed"}
"""What a retried event says of the attempt before it; any other failure is `http_error`."""


class Retry(Struct, frozen=True, kw_only=True):
    """Which attempt this is; only events are tried again."""

    attempt: int
    reason: str


class Delivered(Struct, frozen=True, kw_only=True):
    """How the bot took it."""

    payload: Json | None = None
    """What the bot sent with its acknowledgement; `None` for a bare one."""
    ack_s: float
    failed: str = ""
    """Slack's word for what went wrong; empty when the bot took notice in time."""
    no_retry: bool = False
    """Whether the bot asked not to be told again, over HTTP."""


class Line(Protocol):
    """A way to the bot."""

    @property
    def is_open(self) -> bool:
        """Tell whether somebody is at the other end."""

    async def deliver(
        self, kind: Kind, payload: Json, *, copies: int = 1, retry: Retry | None = None
    ) -> Delivered:
        """Tell the bot one thing, `copies` times under the same envelope; return how it took the first."""
