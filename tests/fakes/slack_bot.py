"""A small bot on the real slack-bolt, and what it takes to join it to a fake Slack."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from simulator.fakes.fake_slack import FakeSlack
from tests.patience import PATIENCE_S

MANIFEST = {
    "display_information": {"name": "Watchkeeper"},
    "features": {
        "bot_user": {"display_name": "watchkeeper"},
        "slash_commands": [
            {"command": command, "description": "Tries the bot."}
            for command in (
                "/ask", "/silent", "/slow", "/twice", "/public", "/hook", "/form", "/wrong", "/patience",
            )
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "commands", "chat:write", "app_mentions:read", "channels:history", "channels:read",
                "im:history", "im:read", "im:write", "files:write", "reactions:read", "reactions:write",
                "users:read", "team:read",
            ]
        }
    },
    "settings": {
        "socket_mode_enabled": True,
        "interactivity": {"is_enabled": True},
        "event_subscriptions": {"bot_events": [
                "app_mention", "member_joined_channel", "message.channels", "message.im", "reaction_added",
            ]},
    },
}  # fmt: skip


def plain(text):
    return {"type": "plain_text", "text": text}


CONFIRM = {
    "title": plain("Approve?"),
    "text": plain("It restarts one unit."),
    "confirm": plain("Yes"),
    "deny": plain("No"),
}
QUESTION = [
    {"type": "header", "text": plain("Restart unit-7?")},
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Risk* is _low_, cost `$0.02` for <@{who}>"}},
    {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "value": "d-1",
                "style": "primary",
                "text": plain("Approve"),
                "confirm": CONFIRM,
            },
            {"type": "button", "action_id": "deny", "value": "d-1", "style": "danger", "text": plain("Deny")},
            {"type": "button", "action_id": "later", "value": "d-1", "text": plain("Later")},
        ],
    },
]
FORM = {
    "type": "modal",
    "callback_id": "reason",
    "private_metadata": "d-1",
    "notify_on_close": True,
    "title": plain("Why?"),
    "submit": plain("Deny"),
    "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": "You deny *d-1*."}},
        {
            "type": "input", "block_id": "why", "label": plain("Reason"),
            "element": {"type": "plain_text_input", "action_id": "why", "max_length": 200},
        },
        {
            "type": "input", "block_id": "scope", "optional": True, "label": plain("Scope"),
            "element": {"type": "external_select", "action_id": "scope", "min_query_length": 1},
        },
    ],
}  # fmt: skip


def question(who):
    blocks = [dict(block) for block in QUESTION]
    blocks[1] = {
        "type": "section",
        "text": {"type": "mrkdwn", "text": QUESTION[1]["text"]["text"].format(who=who)},
    }
    return blocks


class Heard(list):
    """What the bot's listeners noted; a test can wait for a note."""

    def __init__(self):
        super().__init__()
        self.grew = asyncio.Event()

    def append(self, note):
        super().append(note)
        self.grew.set()

    async def wait(self, holds):
        """Wait until some note is as wanted, and return it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for note in self:
                    if holds(note):
                        return note
                self.grew.clear()
                await self.grew.wait()


def make_app(fake, *, retries=2):
    """Return the bot, and the list in which it notes what it heard."""
    client = AsyncWebClient(token=fake.bot_token, base_url=fake.api_url)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=retries))
    app = AsyncApp(client=client, signing_secret=fake.signing_secret, ignoring_self_events_enabled=False)
    heard = Heard()
    _commands(app, heard)
    _buttons_and_forms(app, heard)
    _events(app, heard)
    return app, heard


def _commands(app, heard):
    @app.command("/ask")
    async def ask(ack, client, command):
        await ack()
        await client.chat_postMessage(
            channel=command["channel_id"], text="Restart unit-7?", blocks=question(command["user_id"])
        )

    @app.command("/silent")
    async def silent(ack):
        heard.append("silent")  # and never a word

    @app.command("/slow")
    async def slow(ack, respond):
        await ack()
        await respond("working on it")
        await respond("done", replace_original=True)

    @app.command("/twice")
    async def twice(ack, command):
        heard.append(command["text"])
        await ack(f"heard {len(heard)} times")

    @app.command("/public")
    async def public(ack):
        await ack(response_type="in_channel", text="everybody sees this")

    @app.command("/hook")
    async def hook(ack, command):
        heard.append(command["response_url"])
        await ack("kept")

    @app.command("/form")
    async def form(ack, client, command):
        await ack()
        heard.append(command["trigger_id"])
        await client.views_open(trigger_id=command["trigger_id"], view=FORM)

    @app.command("/patience")
    async def patience(ack, client, command):
        await ack()
        posted = await client.chat_postMessage(channel=command["channel_id"], text="working…")
        await asyncio.sleep(0.1)  # longer than the fake takes for quiet
        await client.chat_update(channel=posted["channel"], ts=posted["ts"], text="here it is")

    @app.command("/wrong")
    async def wrong(ack):
        await ack(text="x", blocks=[{"type": "nonsense"}])


def _buttons_and_forms(app, heard):
    @app.action("approve")
    async def approve(ack, body, client):
        await ack()
        heard.append(("approve", body["user"]["id"], body["actions"][0]["value"]))
        await client.chat_update(
            channel=body["channel"]["id"], ts=body["message"]["ts"], text="Approved by ada", blocks=[]
        )

    @app.action("deny")
    async def deny(ack, body, client):
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.action("later")
    async def later(ack, respond):
        await ack()
        await respond("asking again later", replace_original=False)

    @app.view("reason")
    async def reason(ack, view, client, body):
        why = view["state"]["values"]["why"]["why"]["value"]
        if len(why) < 5:
            await ack(response_action="errors", errors={"why": "say more"})
        elif why == "update":
            await ack(response_action="update", view={**FORM, "title": plain("Really?")})
        elif why == "stack":
            await ack(response_action="push", view={**FORM, "title": plain("On top")})
        elif why == "clear":
            await ack(response_action="clear")
        else:
            await ack()
            scope = view["state"]["values"]["scope"]["scope"]["selected_option"]
            await client.chat_postMessage(
                channel=body["user"]["id"],
                text=f"denied {view['private_metadata']}: {why} ({scope['value'] if scope else 'no scope'})",
            )

    @app.view_closed("reason")
    async def closed(ack, view):
        await ack()
        heard.append(("closed", view["private_metadata"]))

    @app.options("scope")
    async def scopes(ack, payload):
        names = [name for name in ("all units", "trader", "training") if payload["value"] in name]
        await ack(options=[{"text": plain(name), "value": name} for name in names])


def _events(app, heard):
    @app.event("app_mention")
    async def mention(body, event, say, request):
        (num,) = request.headers.get("x-slack-retry-num", ["0"])
        (why,) = request.headers.get("x-slack-retry-reason", [""])
        heard.append(("mention", body["event_id"], num, why))
        await say(text=f"you said {event['text'].split('> ', 1)[1]}", thread_ts=event["ts"])

    async def other(event):
        heard.append((event["type"], event["user"], event.get("reaction")))

    app.event("member_joined_channel")(other)
    app.event("reaction_added")(other)

    @app.event("message")
    async def message(event, say):
        heard.append(
            (event.get("subtype"), event.get("channel_type"), event.get("bot_id"), event.get("text"))
        )
        if event.get("channel_type") == "im" and "bot_id" not in event and not event.get("subtype"):
            await say(text=f"privately: {event['text']}")


@asynccontextmanager
async def on_socket(*, ping_interval=10, retries=2, **options):
    """A fake Slack, the bot joined to it in Socket Mode, and what it heard."""
    fake = FakeSlack(**{"manifest": MANIFEST, "quiet_s": 0.05, **options})
    await fake.start()
    app, heard = make_app(fake, retries=retries)
    handler = AsyncSocketModeHandler(app, app_token=fake.app_token, ping_interval=ping_interval)
    try:
        await handler.connect_async()
        await fake.bot_is_in()
        yield fake, app, heard, handler
    finally:
        await handler.close_async()
        await fake.close()
        # slack-sdk cancels its own tasks when it closes and does not wait for them.
        await asyncio.sleep(0)


@asynccontextmanager
async def on_http(**options):
    """A fake Slack that posts signed requests to the same bot."""
    fake = FakeSlack(**{"manifest": MANIFEST, "quiet_s": 0.05, **options})
    await fake.start()
    app, heard = make_app(fake)
    runner = web.AppRunner(app.web_app(path="/slack/events"), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await fake.use_request_url(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        yield fake, app, heard
    finally:
        await runner.cleanup()
        await fake.close()
