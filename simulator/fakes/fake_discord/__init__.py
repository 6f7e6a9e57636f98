"""A fake Discord, complete enough that its real clients cannot tell."""

from simulator.fakes.fake_discord.clocks import HandClock, WallClock
from simulator.fakes.fake_discord.pointing import pointed_at
from simulator.fakes.fake_discord.rates import Rates
from simulator.fakes.fake_discord.server import FakeDiscord

__all__ = ["FakeDiscord", "HandClock", "Rates", "WallClock", "pointed_at"]
