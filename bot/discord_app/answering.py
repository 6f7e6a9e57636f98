"""Answering: what people do on Discord goes to the desk, and what the desk says comes back in time.

The desk acts first. A reply that is there within a moment is the answer itself, seen by whom it is for. Until
a later one comes Discord shows, to whoever asked alone, that we are at it. When many people type in the same
moment, they are told at once that we are at it, so that nobody waits for what others asked.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Literal

import discord

from bot.discord_app import commands
from bot.discord_app.buttons import Press, filled, modal, pressed
from bot.discord_app.errors import ACKNOWLEDGED, LOST, asked_of_discord
from bot.discord_app.poster import drawn, redrawn
from engine.commands import catalogue as c
from engine.commands.desk import Desk
from engine.commands.following import EVERY_S, Following, Poster
from engine.commands.language import Command, Given
from engine.commands.model import Account, Reply
from engine.errors import InputError, WatchkeeperError
from engine.ports import Messages, Posted

_log = logging.getLogger("watchkeeper.discord")

GRACE_S: Final = 0.1
"""How long a reply may take to be the answer itself. Discord waits three seconds, the way to us included."""
MOST_AT_ONCE: Final = 4
"""How many may wait for the desk at once before Discord is told that we are at it: each one's work takes some
milliseconds, by which all others are noticed later."""
TOKEN_S: Final = 14.5 * 60
"""How long an interaction can be answered through its own token; Discord says fifteen minutes."""
_REMEMBERED: Final = 10_000
_MOST_TALKS: Final = 100
_IN_PLACE: Final[tuple[type[Command], ...]] = (c.Yes, c.No, c.ReplayCancel)
"""Commands whose reply takes the place of the message that their button stands under."""
_OF_ESCALATIONS: Final[tuple[type[Command], ...]] = (c.Ack, c.Take, c.Snooze, c.Hand, c.Pass, c.Resolve)
"""Commands whose reply itself says whether it does: what was refused leaves the message to others."""

Where = Literal["beside", "instead", "as it says"]
"""Where a reply goes: beside the message whose button was pressed, in its place, or as the reply says."""

Interaction = discord.Interaction[Any]


class Answering:
    """Takes interactions to the desk and answers them."""

    def __init__(
        self,
        desk: Desk,
        messages: Callable[[], Messages],
        edit: Callable[[str, Reply], Awaitable[bool]],
        *,
        grace_s: float = GRACE_S,
        every_s: float = EVERY_S,
        token_s: float = TOKEN_S,
    ) -> None:
        """`messages` keeps what buttons have no room for; `edit` changes a message with the bot's own token.

        A replay's message changes each `every_s`.
        """
        self._desk, self._messages = desk, messages
        self._grace_s, self._token_s = grace_s, token_s
        self._taken: OrderedDict[int, None] = OrderedDict()
        self._unanswered = 0
        self._crowded = asyncio.Event()
        self._edit = edit
        self._following = Following(desk.tools, "discord", self._show, every_s=every_s)
        self._talks: dict[str, tuple[Interaction, float]] = {}
        """The interactions whose replays are followed, and when they began: they may be edited through."""

    async def go_on(self, poster: Poster) -> None:
        """Follow the replays that were followed before a restart."""
        await self._following.go_on(self._messages(), poster)

    async def close(self) -> None:
        """Follow nothing any longer."""
        await self._following.close()

    # ------------------------------------------------------------ what people do

    async def take(self, interaction: Interaction) -> None:
        """Take a command, something typed, or a filled-in form; presses come by `press`."""
        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.autocomplete:
            await self._complete(interaction, data)
        elif interaction.type is discord.InteractionType.application_command and self._is_new(interaction):
            await self._answer(interaction, commands.read(data))
        elif interaction.type is discord.InteractionType.modal_submit and self._is_new(interaction):
            await self._pressed(interaction, data.get("custom_id", ""), filled(data))

    async def press(self, interaction: Interaction) -> None:
        """Take the press of a button."""
        data: Any = interaction.data or {}
        if self._is_new(interaction):
            await self._pressed(interaction, data.get("custom_id", ""), None)

    async def _complete(self, interaction: Interaction, data: Any) -> None:
        kind, stands = commands.typed(data)
        offered = await self._desk.offer(kind, stands, account_of(interaction)) if kind else []
        with suppress(*LOST):
            await interaction.response.autocomplete(
                [discord.app_commands.Choice(name=each, value=each) for each in offered]
            )

    async def _pressed(self, interaction: Interaction, identifier: str, reason: str | None) -> None:
        """Give the command of a button; `reason` is what its form was filled with, `None` before that."""
        try:
            press = pressed(identifier, self._messages().text)
        except WatchkeeperError as unknown:
            said = Reply(title="That does not work", outcome="refused", tone="warning", text=f"{unknown}")
            await self._first(interaction, said, where="beside")
            return
        if press is None:
            return
        if press.asks and reason is None:
            with suppress(*LOST):
                await interaction.response.send_modal(modal(press, identifier))
            return
        await self._answer(interaction, _with_reason(press, reason), where=_where(press.line))

    def _is_new(self, interaction: Interaction) -> bool:
        """Whether this is no second delivery: the first one is answered, and Discord takes one answer."""
        if interaction.id in self._taken:
            return False
        self._taken[interaction.id] = None
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return True

    # ------------------------------------------------------------ what we say

    async def _answer(
        self, interaction: Interaction, said: str | Command | Given, *, where: Where = "beside"
    ) -> None:
        self._unanswered += 1
        if self._unanswered > MOST_AT_ONCE:
            self._crowded.set()
        try:
            giving, held = await self._begun(interaction, said, where=where)
            began_s = asyncio.get_running_loop().time()
            shown = None if held else await self._first(interaction, giving.result(), where=where)
        finally:
            self._unanswered -= 1
            if self._unanswered <= MOST_AT_ONCE:
                self._crowded.clear()
        if held:
            shown = await self._later(interaction, await giving, where=where)
        if giving.result().job and shown is not None:
            self._follow(interaction, shown, giving.result(), began_s)

    async def _begun(
        self, interaction: Interaction, said: str | Command | Given, *, where: Where
    ) -> tuple[asyncio.Future[Reply], bool]:
        """Begin a command, and say whether Discord was told to wait for its reply."""

        def begin() -> asyncio.Future[Reply]:
            return asyncio.ensure_future(self._desk.give(said, account_of(interaction), str(interaction.id)))

        minds_others = not c.stops(said)
        if minds_others and self._crowded.is_set():
            await self._hold(interaction, where)
            return begin(), True
        giving, crowd = begin(), asyncio.ensure_future(self._crowded.wait())
        waits: set[asyncio.Future[Any]] = {giving, crowd} if minds_others else {giving}
        await asyncio.wait(waits, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        crowd.cancel()
        if held := not giving.done():
            await self._hold(interaction, where)
        return giving, held

    async def _first(self, interaction: Interaction, reply: Reply, *, where: Where) -> int | None:
        """Answer an interaction for the first time; returns the message, `None` when it is lost."""
        try:
            if not _takes_place(where, reply):
                shown = await self._drawn(interaction, reply)
                sent = await interaction.response.send_message(**shown, ephemeral=reply.private)
                return sent.message_id
            await interaction.response.edit_message(
                **await self._redrawn(interaction, _mine(interaction, reply))
            )
            return await self._tell_others(interaction, reply)
        except LOST as lost:
            if isinstance(lost, discord.HTTPException) and lost.code == ACKNOWLEDGED:
                # It was answered: by a call whose success we did not hear of, or by the process before us.
                return None
            return await self._otherwise(interaction, reply, lost)

    async def _hold(self, interaction: Interaction, where: Where) -> None:
        """Have Discord wait: whatever comes of the command, it shows that it is at work."""
        try:
            if where != "beside":
                await interaction.response.defer()
            else:
                # Nobody knows yet whom the reply is for, so only whoever asked sees this.
                await interaction.response.defer(ephemeral=True, thinking=True)
        except LOST as lost:
            _log.warning("Discord was not told that a command is under way: %s", lost)

    async def _later(self, interaction: Interaction, reply: Reply, *, where: Where) -> int | None:
        """Answer one that waits; through the bot's own token when its own has run out."""
        try:
            if _takes_place(where, reply):
                await interaction.edit_original_response(
                    **await self._redrawn(interaction, _mine(interaction, reply))
                )
                return await self._tell_others(interaction, reply)
            if where == "as it says":
                # The original is the message of the button, which stays as it is.
                return await self._send(interaction, reply)
            if reply.private:
                return (
                    await interaction.edit_original_response(**await self._redrawn(interaction, reply))
                ).id
            await interaction.delete_original_response()
            return await self._send(interaction, reply)
        except LOST as lost:
            return await self._otherwise(interaction, reply, lost)

    async def _tell_others(self, interaction: Interaction, reply: Reply) -> int | None:
        """Show everybody what is for everybody, when its button stood where one person looks."""
        below = interaction.message
        if below is None or not below.flags.ephemeral or reply.private:
            return below.id if below is not None else None
        return await self._send(interaction, reply)

    async def _send(self, interaction: Interaction, reply: Reply) -> int:
        shown = await self._drawn(interaction, reply)
        return (await interaction.followup.send(**shown, ephemeral=reply.private, wait=True)).id

    async def _otherwise(self, interaction: Interaction, reply: Reply, lost: BaseException) -> int | None:
        """Say it as a message of the bot's, to whoever asked or to all: the interaction takes it no more."""
        _log.warning("an answer goes another way, for Discord said: %s", lost)
        try:
            shown = await self._drawn(interaction, reply)
            if reply.private:
                return (await interaction.user.send(**shown)).id
            if (place := _place(interaction)) is not None:
                return (await place.send(**shown)).id
        except LOST as again:
            _log.warning("an answer was lost; the journal has what came of it: %s", again)
        return None

    # ------------------------------------------------------------ following a replay

    def _follow(self, interaction: Interaction, message: int, reply: Reply, began_s: float) -> None:
        """Have a message show a replay until it is over."""
        channel = str(interaction.channel_id or "")
        ref = f"{channel}/{message}"
        self._talks[ref] = interaction, began_s
        while len(self._talks) > _MOST_TALKS:
            del self._talks[next(iter(self._talks))]
        self._following.begin(self._messages(), reply, channel=channel, ref=ref)

    async def _show(self, posted: Posted, reply: Reply) -> bool:
        """Show how far a replay is: through its interaction as long as that lasts, for the bot may be no
        member where it was asked for, and with the bot's own token afterwards.
        """
        interaction, began_s = self._talks.get(posted.ref, (None, 0.0))
        if interaction is None or asyncio.get_running_loop().time() - began_s >= self._token_s:
            return await self._edit(posted.ref, reply)
        message = int(posted.ref.rpartition("/")[2])
        with asked_of_discord("a replay's message"):
            try:
                await interaction.followup.edit_message(message, **await self._redrawn(interaction, reply))
            except discord.NotFound:
                # Somebody deleted it, and so wants to hear no more.
                return False
        return True

    async def _drawn(self, interaction: Interaction, reply: Reply) -> dict[str, Any]:
        return await drawn(reply, self._messages().put_by, largest_bytes=interaction.filesize_limit)

    async def _redrawn(self, interaction: Interaction, reply: Reply) -> dict[str, Any]:
        return await redrawn(reply, self._messages().put_by, largest_bytes=interaction.filesize_limit)


def account_of(interaction: Interaction) -> Account:
    """Return who did it."""
    return Account(front="discord", account_id=str(interaction.user.id), name=interaction.user.name)


def _place(interaction: Interaction) -> discord.PartialMessageable | None:
    """Return where it was done, to be written to with the bot's own token."""
    client: discord.Client = interaction.client
    return client.get_partial_messageable(interaction.channel_id) if interaction.channel_id else None


def _parsed(line: str) -> Command | None:
    try:
        return c.LANGUAGE.parse(line)
    except InputError:
        return None


def _where(line: str) -> Where:
    """Return where the reply to a button's line goes."""
    command = _parsed(line)
    if isinstance(command, _IN_PLACE):
        return "instead"
    return "as it says" if isinstance(command, _OF_ESCALATIONS) else "beside"


def _takes_place(where: Where, reply: Reply) -> bool:
    return where == "instead" or (where == "as it says" and reply.instead)


def _with_reason(press: Press, reason: str | None) -> str | Given:
    if not reason:
        return press.line
    try:
        return c.LANGUAGE.asked(press.line, reason)
    except InputError:
        # The desk says what is wrong with it.
        return f"{press.line} {reason}"


def _mine(interaction: Interaction, reply: Reply) -> Reply:
    """Return what is left where only whoever asked looks, of a reply that everybody sees elsewhere."""
    below = interaction.message
    if reply.private or below is None or not below.flags.ephemeral:
        return reply
    return Reply(title=reply.title, tone=reply.tone, outcome=reply.outcome)
