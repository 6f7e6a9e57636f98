"""From the settings and the secrets to channels, and what is said where something is missing."""

import asyncio
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.errors import InputError
from engine.runtime.layout import Layout
from engine.settings.channels import ChannelsFile
from engine.settings.service import ChatSection
from engine.wiring.policies import SHIPPED_CONFIG
from engine.wiring.service import read_channels
from notifiers.making import close_channels, make_channels
from notifiers.stating import capabilities_of
from tests.house.tree import ROOT

EVERYTHING = {
    "public_url": "https://watch.example.com",
    "console": {},
    "desktop": {},
    "discord": {"channel": "42"},
    "slack": {"channel": "C1"},
    "email": {"host": "smtp.example.com", "sender": "w@example.com", "username": "w"},
    "ntfy": {"token": True},
    "pushover": {},
    "twilio": {"account_sid": f"AC{0:032d}", "from_number": "+15551234567"},
    "pagerduty": {},
    "goalert": {"url": "https://goalert.example.com"},
    "alertmanager": {"url": "https://am.example.com", "token": True},
    "webhook": {"url": "https://hooks.example.com/wk"},
    "apprise": {},
}
SECRETS = {
    "chat/discord-token": "t", "chat/slack-bot-token": "xoxb-t", "channels/email-password": "with a space",
    "channels/ntfy-token": "tk_1", "channels/pushover-token": "a" * 30, "channels/pagerduty-key": "k" * 32,
    "channels/twilio-token": "t", "channels/goalert-token": "t", "channels/alertmanager-token": "t",
    "channels/webhook-secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "channels/apprise-urls": "# ours\njson://127.0.0.1\n\n",
}  # fmt: skip


@pytest.fixture
def home(tmp_path):
    """A state folder with every secret."""
    for name, value in SECRETS.items():
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(value + "\n")
        place.chmod(0o600)
    return tmp_path


def made(home, settings=EVERYTHING):
    """Make the channels, and let go of them."""
    channels = make_channels(ChannelsFile.model_validate(settings), ChatSection(), Layout(home))
    asyncio.run(close_channels(channels.values()))
    return channels


def test_what_is_stated_without_secrets_is_what_is_made(home):
    stated = capabilities_of(ChannelsFile.model_validate(EVERYTHING))
    assert stated == {name: channel.capabilities for name, channel in made(home).items()}


def test_each_section_is_a_channel_and_null_is_none(home):
    assert sorted(made(home)) == [
        "alertmanager", "apprise", "call", "console", "desktop", "discord", "discord-channel", "email",
        "goalert", "ntfy", "pagerduty", "pushover", "slack", "slack-channel", "sms", "webhook",
    ]  # fmt: skip
    assert made(home, {}) == {}


def test_what_is_shipped_needs_no_secret_and_reaches_this_machine(tmp_path):
    settings = read_channels(tmp_path)
    assert settings.public_url is None
    channels = make_channels(settings, ChatSection(), Layout(tmp_path))
    assert sorted(channels) == ["console", "desktop"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_names_its_file_and_the_cure(home, name):
    (home / name).unlink()
    with pytest.raises(InputError) as missing:
        made(home)
    assert str(home / name) in str(missing.value)
    assert "docs/howto/" in missing.value.cure


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_others_could_read_is_refused(home, name):
    (home / name).chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        made(home)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_that_holds_no_token_is_refused(home, content):
    (home / "channels/pushover-token").write_bytes(content)
    with pytest.raises(InputError, match="pushover-token"):
        made(home)


@pytest.mark.parametrize("content", ["two\nlines", "a\rb", "ü", "token # my token"])
def test_a_token_that_would_break_a_header_is_refused_and_not_shown(home, content):
    (home / "channels/ntfy-token").write_text(content)
    with pytest.raises(InputError, match="ntfy-token") as refused:
        made(home)
    assert content not in str(refused.value)


def test_tokens_alone_are_no_channel_to_post_to(home):
    with pytest.raises(InputError, match=r"chat.discord in watchkeeper.yaml"):
        made(home, {"discord": {}})


def test_certificates_that_are_none_are_told(home):
    for place, said in (("/nowhere.pem", "No such file"), (str(home / "channels/pagerduty-key"), "")):
        with pytest.raises(InputError, match=r"email\.authorities") as refused:
            made(home, {"email": EVERYTHING["email"] | {"authorities": place}})
        assert said in str(refused.value)


def test_a_push_can_be_acknowledged_only_where_we_can_be_reached(home):
    assert made(home)["ntfy"].capabilities.acknowledge
    assert not made(home, EVERYTHING | {"public_url": None})["ntfy"].capabilities.acknowledge


def test_what_is_loud_and_what_is_for_everybody_is_stated(home):
    channels = made(home)
    loud = {name for name, each in channels.items() if each.capabilities.loud}
    assert loud == {
        "alertmanager",
        "call",
        "discord",
        "goalert",
        "ntfy",
        "pagerduty",
        "pushover",
        "slack",
        "sms",
        "webhook",
    }
    personal = {name for name, each in channels.items() if each.capabilities.personal}
    assert personal == {"call", "discord", "email", "ntfy", "pushover", "slack", "sms"}


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("public_url", "http://watch.example.com", "secrets in the clear"),
        ("public_url", "https://a:b@watch.example.com", "is no address"),
        ("public_url", "watch.example.com", "is no address"),
        ("public_url", "https://[::1", "is no address"),
        ("webhook", {"url": "http://hooks.example.com"}, "secrets in the clear"),
        ("webhook", {"url": "https://hooks.example.com/?token=1"}, "secrets are files"),
        ("goalert", {"url": "ftp://goalert"}, "is no address"),
        ("alertmanager", {"url": "http://am.example.com", "token": True}, "in the clear"),
        ("email", EVERYTHING["email"] | {"security": "none"}, "in the clear"),
        ("email", EVERYTHING["email"] | {"sender": "w@example.com\nBcc: x@y"}, "sender"),
        ("email", EVERYTHING["email"] | {"port": True}, "port"),
        ("pushover", {"retry_s": 5}, "retry_s"),
        ("pushover", {"expire_s": 100_000}, "expire_s"),
        ("ntfy", {"sever": "https://ntfy.sh"}, "sever"),
        ("discord", {"channel": "#ops"}, "channel"),
        ("telegram", {}, "telegram"),
    ],
)
def test_bad_settings_are_refused_with_what_is_wrong(section, value, said):
    with pytest.raises(ValueError, match=said):
        ChannelsFile.model_validate({section: value})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9093", "http://[::1]:9093", "http://localhost:9093"])
def test_on_this_machine_nothing_has_to_be_encrypted(url):
    assert ChannelsFile.model_validate({"webhook": {"url": url}}).webhook.url == url


def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path):
    (tmp_path / "channels.yaml").write_text("public_url: null\npushover:\n  retry_s: 5\n")
    with pytest.raises(InputError, match=r"channels.yaml:3: pushover.retry_s"):
        read_channels(tmp_path)


def test_the_page_shows_settings_that_work_for_every_channel():
    page = (ROOT / "docs" / "howto" / "channels.md").read_text()
    shown = {}
    for block in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        shown |= YAML(typ="safe").load(block)
    settings = ChannelsFile.model_validate(shown)
    assert {name for name in ChannelsFile.model_fields if getattr(settings, name) is None} == set()


def test_what_the_shipped_file_shows_in_comments_works_too(tmp_path):
    text = (SHIPPED_CONFIG / "channels.yaml").read_text()
    examples = re.findall(r"^# (\w+:(?: \{\})?\n(?:#   .*\n)*)", text, re.MULTILINE)
    shown = {}
    for example in examples:
        shown |= YAML(typ="safe").load(re.sub(r"^# ", "", example, flags=re.MULTILINE))
    assert ChannelsFile.model_validate(shown)
    assert {"discord", "slack", "email", "ntfy", "pushover", "twilio", "webhook", "apprise"} <= set(shown)
