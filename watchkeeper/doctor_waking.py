"""Whether people can be woken, asked of the providers too: about every channel and every address.

`watchkeeper doctor` looks at what the files and the journal say; `watchkeeper doctor waking` asks as well.
Nobody is rung.
"""

import asyncio
from pathlib import Path
from typing import Final

from engine.errors import WatchkeeperError
from engine.wiring.checks import Check
from engine.wiring.service import Service, open_service, read_channels
from notifiers.channel import Channel, NotSent
from notifiers.making import close_channels
from notifiers.reach import Reach, reach_of, waking_checks
from notifiers.usable import make_usable

_PATIENCE_S: Final = 10.0


def diagnose_waking(home: Path, config: Path | None) -> list[Check]:
    """Look at everything, and ask every provider about its channel and every address on it."""
    try:
        service = open_service(home, config)
        reach = reach_of(service)
    except WatchkeeperError as wrong:
        place = f"{wrong.place}: " if wrong.place else ""
        return [Check(what="config", verdict="bad", said=f"{place}{wrong.message}", cure=wrong.cure or "")]
    return [*waking_checks(reach), *asyncio.run(_asked(service, reach))]


async def _asked(service: Service, reach: Reach) -> list[Check]:
    channels = make_usable(
        read_channels(service.config), service.settings.chat, service.layout, lambda _: None
    )
    try:
        found = await asyncio.gather(*(_channel(reach, each) for each in channels.values()))
    finally:
        await close_channels(channels.values())
    return [check for checks in found for check in checks]


async def _channel(reach: Reach, channel: Channel) -> list[Check]:
    """Ask about a channel, and where it is well about the addresses on it."""
    said = await _said(channel, "")
    if said:
        return [Check(what=channel.name, verdict="bad", said=said, cure="docs/howto/channels.md")]
    checks = [Check(what=channel.name, verdict="ok", said="can be used")]
    if not channel.capabilities.personal:
        return checks
    for person in reach.waking.known.people:
        address = reach.roster.address(person, channel.name)
        wrong = await _said(channel, address) if address else ""
        if wrong:
            cure = "correct it in people.yaml, or link the account anew"
            checks.append(
                Check(what=channel.name, verdict="bad", said=f"does not reach {person}: {wrong}", cure=cure)
            )
    return checks


async def _said(channel: Channel, address: str) -> str:
    """Say what is wrong with a channel, or an address on it; empty when nothing was found."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await channel.check(address)
    except TimeoutError:
        return f"does not answer within {_PATIENCE_S:g} s"
    except NotSent as failure:
        return str(failure)
