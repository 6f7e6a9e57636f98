"""The fake Slack itself: one server on loopback for the Web API, Socket Mode, uploads and response URLs."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from simulator.fakes.chat import Answer, FakeChat, Modal, Screen
from simulator.fakes.fake_slack import manifest as manifests
from simulator.fakes.fake_slack.activity import Activity
from simulator.fakes.fake_slack.deliveries import Line
from simulator.fakes.fake_slack.desk import Desk
from simulator.fakes.fake_slack.hooks import Hooks
from simulator.fakes.fake_slack.http_mode import HttpMode
from simulator.fakes.fake_slack.limits import BURST, Limits
from simulator.fakes.fake_slack.modals import Modals
from simulator.fakes.fake_slack.news import RETRY_DELAYS_S, News
from simulator.fakes.fake_slack.people import People
from simulator.fakes.fake_slack.posting import Posting
from simulator.fakes.fake_slack.screens import block_lines, screen
from simulator.fakes.fake_slack.socket_mode import SocketMode
from simulator.fakes.fake_slack.web_api import WebApi
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, Json, Message, Workspace

_ALL_EVENTS: Final = ("app_mention", "message.channels", "message.groups", "message.im")
_LARGEST_CALL_BYTES: Final = 64 * 1024 * 1024


class FakeSlack:
    """A workspace with people, channels and one bot, on a port of loopback.

    Point slack_sdk's clients at `api_url`, with `bot_token` and, for Socket Mode, `app_token`; for HTTP mode
    give the bot `signing_secret` and this `use_request_url`.
    """

    platform: Literal["discord", "slack"] = "slack"

    def __init__(
        self,
        *,
        manifest: Json | None = None,
        bot_scopes: Collection[str] | None = None,
        app_scopes: Collection[str] = ("connections:write",),
        bot_name: str = "watchkeeper",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        ack_within_s: float = 3.0,
        quiet_s: float = 0.1,
        is_unfinished: Callable[[Screen], bool] = lambda _: False,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
        burst: int = BURST,
    ) -> None:
        """Make one that does not listen yet.

        `manifest` registers commands, events and scopes, as an app's manifest does at installation; without
        one no command is known, and all scopes are granted. `bot_scopes` grants others. `clock` is what the
        age of triggers, response URLs and signatures is measured with. `quiet_s` is how long the bot must do
        nothing to count as finished; what `is_unfinished` says of a screen, such as one that ends in `…`, is
        waited on until it is edited or deleted. `burst` is how many messages a channel takes before one a
        second counts.
        """
        self.bot_token = "xoxb-fake-bot"  # noqa: S105 - opens nothing but this fake
        self.app_token = "xapp-fake-app"  # noqa: S105 - opens nothing but this fake
        self.signing_secret = "fake-signing-secret"  # noqa: S105 - opens nothing but this fake
        self._port = port
        self._runner: web.AppRunner | None = None
        self.workspace = Workspace(bot_name=bot_name, clock=clock)
        self.activity = Activity()
        self._problems: list[str] = []
        self.limits = Limits(clock=clock, burst=burst)
        self.socket_mode = SocketMode(activity=self.activity, ack_within_s=ack_within_s)
        self.http_mode = HttpMode(signing_secret=self.signing_secret, ack_within_s=ack_within_s, clock=clock)
        self.news = News(
            workspace=self.workspace,
            activity=self.activity,
            line=self._line,
            wanted=_ALL_EVENTS if manifest is None else manifests.bot_events(manifest),
            retry_delays_s=retry_delays_s,
        )
        posting = Posting(
            workspace=self.workspace, activity=self.activity, news=self.news, problems=self._problems
        )
        self._desk = Desk(
            workspace=self.workspace,
            activity=self.activity,
            problems=self._problems,
            news=self.news,
            posting=posting,
            modals=Modals(workspace=self.workspace, activity=self.activity, problems=self._problems),
            hooks=Hooks(
                workspace=self.workspace,
                posting=posting,
                problems=self._problems,
                base_url=lambda: self.base_url,
            ),
            socket_mode=self.socket_mode,
            line=self._line,
            base_url=lambda: self.base_url,
            commands=manifests.commands(manifest or {}),
        )
        granted = manifests.BOT_SCOPES if manifest is None else manifests.bot_scopes(manifest)
        self.web_api = WebApi(
            desk=self._desk,
            limits=self.limits,
            bot_token=self.bot_token,
            app_token=self.app_token,
            bot_scopes=granted if bot_scopes is None else frozenset(bot_scopes),
            app_scopes=frozenset(app_scopes),
        )
        self.people = People(
            desk=self._desk,
            quiet_s=quiet_s,
            is_interactive=manifest is None or manifests.interactive(manifest),
            is_unfinished=is_unfinished,
        )

    def _line(self) -> Line:
        return self.http_mode if self.http_mode.is_open else self.socket_mode

    # ------------------------------------------------------------ the server

    @property
    def base_url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """What slack_sdk takes as `base_url`."""
        return f"{self.base_url}/api/"

    async def start(self, *, more_routes: Sequence[web.RouteDef] = ()) -> None:
        """Listen on a free port of loopback, or on the one that was asked for."""
        app = web.Application(client_max_size=_LARGEST_CALL_BYTES)
        app.router.add_routes([
            web.post("/api/{method}", self.web_api.serve),
            web.get("/api/{method}", self.web_api.serve),
            web.get("/link/", self.socket_mode.link),
            web.post("/hooks/{path:.+}", self._hook),
            web.post("/upload/v1/{file}", self.web_api.upload),
            *more_routes,
        ])  # fmt: skip
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def _hook(self, request: web.Request) -> web.Response:
        with self.activity.under_way():
            return await self._desk.hooks.serve(request)

    async def close(self) -> None:
        """Let go of every connection and the port."""
        await self.news.close()
        await self.http_mode.close()
        await self.socket_mode.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def bot_is_in(self, *, within_s: float = 10.0) -> None:
        """Wait until a socket is open, or a request URL has answered. Raises `TimeoutError`."""
        await self.activity.until(
            lambda: self._line().is_open, within_s=within_s, what="the bot did not connect"
        )

    async def use_request_url(self, url: str) -> None:
        """Deliver over HTTP to this address, once it has answered the challenge. Raises `ValueError`."""
        await self.http_mode.verify(url)
        self.activity.happened()

    # ------------------------------------------------------------ people

    def add_person(self, name: str) -> str:
        """Have somebody join; returns their account id."""
        return self.workspace.add_person(name).id

    def add_channel(self, name: str, *, with_bot: bool = True, is_private: bool = False) -> str:
        """Make a channel all people are in, and the bot unless it is kept out; returns its id."""
        return self.workspace.add_channel(name, with_bot=with_bot, is_private=is_private).id

    def direct_channel(self, account: str) -> str:
        """Return the id of the direct messages between a person and the bot."""
        return self.workspace.direct_channel(account).id

    async def type(
        self, account: str, line: str, *, channel: str, thread: str | None = None, settle_s: float = 5.0
    ) -> Answer:
        """Type a command, or a message (`@watchkeeper status` speaks to the bot), into a channel or thread.

        Raises `LookupError` for a command that was not registered: Slack would not send it to the bot.
        """
        return await self.people.type(account, line, channel=channel, thread=thread, settle_s=settle_s)

    async def complete(self, account: str, line: str, *, channel: str) -> tuple[str, ...]:  # noqa: ARG002 - Slack completes in modals, not in channels
        """Return what a menu of the open modal offers for `Label: letters`; commands offer nothing."""
        return await self.people.complete(account, line)

    async def press(self, account: str, message_id: str, label: str, *, settle_s: float = 5.0) -> Answer:
        """Press a button or choose an option of a menu, and confirm. Raises `LookupError` without such."""
        return await self.people.press(account, message_id, label, settle_s=settle_s)

    async def cancel(self, account: str, message_id: str, label: str) -> str:
        """Press a button and decline the dialog it opens; returns its title and text."""
        return self.people.cancel(account, message_id, label)

    async def fill(
        self, account: str, modal: Modal, values: Mapping[str, str], *, settle_s: float = 5.0
    ) -> Answer:
        """Fill a modal in by labels and send it; the answer's modal is what then stands before the person."""
        return await self.people.fill(account, modal, values, settle_s=settle_s)

    async def dismiss(self, account: str, modal: Modal, *, settle_s: float = 5.0) -> Answer:
        """Close a modal without sending it."""
        return await self.people.dismiss(account, modal, settle_s=settle_s)

    async def delete(self, message_id: str) -> None:
        """Have somebody delete a message; the bot hears of it as `message_deleted`."""
        message = self.workspace.posts.get(message_id)
        if message is None:
            raise LookupError(f"no message {message_id!r}")
        self._desk.posting.delete(message, copies=self.people.copies)

    def react(self, account: str, message_id: str, name: str) -> None:
        """Have somebody react to a message with an emoji, such as `eyes`."""
        message = self.workspace.posts.get(message_id)
        if message is None:
            raise LookupError(f"no message {message_id!r}")
        self._desk.reactions.setdefault((message_id, name), set()).add(account)
        channel = self.workspace.channels[message.channel]
        self.news.of_reaction(channel, account=account, ts=message_id, author=message.author, name=name)

    def invite_bot(self, channel: str) -> None:
        """Take the bot into a channel; it hears `member_joined_channel`."""
        self.news.of_joining(self.workspace.channels[channel])

    def remove_bot(self, channel: str) -> None:
        """Take the bot out of a channel: it hears nothing from there, and may not post."""
        self.workspace.channels[channel].members.discard(BOT_USER_ID)

    # ------------------------------------------------------------ screens

    def _screens(self, messages: Sequence[Message]) -> tuple[Screen, ...]:
        return tuple(screen(message, self.workspace) for message in messages)

    def messages(self, channel: str) -> tuple[Screen, ...]:
        """Return what everybody sees in a channel, the oldest first."""
        found = self.workspace.find_channel(channel)
        if found is None:
            raise LookupError(f"no channel {channel!r}")
        return self._screens([
            m for m in self.workspace.posts.values()
            if m.channel == found.id and m.to is None and (m.thread_ts in {None, m.ts} or m.broadcast)
        ])  # fmt: skip

    def thread(self, message_id: str) -> tuple[Screen, ...]:
        """Return what was written in the thread of a message, the oldest first."""
        return self._screens(self.workspace.replies(message_id))

    def direct(self, account: str) -> tuple[Screen, ...]:
        """Return the direct messages a person got from the bot, the oldest first."""
        channel = self.workspace.direct_channel(account).id
        return self._screens([
            m for m in self.workspace.posts.values() if m.channel == channel and m.author != account
        ])  # fmt: skip

    def private(self, account: str) -> tuple[Screen, ...]:
        """Return what only this person sees in channels, the oldest first."""
        return self._screens([m for m in self.workspace.posts.values() if m.to == account])

    def home(self, account: str) -> str:
        """Return what stands in a person's home tab of the bot; empty when nothing was published."""
        blocks = self._desk.homes.get(account, {}).get("blocks", [])
        return "\n".join(line for line in block_lines(blocks, self.workspace) if line)

    async def until(
        self, holds: Callable[[], bool], *, within_s: float = 5.0, what: str = "it did not come"
    ) -> None:
        """Wait until something holds, woken by what the bot does. Raises `TimeoutError`."""
        await self.activity.until(holds, within_s=within_s, what=what)

    # ------------------------------------------------------------ what goes wrong

    def redeliver(self, *, copies: int, as_retries: bool = False) -> None:
        """Deliver each of the following things this often: the same envelope, or the same signed request.

        `as_retries` delivers events the way Slack itself does again: a new envelope with `retry_attempt`.
        """
        self.people.copies, self.people.as_retries = copies, as_retries

    def limit(self, *, calls: int, retry_after_s: float) -> None:
        """Answer this many of the following Web API calls with 429 and `Retry-After` in whole seconds."""
        self.limits.limit(calls=calls, retry_after_s=retry_after_s)

    def fail(self, *, calls: int, status: int) -> None:
        """Answer this many of the following Web API calls with an HTTP error."""
        self.limits.fail(calls=calls, status=status)

    async def disconnect(self, *, reason: str = "refresh_requested") -> None:
        """Ask every socket to go and come back (`refresh_requested`), or warn of it (`warning`)."""
        await self.socket_mode.disconnect(reason=reason)

    async def drop(self) -> None:
        """Break every socket off without a word."""
        await self.socket_mode.drop()

    def go_silent(self, *, silent: bool) -> None:
        """Keep the open sockets open and say nothing on them any more; a new one works.

        Over HTTP no request arrives until it is taken back.
        """
        self.socket_mode.go_silent(silent=silent)
        self.http_mode.is_silent = silent

    # ------------------------------------------------------------ what the bot did

    def problems(self) -> tuple[str, ...]:
        """Return every request and answer of the bot that breaks a rule."""
        return tuple(self._problems)


if TYPE_CHECKING:
    _a_script_for_any_platform_runs_here: type[FakeChat] = FakeSlack
