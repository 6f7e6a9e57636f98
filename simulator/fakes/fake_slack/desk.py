"""The parts of one fake Slack, joined, for those who act on all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.fakes.fake_slack.activity import Activity
from simulator.fakes.fake_slack.deliveries import Line
from simulator.fakes.fake_slack.hooks import Hooks
from simulator.fakes.fake_slack.modals import Modals
from simulator.fakes.fake_slack.news import News
from simulator.fakes.fake_slack.posting import Posting
from simulator.fakes.fake_slack.socket_mode import SocketMode
from simulator.fakes.fake_slack.workspace import Json, Workspace


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Everything behind the counter."""

    workspace: Workspace
    activity: Activity
    problems: list[str]
    news: News
    posting: Posting
    modals: Modals
    hooks: Hooks
    socket_mode: SocketMode
    line: Callable[[], Line]
    """The way to the bot that is in use."""
    base_url: Callable[[], str]
    commands: dict[str, Json]
    """The registered slash commands, by name."""
    homes: dict[str, Json] = field(default_factory=dict)
    """The home tab the bot published for each account."""
    reactions: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Who reacted, by message and name of the reaction."""
