"""Making the channels that the settings name, each with its secrets."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engine.adapters.secret_file import read_secret
from engine.errors import InputError
from engine.runtime.layout import Layout
from engine.settings.channels import ChannelsFile, ChatSection, EmailSection
from engine.settings.service import ChatSection as ChatService
from notifiers.alertmanager import Alertmanager
from notifiers.apprise_fanout import AppriseFanOut
from notifiers.call import CallChannel
from notifiers.channel import Channel
from notifiers.console_bell import ConsoleBell
from notifiers.desktop import Desktop
from notifiers.discord_message import DiscordMessages
from notifiers.goalert import GoAlert
from notifiers.mail import Mail
from notifiers.ntfy import Ntfy
from notifiers.pagerduty import PagerDuty
from notifiers.pushover import Pushover
from notifiers.slack_message import SlackMessages
from notifiers.sms import SmsChannel
from notifiers.twilio_client import TwilioClient
from notifiers.webhook import Webhook

_GUIDE: Final = "docs/howto/channels.md"
_CHAT_GUIDE: Final = "docs/howto/chat.md"


def make_channels(settings: ChannelsFile, chat: ChatService, layout: Layout) -> dict[str, Channel]:
    """Make every channel that is used, by the name that ladders call it by. Nothing is connected yet.

    Raises `InputError` for a secret that is missing, readable by others or of no use, with file and cure.
    """
    secrets = _Secrets(layout.channels)
    tokens = _Secrets(layout.chat, guide=_CHAT_GUIDE)
    made = [
        *_here(settings),
        *_chats(settings, chat, tokens),
        *_pushes(settings, secrets),
        *_phones(settings, secrets),
        *_sinks(settings, secrets),
    ]
    return {channel.name: channel for channel in made}


async def close_channels(channels: Iterable[Channel]) -> None:
    """Let go of all connections, whatever becomes of one."""
    await asyncio.gather(*(channel.close() for channel in channels), return_exceptions=True)


class _Secrets:
    """A folder of secrets, a file each."""

    def __init__(self, folder: Path, *, guide: str = _GUIDE) -> None:
        self._folder, self._guide = folder, guide

    def __call__(self, name: str) -> str:
        return read_secret(self._folder / name, guide=self._guide)

    def line(self, name: str) -> str:
        """Read one that becomes a header: a line of plain letters."""
        value = self(name)
        if not value.isascii() or not value.isprintable() or " " in value:
            place = str(self._folder / name)
            raise InputError("it holds more than a token", place=place, cure=f"write it alone: {self._guide}")
        return value

    def optional(self, name: str, *, used: bool) -> str:
        """Read one that is not always needed; empty where it is not."""
        return self.line(name) if used else ""


def _here(settings: ChannelsFile) -> list[Channel]:
    made: list[Channel] = []
    if settings.console is not None:
        made.append(ConsoleBell(bell=settings.console.bell))
    if settings.desktop is not None:
        made.append(Desktop(program=settings.desktop.program))
    return made


def _chats(settings: ChannelsFile, chat: ChatService, tokens: _Secrets) -> list[Channel]:
    made: list[Channel] = []
    if settings.discord is not None:
        channel = _channel("discord", settings.discord, chat.discord.channel)
        token = tokens.line("discord-token")
        made += [
            DiscordMessages(chat.discord.api, token=token),
            DiscordMessages(chat.discord.api, token=token, channel=channel),
        ]
    if settings.slack is not None:
        channel = _channel("slack", settings.slack, chat.slack.channel)
        token = tokens.line("slack-bot-token")
        made += [
            SlackMessages(chat.slack.api, token=token),
            SlackMessages(chat.slack.api, token=token, channel=channel),
        ]
    return made


def _channel(name: str, section: ChatSection, otherwise: str | None) -> str:
    """Return the channel to post to. Raises `InputError` when no file names one."""
    channel = section.channel or otherwise
    if channel is None:
        raise InputError(
            f"no channel of {name} is named",
            place=f"channels.yaml: {name}",
            cure=f"give {name}.channel here, or set the bot up: chat.{name} in watchkeeper.yaml",
        )
    return channel


def _pushes(settings: ChannelsFile, secrets: _Secrets) -> list[Channel]:
    made: list[Channel] = []
    if settings.email is not None:
        made.append(_mail(settings.email, secrets))
    if (ntfy := settings.ntfy) is not None:
        token = secrets.optional("ntfy-token", used=ntfy.token)
        made.append(Ntfy(ntfy.server, token=token, answerable=settings.public_url is not None))
    if (push := settings.pushover) is not None:
        token = secrets.line("pushover-token")
        made.append(Pushover(push.api, token=token, retry_s=push.retry_s, expire_s=push.expire_s))
    if settings.apprise is not None:
        urls = [line.strip() for line in secrets("apprise-urls").splitlines()]
        made.append(AppriseFanOut([url for url in urls if url and not url.startswith("#")]))
    return made


def _phones(settings: ChannelsFile, secrets: _Secrets) -> list[Channel]:
    if settings.twilio is None:
        return []
    # Calls and SMS share an account, and its connections.
    client = TwilioClient(settings.twilio, token=secrets.line("twilio-token"))
    public_url = settings.public_url or ""
    return [CallChannel(client, public_url=public_url), SmsChannel(client, public_url=public_url)]


def _mail(section: EmailSection, secrets: _Secrets) -> Mail:
    password = secrets("email-password") if section.username is not None else ""
    try:
        return Mail(
            host=section.host,
            port=section.port,
            security=section.security,
            sender=section.sender,
            username=section.username or "",
            password=password,
            authorities=section.authorities,
        )
    except OSError as error:
        raise InputError(
            f"{section.authorities} holds no certificates: {error.strerror or error}",
            place="channels.yaml: email.authorities",
            cure="name a file with certificates in PEM, or null for the usual ones",
        ) from error


def _sinks(settings: ChannelsFile, secrets: _Secrets) -> list[Channel]:
    made: list[Channel] = []
    if settings.pagerduty is not None:
        made.append(PagerDuty(settings.pagerduty.api, key=secrets.line("pagerduty-key")))
    if settings.goalert is not None:
        made.append(GoAlert(settings.goalert.url, token=secrets.line("goalert-token")))
    if (manager := settings.alertmanager) is not None:
        token = secrets.optional("alertmanager-token", used=manager.token)
        made.append(Alertmanager(manager.url, token=token, keep_s=manager.keep_s))
    if settings.webhook is not None:
        made.append(Webhook(settings.webhook.url, secret=secrets.line("webhook-secret")))
    return made
