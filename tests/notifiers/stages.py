"""Each channel on a stage: itself, and a real server on loopback that plays its provider.

A stage says what the conformance suite must know and a channel does not tell: an address it takes, and the
key by which a provider knows a second try.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from notifiers.alertmanager import Alertmanager
from notifiers.channel import Channel
from notifiers.discord_message import DiscordMessages
from notifiers.goalert import GoAlert
from notifiers.ntfy import Ntfy
from notifiers.pagerduty import PagerDuty
from notifiers.pushover import Pushover
from notifiers.slack_message import SlackMessages
from notifiers.webhook import Webhook
from simulator.fakes.fake_provider import Contract, FakeProvider, Reply, Request
from simulator.fakes.fake_pushes import FakeGoAlert, FakeNtfy, FakePagerDuty, FakePushover

KEY = "k" * 32
USER = "u" * 30
OTHER_USER = "v" * 30
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ACCOUNT = "123456789012345678"
SECRETS = (KEY, "sesame-token", WEBHOOK_SECRET)


@dataclass
class Stage:
    """A channel and its provider."""

    channel: Channel
    provider: FakeProvider
    key_of: Callable[[Request], str | None]
    """The dedupe key in what was sent; `None` where the provider knows none."""
    address: str = ""
    sends_to: str = ""
    """The path of the request that notifies."""
    reads_answers: bool = True
    """Whether an answer that makes no sense is noticed; some take any success for one."""
    contract: Contract | None = field(default=None)

    def sent(self) -> list[Request]:
        """Return the requests that notify, failed or not."""
        return [
            request
            for request in self.provider.requests
            if request.path == self.sends_to and request.method == "POST"
        ]

    async def ready(self) -> None:
        """Have everything done that a channel does once before it sends."""


def discord(request: Request) -> Reply:
    """Do what Discord does, as far as faults need it: the whole of it is `FakeDiscord`."""
    if request.path == "/users/@me/channels":
        return Reply.of({"id": "99", "type": 1})
    if request.method == "GET" and request.path == "/channels/99/messages":
        return Reply.of([])
    if request.method == "GET":
        return Reply.of({"id": "1", "username": "watchkeeper"})
    return Reply.of({"id": "77", "channel_id": "99"})


def slack(request: Request) -> Reply:
    """Do what Slack does, as far as faults need it: the whole of it is `FakeSlack`."""
    if request.path == "/api/conversations.open":
        return Reply.of({"ok": True, "channel": {"id": "D1"}})
    return Reply.of({"ok": True, "ts": "1.1", "channel": "D1", "messages": []})


def alertmanager(request: Request) -> Reply:
    """Do what Alertmanager does, as far as faults need it: the real one has a test of its own."""
    if request.method == "GET":
        return Reply.of([])
    return Reply()


async def _dm(stage: Stage) -> None:
    await stage.channel.check(stage.address)


NAMES = (
    "ntfy",
    "pushover",
    "pagerduty",
    "goalert",
    "alertmanager",
    "webhook",
    "discord",
    "discord-channel",
    "slack",
    "slack-channel",
)


@asynccontextmanager
async def stage(name: str, *, deadline_s: float = 5.0) -> AsyncIterator[Stage]:
    """Set a channel up by its name."""
    contracts: dict[str, Contract] = {
        "ntfy": FakeNtfy(token="sesame-token"),
        "pushover": FakePushover(token=KEY, users=frozenset({USER, OTHER_USER})),
        "pagerduty": FakePagerDuty(key=KEY),
        "goalert": FakeGoAlert(token="sesame-token"),
        "alertmanager": alertmanager,
        "webhook": lambda _: Reply(status=204),
        "discord": discord,
        "discord-channel": discord,
        "slack": slack,
        "slack-channel": slack,
    }
    contract = contracts[name]
    async with FakeProvider(contract) as provider:
        made = _stage(name, provider, deadline_s)
        made.contract = contract
        if made.address and name in {"discord", "slack"}:
            # The channel of direct messages is opened once, before the faults begin.
            await _dm(made)
            provider.requests.clear()
        try:
            yield made
        finally:
            await made.channel.close()


def _stage(name: str, provider: FakeProvider, deadline_s: float) -> Stage:
    url = provider.url
    match name:
        case "ntfy":
            channel = Ntfy(url, token="sesame-token", answerable=True, deadline_s=deadline_s)
            return Stage(channel, provider, lambda r: r.table["sequence_id"], "ana-night-7", "/")
        case "pushover":
            channel = Pushover(url, token=KEY, deadline_s=deadline_s, poll_s=0.02)
            return Stage(channel, provider, lambda _: None, USER, "/1/messages.json")
        case "pagerduty":
            channel = PagerDuty(url, key=KEY, deadline_s=deadline_s)
            return Stage(channel, provider, lambda r: r.table["dedup_key"], sends_to="/v2/enqueue")
        case "goalert":
            channel = GoAlert(url, token="sesame-token", deadline_s=deadline_s)
            path = "/api/v2/generic/incoming"
            return Stage(channel, provider, lambda r: r.table["dedup"], sends_to=path, reads_answers=False)
        case "alertmanager":
            channel = Alertmanager(url, token="sesame-token", deadline_s=deadline_s)
            return Stage(channel, provider, lambda r: str(r.table[0]["labels"]), sends_to="/api/v2/alerts")
        case "webhook":
            channel = Webhook(f"{url}/hook", secret=WEBHOOK_SECRET, deadline_s=deadline_s)
            key = lambda r: r.headers["webhook-id"]  # noqa: E731 - one of a list of such
            return Stage(channel, provider, key, sends_to="/hook", reads_answers=False)
        case "discord" | "discord-channel":
            place = None if name == "discord" else "99"
            channel = DiscordMessages(url, token="sesame-token", channel=place, deadline_s=deadline_s)
            address = ACCOUNT if name == "discord" else ""
            return Stage(channel, provider, lambda r: r.table["nonce"], address, "/channels/99/messages")
        case _:
            place = None if name == "slack" else "D1"
            channel = SlackMessages(f"{url}/api/", token="sesame-token", channel=place, deadline_s=deadline_s)
            key = lambda r: r.table["metadata"]["event_payload"]["notification"]  # noqa: E731 - as above
            address = "U0ANA" if name == "slack" else ""
            return Stage(channel, provider, key, address, "/api/chat.postMessage")
