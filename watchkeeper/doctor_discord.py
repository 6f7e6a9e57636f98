"""`watchkeeper doctor discord`: whether the bot can work on Discord, and the clicks for what is missing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import discord

from bot.chat_process import secret
from bot.discord_app import commands
from bot.discord_app.client import INTENTS, point_at, registered
from bot.discord_app.errors import LOST, NEEDED, permission_names, refusal
from engine.errors import WatchkeeperError
from engine.settings.service import DiscordSection
from engine.wiring.checks import Check
from engine.wiring.service import open_service

_PORTAL = "https://discord.com/developers/applications → Watchkeeper"


def diagnose_discord(home: Path, config: Path | None) -> list[Check]:
    """Look at everything the bot needs. What cannot be looked at because of something else is left out."""
    try:
        service = open_service(home, config)
        section = service.settings.chat.discord
        if section.server is None:
            said = "Discord is not used: chat.discord.server is null in watchkeeper.yaml"
            return [Check(what="discord", verdict="warn", said=said, cure="docs/howto/discord.md")]
        token = secret(service.layout.chat / "discord-token")
    except WatchkeeperError as wrong:
        return [_bad("config", wrong)]
    return asyncio.run(_all_of_them(section, token))


async def _all_of_them(section: DiscordSection, token: str) -> list[Check]:
    point_at(section)
    found: list[Check] = []
    async with discord.Client(intents=INTENTS) as client:
        try:
            async for check in _checks(client, section, token):
                # One by one, so that what was found stays when Discord goes away.
                found += [check]
        except LOST as lost:
            found.append(_bad("discord", refusal(lost, section.api)))
    return found


async def _checks(client: discord.Client, section: DiscordSection, token: str) -> AsyncIterator[Check]:
    try:
        await client.login(token)
    except discord.LoginFailure as refused:
        cure = f"{_PORTAL} → Bot → Reset Token; write it into chat/discord-token of the state folder"
        yield Check(what="token", verdict="bad", said=f"Discord refuses it: {refused}", cure=cure)
        return
    yield Check(what="token", verdict="ok", said=f"{client.user}, application {client.application_id}")
    about = await client.application_info()
    yield _application(about)
    privileged = [name for name, on in INTENTS if on and name in {"members", "presences", "message_content"}]
    yield Check(
        what="intents",
        verdict="ok",
        said=", ".join(privileged) or "none is needed that would have to be switched on",
    )
    invite = discord.utils.oauth_url(
        about.id,
        permissions=NEEDED,
        guild=discord.Object(int(section.server or 0)),
        scopes=("bot", "applications.commands"),
    )
    try:
        server = await client.fetch_guild(int(section.server or 0))
        me = await server.fetch_member(about.id if client.user is None else client.user.id)
    except (discord.NotFound, discord.Forbidden):
        yield Check(
            what="server",
            verdict="bad",
            said=f"the bot is not in server {section.server}, or there is none of this id",
            cure=f"open {invite} → Continue → Authorize; the id: right-click the server → Copy Server ID",
        )
        return
    yield Check(what="server", verdict="ok", said=f"the bot is in {server.name}")
    yield await _channel(server, section, me)
    yield await _commands(client, server, invite)


def _application(about: discord.AppInfo) -> Check:
    if about.interactions_endpoint_url:
        return Check(
            what="application",
            verdict="bad",
            said=f"Discord sends commands to {about.interactions_endpoint_url}, not to us",
            cure=f"{_PORTAL} → General Information → Interactions Endpoint URL: clear it → Save Changes",
        )
    if about.bot_require_code_grant:
        return Check(
            what="application",
            verdict="bad",
            said="it cannot be added to a server by a link",
            cure=f"{_PORTAL} → Bot → Requires OAuth2 Code Grant: off → Save Changes",
        )
    return Check(
        what="application",
        verdict="warn" if about.bot_public else "ok",
        said=f"{about.name}; anybody can add it to a server of theirs" if about.bot_public else about.name,
        cure=f"{_PORTAL} → Installation → Install Link: None; then Bot → Public Bot: off → Save Changes"
        if about.bot_public
        else "",
    )


async def _channel(server: discord.Guild, section: DiscordSection, me: discord.Member) -> Check:
    try:
        # Asked of the server, for it knows the roles that permissions follow from.
        channel = await server.fetch_channel(int(section.channel or 0))
    except (discord.NotFound, discord.Forbidden, discord.InvalidData):
        return Check(
            what="channel",
            verdict="bad",
            said=f"{section.channel} is no channel the bot sees",
            cure="right-click the channel → Copy Channel ID and compare it with watchkeeper.yaml; then Edit "
            "Channel → Permissions → Add members or roles → the bot → View Channel",
        )
    if not isinstance(channel, discord.TextChannel):
        said = f"#{channel.name} is no text channel"
        return Check(what="channel", verdict="bad", said=said, cure="name a text channel in watchkeeper.yaml")
    missing = NEEDED & ~channel.permissions_for(me)
    if missing.value:
        return Check(
            what="channel",
            verdict="bad",
            said=f"in #{channel.name} the bot lacks {', '.join(permission_names(missing))}",
            cure="Edit Channel → Permissions → the bot's role → allow these",
        )
    return Check(what="channel", verdict="ok", said=f"the bot may do all it needs in #{channel.name}")


async def _commands(client: discord.Client, server: discord.Guild, invite: str) -> Check:
    wanted = commands.table()
    try:
        there = await registered(client, server)
    except discord.Forbidden:
        return Check(
            what="commands",
            verdict="bad",
            said="the bot may register no commands in this server",
            cure=f"open {invite} → Continue → Authorize again: it asks for commands, too",
        )
    if not commands.same(there, wanted):
        return Check(
            what="commands",
            verdict="bad",
            said=f"{len(there)} are registered, and they are not the {len(wanted)} there are",
            cure="start the bots, which register them: watchkeeper up",
        )
    return Check(what="commands", verdict="ok", said=f"all {len(wanted)} are registered as they are")


def _bad(what: str, wrong: WatchkeeperError) -> Check:
    place = f"{wrong.place}: " if wrong.place else ""
    return Check(what=what, verdict="bad", said=f"{place}{wrong.message}", cure=wrong.cure or "")
