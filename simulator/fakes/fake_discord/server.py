"""A fake Discord: a server on loopback that a real client of Discord's cannot tell from the real one.

What it keeps to: Discord's reference for API version 10 and gateway version 10, read in November 2026.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from aiohttp import web

from simulator.fakes.chat import Answer, FakeChat, Modal, Screen
from simulator.fakes.fake_discord import shapes
from simulator.fakes.fake_discord.clocks import Clock, WallClock
from simulator.fakes.fake_discord.doing import Doing
from simulator.fakes.fake_discord.gateway import GUILD_MEMBERS, GUILDS, PRIVILEGED, Gateway, Session
from simulator.fakes.fake_discord.official import Official
from simulator.fakes.fake_discord.pictures import page
from simulator.fakes.fake_discord.posting import Platform
from simulator.fakes.fake_discord.rates import Meter, Rates
from simulator.fakes.fake_discord.refusals import Json
from simulator.fakes.fake_discord.rest import LARGEST_REQUEST_BYTES, Door, Made
from simulator.fakes.fake_discord.rest_routes import all_routes
from simulator.fakes.fake_discord.screens import screen
from simulator.fakes.fake_discord.talks import Talks
from simulator.fakes.fake_discord.world import DIRECT, EVERYBODY, Message, Person, World, pinged

HEARTBEAT_S: Final = 41.25
ACK_LIMIT_S: Final = 3.0
TOKEN: Final = "fake-token"  # noqa: S105 - it opens nothing


class FakeDiscord(FakeChat):
    """A guild with people, channels and one bot. What is here beyond `FakeChat` is Discord's own."""

    platform: Literal["discord"] = "discord"

    def __init__(
        self, *, spec: Path | None = None, port: int = 0, clock: Clock | None = None, token: str = TOKEN,
        rates: Rates | None = None, privileged_intents: int = 0, heartbeat_s: float = HEARTBEAT_S,
        kept_events: int = 1000, ack_limit_s: float = ACK_LIMIT_S, quiet_s: float = 0.05,
    ) -> None:  # fmt: skip
        """Prepare a guild; `spec` is Discord's official OpenAPI description, to hold requests against.

        `clock` is what answers and tokens are measured by. `privileged_intents` are those that were switched
        on for the bot; `heartbeat_s` is how often it must call; `kept_events` how many events can be caught
        up with after a broken connection; `quiet_s` how long a bot must do nothing to have finished.
        """
        self.clock: Clock = clock or WallClock()
        self.token = token
        self._port = port
        self.world = World(self.clock.now)
        self.gateway = Gateway(
            token=token, privileged=privileged_intents & PRIVILEGED, heartbeat_s=heartbeat_s,
            kept=kept_events, ready=self._first, members=self._members,
        )  # fmt: skip
        self.happenings = Platform(self.world, self.clock, self.gateway)
        self.talks = Talks(self.happenings, ack_limit_s=ack_limit_s)
        self._people = Doing(self.happenings, self.talks, quiet_s=quiet_s)
        self._rates, self._spec = rates or Rates(), spec
        self._door: Door | None = None
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------ the server

    async def start(self) -> None:
        """Listen on a free port of loopback, or on the one that was asked for."""
        from simulator.fakes.fake_discord.control import control_routes

        app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
        app.add_routes(
            [
                web.get("/gateway", self.gateway.handle),
                web.get("/gateway/", self.gateway.handle),
                web.route("*", "/api/v10/{tail:.*}", self._rest),
                web.get("/attachments/{tail:.*}", self._attachment),
                *control_routes(self),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.happenings.base_url = self.base_url
        loop = asyncio.get_running_loop()
        self._door = Door(
            self.happenings,
            self.talks,
            all_routes(self.happenings, self.talks, gateway_url=self.gateway_url),
            token=self.token,
            meter=Meter(self._rates, loop.time),
            official=Official(self._spec) if self._spec else None,
        )

    async def close(self) -> None:
        """Let go of every connection and the port."""
        self.gateway.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """What takes the place of `https://discord.com/api/v10`."""
        return f"{self.base_url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """What takes the place of `wss://gateway.discord.gg/`."""
        return f"ws://127.0.0.1:{self._port}/gateway"

    @property
    def door(self) -> Door:
        """Where the bot's requests come in. Raises `RuntimeError` before `start`."""
        if self._door is None:
            raise RuntimeError("the fake Discord was not started")
        return self._door

    async def _rest(self, request: web.Request) -> web.Response:
        return await self.door.handle(request)

    async def _attachment(self, request: web.Request) -> web.Response:
        found = self.world.files.get(request.path)
        if found is None:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=found[1], headers={"Content-Type": found[0]})

    def _first(self, session: Session) -> list[tuple[str, Json]]:
        """Return what a bot hears when it has identified."""
        world = self.world
        ready: Json = {
            "v": 10, "resume_gateway_url": self.gateway_url,
            "user": shapes.user(world, world.bot), "session_type": "normal",
            "guilds": [{"id": world.guild, "unavailable": True}], "session_id": session.id,
            "application": {"id": world.application, "flags": 0}, "shard": [0, 1], "private_channels": [],
            "relationships": [], "_trace": [],
        }  # fmt: skip
        created = [("GUILD_CREATE", shapes.guild_created(world))] if session.intents & GUILDS else []
        return [("READY", ready), *created]

    def _members(self) -> list[Json]:
        return [shapes.bot_member(self.world), *(shapes.member(self.world, one) for one in self.world.people)]

    async def bot_is_in(self, *, within_s: float = 10.0) -> None:
        """Wait until the bot is connected and its commands are there. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            await self.gateway.connected.wait()
            while not any(self.world.commands.values()):
                await self.talks.called.wait()

    # ------------------------------------------------------------ people and places

    def add_person(self, name: str, *, permissions: int = EVERYBODY) -> str:
        """Have somebody join, with these permissions; returns their account id."""
        account = self.world.next_id()
        self.world.people[account] = Person(account=account, name=name, permissions=permissions)
        joined = shapes.member(self.world, account) | {"guild_id": self.world.guild}
        self.gateway.tell("GUILD_MEMBER_ADD", lambda intents: joined if intents & GUILD_MEMBERS else None)
        return account

    def permit(self, account: str, permissions: int) -> None:
        """Give somebody other permissions."""
        self.world.people[account].permissions = permissions

    def add_channel(self, name: str) -> str:
        """Make a channel everybody is in; returns its id."""
        return self.happenings.add_channel(name).id

    def lock(self, channel: str, *, locked: bool = True) -> None:
        """Take from the bot, or give back to it, the right to write in a channel."""
        self.world.channels[channel].bot_may_write = not locked

    def refuse_direct(self, account: str, *, refused: bool = True) -> None:
        """Have somebody take no direct messages, or take them again."""
        self.world.people[account].takes_direct = not refused

    # ------------------------------------------------------------ what people do

    async def type(self, account: str, line: str, *, channel: str, settle_s: float = 5.0) -> Answer:
        """Type a slash command; words are bound to its options in order, or by name as in `reason:late`.

        Raises `LookupError` for what the client would not send: no such command, or none this person may use,
        options missing or of another kind. For the first answer it waits as long as the platform does,
        whatever `settle_s` says.
        """
        return await self._people.type(account, line, channel=channel, settle_s=settle_s)

    async def complete(self, account: str, line: str, *, channel: str) -> tuple[str, ...]:
        """Return what is offered for the last word of a line, by the bot or by the client itself."""
        return await self._people.complete(account, line, channel=channel)

    async def press(self, account: str, message_id: str, label: str, *, settle_s: float = 5.0) -> Answer:
        """Press a button of a message. Raises `LookupError` when there is no such button, or it is dead."""
        return await self._people.press(account, message_id, label, settle_s=settle_s)

    async def choose(self, account: str, message_id: str, *labels: str, settle_s: float = 5.0) -> Answer:
        """Choose options of a select menu under a message. Raises `LookupError` when none has them."""
        return await self._people.choose(account, message_id, labels, settle_s=settle_s)

    async def cancel(self, account: str, message_id: str, label: str) -> str:
        """Return what the platform's own dialog said, which is nothing: Discord has none.

        So nothing is pressed. Raises `LookupError` as `press` does.
        """
        self._people.button(account, message_id, label)
        return ""

    async def fill(
        self, account: str, modal: Modal, values: Mapping[str, str], *, settle_s: float = 5.0
    ) -> Answer:
        """Fill a modal in, by the labels of its fields, and send it.

        Raises `LookupError` for a field that is not there or was left empty, `ValueError` for a wrong length.
        """
        return await self._people.fill(account, modal, values, settle_s=settle_s)

    def say(self, account: str, text: str, *, channel: str) -> str:
        """Have somebody write an ordinary message; returns its id."""
        return self.happenings.post({"content": text}, {}, channel=channel, author=account).id

    async def delete(self, message_id: str) -> None:
        """Have somebody delete a message; the bot hears of it. Raises `LookupError`."""
        self.happenings.remove(self.world.shown(message_id))

    # ------------------------------------------------------------ what people see

    def messages(self, channel: str) -> tuple[Screen, ...]:
        """Return what everybody sees in a channel, the oldest first; threads and private answers left out."""
        return self._screens(self.world.written_in(channel))

    def private(self, account: str) -> tuple[Screen, ...]:
        """Return the ephemeral answers that only one person sees, the oldest first."""
        return self._screens(one for one in self.world.messages.values() if one.viewer == account)

    def thread(self, message_id: str) -> tuple[Screen, ...]:
        """Return what was written in the thread of a message, the oldest first."""
        return self._screens(self.world.written_in(message_id) if message_id in self.world.channels else ())

    def direct(self, account: str) -> tuple[Screen, ...]:
        """Return the direct messages a person got from the bot, the oldest first."""
        places = [
            one.id for one in self.world.channels.values() if one.kind == DIRECT and one.recipient == account
        ]
        return self._screens(one for place in places for one in self.world.written_in(place))

    def pings(self, message_id: str) -> tuple[str, ...]:
        """Return whom a message pings, by name; `everyone` when it pings all."""
        users, roles, is_for_all = pinged(self.world.shown(message_id), self.world)
        return (*(self.world.name_of(one) for one in users), *roles, *(("everyone",) if is_for_all else ()))

    def picture(self, *message_ids: str) -> str:
        """Return messages as a page of HTML that needs nothing else."""
        return page(self.world, [self.world.shown(one) for one in message_ids], self.clock.now())

    def _screens(self, stored: Iterable[Message]) -> tuple[Screen, ...]:
        return tuple(screen(self.world, one, self.clock.now()) for one in stored)

    # ------------------------------------------------------------ what goes wrong

    def redeliver(self, *, copies: int) -> None:
        """Deliver each of the following things people do this many times; 1 is the normal way."""
        self._people.copies = copies

    def limit(self, *, calls: int, retry_after_s: float) -> None:
        """Refuse this many of the following calls of the bot for coming too often."""
        self.door.limit(calls, retry_after_s)

    def fail(self, *, calls: int, status: int) -> None:
        """Answer this many of the following calls of the bot with an HTTP error."""
        self.door.fail(calls, status)

    async def drop(self) -> None:
        """Break the bot's connection off without a word."""
        self.gateway.drop()

    def go_silent(self, *, silent: bool) -> None:
        """Have the open connection say nothing, or speak again and catch up; a new one speaks at once."""
        self.gateway.silence(silent=silent)

    def ask_to_reconnect(self) -> None:
        """Ask the bot to connect again and resume, as the platform does when it moves it."""
        self.gateway.ask_to_reconnect()

    # ------------------------------------------------------------ what the bot did

    def problems(self) -> tuple[str, ...]:
        """Return every request of the bot that the platform's rules or its official description forbid.

        Left out are those that only came too late or too often: for messages that are gone, tokens that ran
        out, and limits.
        """
        return tuple(self.door.problems)

    def calls(self) -> tuple[Made, ...]:
        """Return the bot's last requests, the oldest first."""
        return tuple(self.door.made)

    @property
    def invalid_calls(self) -> int:
        """How many requests of the last ten minutes count towards being banned: 401, 403 and own 429."""
        return self.door.meter.invalid
