"""Bots made with the real discord.py, for the fake Discord to be driven by."""

import asyncio
import re
from contextlib import asynccontextmanager

import discord
from discord import app_commands

from simulator.fakes.fake_discord import FakeDiscord, pointed_at
from tests.patience import PATIENCE_S

INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)


class Bot(discord.Client):
    """A client with a command tree; it notes what it hears."""

    def __init__(self, *, intents=INTENTS, **options):
        super().__init__(intents=intents, guild_ready_timeout=0.02, **options)
        self.tree = app_commands.CommandTree(self)
        self.heard = []
        self.news = asyncio.Event()
        self.gate = asyncio.Event()
        self.gone_wrong = []
        self.tree.error(self.note_error)

    async def setup_hook(self):
        await self.tree.sync()

    async def before_identify_hook(self, shard_id, *, initial=False):
        """Identify again at once, where the library would wait five seconds."""

    def note(self, kind, what):
        self.heard.append((kind, what))
        self.news.set()
        self.news.clear()

    async def until(self, kind, count=1):
        """Wait until something was heard so often, and return the last of it."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [what for heard, what in self.heard if heard == kind]) < count:
                await self.news.wait()
        return found[-1]

    async def note_error(self, _interaction, error):
        self.gone_wrong.append(getattr(error, "original", error))
        self.note("error", self.gone_wrong[-1])

    async def on_message(self, message):
        self.note("message", message)

    async def on_raw_message_delete(self, payload):
        self.note("deleted", payload.message_id)

    async def on_resumed(self):
        self.note("resumed", True)

    async def on_disconnect(self):
        self.note("disconnected", True)


class Decision(discord.ui.DynamicItem[discord.ui.Button], template=r"wk:(?P<verb>\w+):(?P<id>[\w-]+)"):
    """A button whose state is in its custom id only."""

    def __init__(self, verb, decision):
        style = discord.ButtonStyle.success if verb == "approve" else discord.ButtonStyle.danger
        super().__init__(
            discord.ui.Button(label=verb.title(), style=style, custom_id=f"wk:{verb}:{decision}")
        )
        self.verb, self.decision = verb, decision

    @classmethod
    async def from_custom_id(cls, interaction, item, match):
        return cls(match["verb"], match["id"])

    async def callback(self, interaction):
        if self.verb == "deny":
            await interaction.response.send_modal(Why(self.decision))
        elif self.verb == "hold":
            await interaction.response.defer()
            await interaction.message.edit(content=f"held {self.decision}", view=None)
        else:
            await interaction.response.edit_message(
                content=f"approved {self.decision} by {interaction.user.name}", view=None
            )


class Why(discord.ui.Modal, title="Why not?"):
    """Asks for a reason."""

    reason = discord.ui.TextInput(label="Reason", custom_id="why", min_length=3, max_length=50)

    def __init__(self, decision):
        super().__init__(custom_id=f"why:{decision}")
        self.decision = decision

    async def on_submit(self, interaction):
        await interaction.response.send_message(f"denied {self.decision}: {self.reason.value}")


def decision_view(decision, *verbs):
    view = discord.ui.View(timeout=None)
    for verb in verbs:
        view.add_item(Decision(verb, decision))
    return view


def make_bot(**options):
    """Return a bot with one command of each kind."""
    bot = Bot(**options)
    bot.add_dynamic_items(Decision)

    @bot.tree.command(name="kill-autonomous", description="Stop every agent")
    @app_commands.default_permissions(administrator=True)
    async def kill(interaction, scope: str = "all"):
        await interaction.response.defer(ephemeral=True, thinking=True)
        await interaction.edit_original_response(content=f"stopped **{scope}**")

    @bot.tree.command(name="status", description="How it is")
    async def status(interaction):
        await interaction.response.send_message(f"all is well, {interaction.user.mention}")

    @bot.tree.command(name="later", description="Answers twice")
    async def later(interaction):
        await interaction.response.defer(thinking=True)
        await interaction.followup.send("first")
        await interaction.followup.send("second")

    @bot.tree.command(name="ask", description="Ask for a decision")
    async def ask(interaction, decision: str):
        await interaction.response.send_message(
            f"decision {decision}", view=decision_view(decision, "approve", "deny", "hold")
        )

    @bot.tree.command(name="slow", description="Waits to be let go")
    async def slow(interaction):
        bot.note("slow", interaction)
        await bot.gate.wait()
        await interaction.response.send_message("at last")

    @bot.tree.command(name="wrong", description="Sends too much")
    async def wrong(interaction):
        await interaction.response.send_message(embed=discord.Embed(title="t" * 257))

    canary = app_commands.Group(name="canary", description="Canaries")

    @canary.command(name="promote", description="Promote one")
    async def promote(
        interaction,
        capability: str,
        percent: app_commands.Range[int, 1, 100],
        who: discord.Member,
        loud: bool,
        reason: str = "none",
    ):
        text = f"{capability} {percent + 0} {who.name} {loud is True} {reason}"
        await interaction.response.send_message(text)

    @promote.autocomplete("capability")
    async def capabilities(interaction, current):
        known = {"Heal two": "heal@2", "Trade one": "trade@1"}
        return [
            app_commands.Choice(name=name, value=value)
            for name, value in known.items()
            if re.search(current, name, re.IGNORECASE)
        ]

    bot.tree.add_command(canary)
    return bot


@asynccontextmanager
async def running(bot, fake):
    """Run a bot against a fake that is there already."""
    task = asyncio.create_task(bot.start(fake.token))
    try:
        await fake.bot_is_in(within_s=PATIENCE_S)
        await bot.wait_until_ready()
        yield bot
    finally:
        bot.gate.set()
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


class Stage:
    """A fake with a captain, a channel and a bot."""

    def __init__(self, fake, bot):
        self.fake, self.bot = fake, bot
        self.captain = fake.add_person("captain")
        self.room = fake.add_channel("room")

    async def type(self, line, **options):
        return await self.fake.type(self.captain, line, channel=self.room, **options)

    def room_of(self, bot):
        return bot.get_channel(int(self.room))


@asynccontextmanager
async def staged(bot=None, **options):
    """A fake with people, and the bot on it; afterwards everything is let go of."""
    fake = FakeDiscord(**options)
    await fake.start()
    try:
        with pointed_at(fake):
            # Made first, so that the bot knows the channel from the start.
            stage = Stage(fake, bot or make_bot())
            async with running(stage.bot, fake):
                yield stage
    finally:
        await fake.close()
