"""Providers that fail in every way there is, and the people at their other end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

from notifiers.channel import Capabilities, Message, NotSent, Sent
from tests.faults.wakeups.draw import FAULTS, LOUD, POSTED, Fault, Night

CAPABILITIES: Final = {
    name: Capabilities(
        loud=name in LOUD, personal=name not in POSTED, receipt=name in {"call", "sms", "push"},
        acknowledge=True, latency_s=1.0, cost_usd=0.0, text="spoken" if name == "call" else "full",
    )
    for name in ("call", "sms", "slack", "email", "push", *POSTED)
}  # fmt: skip
_GIVES_UP_S: Final = 10.0
"""How long a channel waits for an answer, as the real ones do."""


class Provider:
    """One channel, with the provider behind it."""

    def __init__(self, name: str, night: Night, random: Random, town: Town) -> None:
        """Serve a town."""
        self.name, self.capabilities = name, CAPABILITIES[name]
        self._random, self._town = random, town
        self._outages = [outage for outage in night.outages if outage.channel == name]
        self._flaky, self._finds, self._wrong = night.flaky, name in night.finds, night.wrong
        self._has: set[str] = set()
        """What it took: a second request under the same name and try is still another."""

    async def send(self, message: Message) -> Sent:
        """Send it, or fail."""
        town = self._town
        town.tried(message)
        if message.person and (message.person, self.name) in self._wrong:
            await asyncio.sleep(0.1)
            raise NotSent("no such number", kind="address")
        fault = self._fault()
        if fault == "dns":
            raise NotSent("no such host", kind="broken")
        travel_s = 0.05 + self._random.random() * 0.4
        if fault is None or fault in {"hang-sent", "lost", "lie", "fails-later"}:
            # From here on it is on the wire, and arrives whatever becomes of us.
            asyncio.get_running_loop().call_later(travel_s / 2, self._arrive, message, fault)
        match fault:
            case "hang" | "hang-sent":
                town.unsure(message)
                await asyncio.sleep(_GIVES_UP_S)
                raise NotSent("no answer", kind="unsure")
            case "lost":
                town.unsure(message)
                await asyncio.sleep(travel_s)
                raise NotSent("the connection was lost", kind="unsure")
        await asyncio.sleep(travel_s)
        match fault:
            case "busy":
                raise NotSent("429", kind="busy")
            case "busy-for":
                raise NotSent("429", kind="busy", retry_s=float(self._random.randint(1, 40)))
            case "broken":
                raise NotSent("503", kind="broken")
            case "setup":
                raise NotSent("401", kind="setup")
        return Sent(delivery="accepted", ref=f"r-{message.notification_id}")

    async def reconcile(self, message: Message) -> Sent | None:
        """Say whether it has it."""
        if not self._finds:
            return None
        await asyncio.sleep(0.1)
        if self._fault() in {"busy", "busy-for", "broken", "dns", "hang"}:
            raise NotSent("away", kind="broken")
        if message.notification_id in self._has:
            self._town.tried(message)
            return Sent(delivery="accepted", ref="found")
        return None

    async def check(self, _address: str) -> str:
        """Find nothing wrong."""
        return ""

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _fault(self) -> Fault | None:
        now_s = asyncio.get_running_loop().time()
        for outage in self._outages:
            if outage.from_s <= now_s < outage.until_s:
                return outage.fault
        return self._random.choice(FAULTS) if self._random.random() < self._flaky else None

    def _arrive(self, message: Message, fault: Fault | None) -> None:
        self._has.add(message.notification_id)
        town, random = self._town, self._random
        if fault == "lie":
            if self.capabilities.receipt:
                self._call_back(message, "delivered")
            return
        if fault == "fails-later":
            self._has.discard(message.notification_id)
            self._call_back(message, "failed")
            return
        if self.capabilities.receipt:
            self._call_back(message, "delivered")
        asyncio.get_running_loop().call_later(random.random() * 2, town.deliver, self, message)

    def _call_back(self, message: Message, delivery: str) -> None:
        """Have it reported: soon or late, once or twice, and in any order with what else is."""
        random = self._random
        self._town.spawn(self._town.report(message, delivery, random.random() * random.choice((1, 1, 1, 90))))
        if random.random() < 0.1:
            self._town.spawn(self._town.report(message, delivery, random.random() * 200))

    def answered(self, message: Message) -> None:
        """Report that somebody, or a machine, picked up."""
        if self.name == "call":
            self._call_back(message, "answered")


class Town:
    """What providers reach: people, and the engine's ear. The world fills it in."""

    tried: Callable[[Message], None]
    unsure: Callable[[Message], None]
    deliver: Callable[[Provider, Message], None]
    report: Callable[[Message, str, float], Coroutine[Any, Any, None]]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
