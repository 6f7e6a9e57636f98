"""The channels file, `channels.yaml`: the ways to reach people, and where each of them is.

No secret stands in it: each is a file in the folder `channels` of the state folder.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from engine.settings.addresses import GuardedUrl, Url, on_this_machine
from engine.settings.base import Settings
from engine.settings.twilio import TwilioSection

_Words = Annotated[str, Field(strict=True, pattern=r"^\S+$", max_length=253)]
_Id = Annotated[str, Field(strict=True, pattern=r"^[A-Z0-9]{1,32}$")]


class ConsoleSection(Settings):
    """A line and a bell on the terminal of `watchkeeper up`."""

    bell: Annotated[bool, Field(strict=True)] = True


class DesktopSection(Settings):
    """A notification on this machine's desktop."""

    program: _Words = "notify-send"


class EmailSection(Settings):
    """A mail server that takes our mail. Its password is the file `email-password`."""

    host: _Words
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is for a server on this machine or in a closed network, and never carries a password."""
    sender: Annotated[str, Field(strict=True, pattern=r"^[^\s@<>]+@[^\s@<>]+$", max_length=254)]
    username: Annotated[str, Field(strict=True, min_length=1, max_length=254)] | None = None
    """`None` means that the server asks for no name and no password."""
    authorities: Path | None = None
    """Who says that the server is the right one; `None` means the usual authorities."""

    @model_validator(mode="after")
    def _never_in_the_clear(self) -> Self:
        if self.security == "none" and self.username is not None:
            raise ValueError("a password is never sent in the clear: give security: starttls, or no username")
        return self


class NtfySection(Settings):
    """A server of ntfy. People subscribe to a topic each, which is their address."""

    server: GuardedUrl = "https://ntfy.sh"
    token: Annotated[bool, Field(strict=True)] = False
    """Whether the server asks for a token: the file `ntfy-token`."""


class PushoverSection(Settings):
    """Pushover. The token of our application is the file `pushover-token`; people have user keys."""

    api: GuardedUrl = "https://api.pushover.net"
    retry_s: Annotated[int, Field(strict=True, ge=30, le=3600)] = 60
    """How often what is critical rings until somebody acknowledges."""
    expire_s: Annotated[int, Field(strict=True, ge=30, le=10_800)] = 3600
    """When it ceases to."""


class PagerDutySection(Settings):
    """A service of PagerDuty. Its integration key is the file `pagerduty-key`."""

    api: GuardedUrl = "https://events.pagerduty.com"


class GoAlertSection(Settings):
    """A service of GoAlert. The token of its generic integration key is the file `goalert-token`."""

    url: GuardedUrl


class AlertmanagerSection(Settings):
    """An Alertmanager, which is told of what is open."""

    url: Url
    token: Annotated[bool, Field(strict=True)] = False
    """Whether something before it asks for a bearer token: the file `alertmanager-token`."""
    keep_s: Annotated[int, Field(strict=True, ge=600, le=31 * 86_400)] = 86_400
    """How long it keeps what nobody said is over."""

    @model_validator(mode="after")
    def _never_in_the_clear(self) -> Self:
        if self.token and not self.url.startswith("https://") and not on_this_machine(self.url):
            raise ValueError("a token is never sent in the clear: give an https address, or token: false")
        return self


class WebhookSection(Settings):
    """Any service that takes a signed request. What it is signed with is the file `webhook-secret`."""

    url: GuardedUrl


class AppriseSection(Settings):
    """Whatever Apprise knows. Its addresses, a line each, are the file `apprise-urls`."""


class ChatSection(Settings):
    """The bot of a chat platform, which watchkeeper.yaml sets up: messages to people, and to a channel."""

    channel: _Id | None = None
    """`None` means the one that watchkeeper.yaml names."""


class HeartbeatSection(Settings):
    """A service elsewhere that wakes somebody when it no longer hears of us: the file `heartbeat-url`."""

    every_s: Annotated[int, Field(strict=True, ge=5, le=86_400)] = 60
    tells_failure: Annotated[bool, Field(strict=True)] = True
    """Whether it is told when the engine does not answer, at the same address with `/fail`; otherwise silence
    says so."""


class ChannelsFile(Settings):
    """`channels.yaml`. A section that is null is a channel not used."""

    public_url: GuardedUrl | None = None
    """Where people reach the HTTP API from outside; `None` means nowhere: no links, and no menus in calls."""
    console: ConsoleSection | None = None
    desktop: DesktopSection | None = None
    discord: ChatSection | None = None
    slack: ChatSection | None = None
    email: EmailSection | None = None
    ntfy: NtfySection | None = None
    pushover: PushoverSection | None = None
    twilio: TwilioSection | None = None
    pagerduty: PagerDutySection | None = None
    goalert: GoAlertSection | None = None
    alertmanager: AlertmanagerSection | None = None
    webhook: WebhookSection | None = None
    apprise: AppriseSection | None = None
    heartbeat: HeartbeatSection | None = None
    """No channel: it is told that all is well."""
