"""The real discord.py pointed at a fake Discord, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Addressed(Protocol):
    """What has the two addresses of a Discord."""

    @property
    def api_url(self) -> str:
        """Where its REST API is."""

    @property
    def gateway_url(self) -> str:
        """Where its gateway is."""


@contextmanager
def pointed_at(fake: Addressed) -> Iterator[None]:
    """Have every client of discord.py in this process talk to a fake until the block ends.

    The library knows its addresses by class only, so two fakes at a time take two processes.
    """
    import discord
    import yarl

    route, socket = discord.http.Route, discord.gateway.DiscordWebSocket
    before = route.BASE, socket.DEFAULT_GATEWAY
    route.BASE, socket.DEFAULT_GATEWAY = fake.api_url, yarl.URL(fake.gateway_url)
    try:
        yield
    finally:
        route.BASE, socket.DEFAULT_GATEWAY = before
