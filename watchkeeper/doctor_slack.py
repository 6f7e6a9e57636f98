"""`watchkeeper doctor slack`: whether the bot can work in Slack, and the clicks for what is missing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bot.chat_process import secret
from bot.slack_app.calls import SlackRefused, make_client, slack_errors
from bot.slack_app.manifest import EVENTS_PATH, SCOPES, make_manifest
from engine.errors import WatchkeeperError
from engine.settings.service import SlackSection
from engine.wiring.checks import Check
from engine.wiring.service import Service, open_service

_APPS = "https://api.slack.com/apps → Watchkeeper"


def diagnose_slack(home: Path, config: Path | None) -> list[Check]:
    """Look at everything the bot needs. What cannot be looked at because of something else is left out."""
    try:
        service = open_service(home, config)
    except WatchkeeperError as wrong:
        return [_bad("config", wrong)]
    section = service.settings.chat.slack
    if section.channel is None:
        said = "Slack is not used: chat.slack.channel is null in watchkeeper.yaml"
        return [Check(what="slack", verdict="warn", said=said, cure="docs/howto/slack.md")]

    async def all_of_them() -> list[Check]:
        return [check async for check in _checks(service, section)]

    return asyncio.run(all_of_them())


async def _checks(service: Service, section: SlackSection) -> AsyncIterator[Check]:
    folder = service.layout.chat
    try:
        client = make_client(secret(folder / "slack-bot-token"), section.api)
        with slack_errors("auth.test"):
            known: Any = await client.auth_test()
    except WatchkeeperError as wrong:
        yield _bad("bot token", wrong)
        return
    yield Check(what="bot token", verdict="ok", said=f"{known.get('user')} in {known.get('team')}")
    yield _scopes(known.headers)
    yield await _channel(client, section)
    async for check in _line(folder, section):
        yield check
    commands = make_manifest()["features"]["slash_commands"]
    yield Check(
        what="commands",
        verdict="ok",
        said=f"{len(commands)} in the manifest; Slack does not tell which of them it knows",
        cure=f"if /wk is not offered: {_APPS} → App Manifest: paste `watchkeeper slack manifest`, save, "
        "reinstall",
    )


def _scopes(headers: Any) -> Check:
    granted = {
        scope.strip()
        for name, value in headers.items()
        if name.casefold() == "x-oauth-scopes"
        for scope in str(value).split(",")
    }
    missing = [scope for scope in SCOPES if scope not in granted]
    return Check(
        what="scopes",
        verdict="bad" if missing else "ok",
        said=f"{', '.join(missing)} not granted" if missing else f"all {len(SCOPES)} are granted",
        cure=f"{_APPS} → OAuth & Permissions → Bot Token Scopes: add them, then Reinstall to Workspace"
        if missing
        else "",
    )


async def _channel(client: Any, section: SlackSection) -> Check:
    try:
        with slack_errors("conversations.info"):
            found: Any = await client.conversations_info(channel=section.channel)
    except WatchkeeperError as wrong:
        if isinstance(wrong, SlackRefused) and wrong.word == "channel_not_found":
            return Check(
                what="channel",
                verdict="bad",
                said=f"{section.channel} is not known here, or it is private and the bot is not in it",
                cure="in Slack: the channel's name → About → Channel ID, at the bottom; in a private one "
                "say /invite @watchkeeper first",
            )
        return _bad("channel", wrong)
    channel = found["channel"]
    if not channel.get("is_member"):
        return Check(
            what="channel",
            verdict="bad",
            said=f"the bot is not in #{channel.get('name')}",
            cure="say  /invite @watchkeeper  there",
        )
    return Check(what="channel", verdict="ok", said=f"the bot is in #{channel.get('name')}")


async def _line(folder: Path, section: SlackSection) -> AsyncIterator[Check]:
    if section.mode == "http":
        try:
            secret(folder / "slack-signing-secret")
        except WatchkeeperError as wrong:
            yield _bad("signing", wrong)
            return
        yield Check(
            what="http mode",
            verdict="ok",
            said=f"Slack is to call https://YOUR-NAME{EVENTS_PATH}, which must lead to {section.listen}",
        )
        return
    try:
        app_token = secret(folder / "slack-app-token")
        # An open socket would take deliveries from the bot that runs, so an address for one has to do.
        with slack_errors("apps.connections.open"):
            await make_client(None, section.api).apps_connections_open(app_token=app_token)
    except SlackRefused as wrong:
        cure = f"{_APPS} → Socket Mode: switch it on; Basic Information → App-Level Tokens: connections:write"
        yield Check(what="socket mode", verdict="bad", said=wrong.message, cure=cure)
    except WatchkeeperError as wrong:
        yield _bad("app token", wrong)
    else:
        yield Check(what="socket mode", verdict="ok", said="Slack gives out connections")


def _bad(what: str, wrong: WatchkeeperError) -> Check:
    place = f"{wrong.place}: " if wrong.place else ""
    return Check(what=what, verdict="bad", said=f"{place}{wrong.message}", cure=wrong.cure or "")
