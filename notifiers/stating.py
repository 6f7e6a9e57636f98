"""What the channels that the settings name can do. No secret is needed to say so."""

from engine.settings.channels import ChannelsFile
from notifiers.alertmanager import Alertmanager
from notifiers.apprise_fanout import AppriseFanOut
from notifiers.call import CallChannel
from notifiers.channel import Capabilities
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
from notifiers.webhook import Webhook


def capabilities_of(settings: ChannelsFile) -> dict[str, Capabilities]:
    """Return what each channel that is used can do, by the name that ladders call it by."""
    linked = settings.public_url is not None
    stated: dict[str, tuple[object | None, Capabilities]] = {
        "console": (settings.console, ConsoleBell.capabilities),
        "desktop": (settings.desktop, Desktop.capabilities),
        "discord": (settings.discord, DiscordMessages.states(personal=True)),
        "discord-channel": (settings.discord, DiscordMessages.states(personal=False)),
        "slack": (settings.slack, SlackMessages.states(personal=True)),
        "slack-channel": (settings.slack, SlackMessages.states(personal=False)),
        "email": (settings.email, Mail.capabilities),
        "ntfy": (settings.ntfy, Ntfy.states(answerable=linked)),
        "pushover": (settings.pushover, Pushover.capabilities),
        "call": (settings.twilio, CallChannel.states(reachable=linked)),
        "sms": (settings.twilio, SmsChannel.states(reachable=linked)),
        "pagerduty": (settings.pagerduty, PagerDuty.capabilities),
        "goalert": (settings.goalert, GoAlert.capabilities),
        "alertmanager": (settings.alertmanager, Alertmanager.capabilities),
        "webhook": (settings.webhook, Webhook.capabilities),
        "apprise": (settings.apprise, AppriseFanOut.capabilities),
    }
    return {name: capabilities for name, (section, capabilities) in stated.items() if section is not None}
