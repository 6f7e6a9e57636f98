"""The agents that mean well: one mends, one releases, one writes code, one buys what is needed."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from msgspec import structs

from simulator.living.agent_client import AgentClient, Decision, Refused, Wish
from simulator.living.fleet import FOLDER, NAMES, Fleet, Trouble

SOURCES: Final = "src"

_SILENT_S: Final = 3.0
_AFTER_A_FAULT_S: Final = 10.0
_WATCHED_S: Final = 60.0
_BETWEEN_LOOKS_S: Final = 4.0
_MOST_FILES: Final = 4
"""So many files at once need no votes under the shipped policy."""


class Agent(ABC):
    """One agent: it takes its turns, and keeps silent while it is stopped."""

    capability: str

    def __init__(self, client: AgentClient, fleet: Fleet, chance: Random) -> None:
        """`chance` is its own stream: what others draw does not change what it does."""
        self.client, self.fleet, self.chance = client, fleet, chance
        self.faults: list[str] = []
        """What the service refused to take at all, the newest last: there should be none."""

    async def live(self) -> None:
        """Go on for ever."""
        while True:
            try:
                if await self.client.is_silenced():
                    await self.client.rest(_SILENT_S)
                    continue
                await self.turn()
            except Refused as refused:
                self.fault(refused)
                await self.client.rest(_AFTER_A_FAULT_S)

    @abstractmethod
    async def turn(self) -> None:
        """Do the next thing, and rest."""

    def fault(self, refused: Refused) -> None:
        """Keep what the service refused, for whoever looks."""
        self.faults = [*self.faults[-9:], str(refused)]

    async def ask(self, wish: Wish) -> Decision:
        """Propose something and wait for what becomes of it, however long people take."""
        return await self.client.settled(await self.client.propose(wish), wish.rationale or wish.action)

    async def taken_back(self, decision: Decision) -> bool:
        """Watch for a while whether a captain vetoes what the agent has done itself."""
        for _ in range(round(_WATCHED_S / _BETWEEN_LOOKS_S)):
            await self.client.rest(_BETWEEN_LOOKS_S)
            if (await self.client.look(decision)).status == "vetoed":
                return True
        return False


class Healer(Agent):
    """Looks after the fleet: clears full disks, adds copies where it is slow, restarts what hangs."""

    capability = "heal@1"
    successor = "heal@2"
    """Its next version. It has earned nothing yet, so what it wants is decided and not done."""

    def __init__(self, client: AgentClient, fleet: Fleet, chance: Random) -> None:
        """Begin with no trouble at hand."""
        super().__init__(client, fleet, chance)
        self._mending: dict[str, asyncio.Task[None]] = {}
        self._nth = 0

    async def turn(self) -> None:
        """Take up the next trouble that nobody is at, or give back copies that are not needed."""
        self._mending = {name: task for name, task in self._mending.items() if not task.done()}
        new = [each for each in self.fleet.troubles() if each.name not in self._mending]
        if new:
            trouble = self.chance.choice(new)
            self._nth += 1
            work = self._mend(trouble, f"{trouble.name}-{self._nth}")
            self._mending[trouble.name] = asyncio.create_task(work)
        elif idle := [name for name in NAMES if self.fleet.has_spare(name)]:
            await self._give_back(self.chance.choice(idle))
        await self.client.rest(self.chance.uniform(4, 9))

    async def live(self) -> None:
        """Go on for ever; what is being mended ends with it."""
        try:
            await super().live()
        finally:
            for task in self._mending.values():
                task.cancel()
            await asyncio.gather(*self._mending.values(), return_exceptions=True)

    async def _mend(self, trouble: Trouble, episode: str) -> None:
        try:
            denied = ""
            for wish in self._ways(trouble, episode):
                reason = f"{trouble.text}. {wish.rationale}{denied}"
                decision = await self.ask(structs.replace(wish, rationale=reason))
                if not decision.is_over:
                    await self._see_through(trouble, decision)
                    return
                if decision.is_stopped:
                    return
                # It was told why, and says so when it asks for less.
                denied = f" The step before came to nothing: {decision.why}"[:600]
                await self.client.rest(8)
            await self.client.rest(_WATCHED_S)
        except Refused as refused:
            self.fault(refused)

    async def _see_through(self, trouble: Trouble, decision: Decision) -> None:
        if decision.status == "granted":
            self.fleet.restart(trouble.service)
            await self.client.report(decision, f"{trouble.service} was restarted and answers")
            if await self.taken_back(decision):
                self.fleet.hang(trouble.service)

    def _ways(self, trouble: Trouble, episode: str) -> Iterator[Wish]:
        """Give what it would do, and then what it would do instead. Made when asked for: things change."""
        if trouble.kind == "stuck":
            yield Wish(
                action="service.restart",
                args={"service": trouble.service},
                capability=self.capability,
                confidence=self.chance.uniform(0.75, 0.97),
                rationale="A restart takes three seconds.",
                options=(("wait", "it has not come back by itself"),),
                episode=episode,
                environment="production",
            )
        elif trouble.kind == "full":
            for most in (_MOST_FILES, 1):
                old = [
                    f"{FOLDER}/{trouble.service}/logs/{path.name}"
                    for path in self.fleet.logs(trouble.service)
                ]
                yield Wish(
                    action="file.delete",
                    args={"paths": old[:most]},
                    capability=self.capability,
                    confidence=self.chance.choice((0.93, 0.9, 0.6)),
                    rationale=f"The {len(old[:most])} oldest logs can go.",
                    files=len(old[:most]),
                    episode=episode,
                    environment="production",
                )
        else:
            for more in (2, 1):
                yield self._copies(trouble.service, more, self.chance.choice((0.92, 0.85, 0.62)), episode)

    def _copies(self, service: str, more: int, confidence: float, episode: str, *, why: str = "") -> Wish:
        now = self.fleet.setting(service).copies
        return Wish(
            action="file.edit",
            args={
                "path": f"{FOLDER}/{service}/service.conf",
                "old": f"copies = {now}",
                "new": f"copies = {now + more}",
            },
            capability=self.capability,
            confidence=confidence,
            rationale=why or f"{now + more} copies instead of {now} carry it.",
            episode=episode,
            environment="production",
            files=1,
            options=(("restart", "it is slow, it does not hang"),),
        )

    async def _give_back(self, service: str) -> None:
        self._nth += 1
        less = 2 - self.fleet.setting(service).copies
        why = f"The rush at {service} is over, two copies are enough."
        wish = self._copies(service, less, 0.9, f"{service}-quiet-{self._nth}", why=why)
        await self.ask(wish)
        # What the next version wants counts for its evidence, and is not done.
        await self.client.propose(structs.replace(wish, capability=self.successor))


class Deployer(Agent):
    """Brings new versions out: first a canary, which it is never quite sure of, then the whole."""

    capability = "deploy@1"

    def __init__(self, client: AgentClient, fleet: Fleet, chance: Random) -> None:
        """Go on from the version that runs."""
        super().__init__(client, fleet, chance)
        known = [fleet.setting(name).version.partition("-")[0] for name in NAMES]
        self._version = max((int(each) for each in known if each.isdecimal()), default=40)

    async def turn(self) -> None:
        """Bring out the next version of one service."""
        await self.client.rest(self.chance.uniform(8, 14))
        self._version += 1
        service, version = self.chance.choice(NAMES), str(self._version)
        canary = await self._release(
            service, f"{version}-canary", 0.62, "The tests are green; its memory use was not measured."
        )
        if canary is not None:
            if self.chance.random() < 0.3:
                await self._release(service, canary, 0.95, f"The canary of {version} answers with errors.")
            else:
                await self._release(service, version, 0.93, f"The canary of {version} had no error in 12 s.")
        await self.client.rest(self.chance.uniform(20, 40))

    async def _release(self, service: str, version: str, confidence: float, why: str) -> str | None:
        """Ask for it and do it; return the version before, `None` when it was not to be."""
        wish = Wish(
            action="deploy.release",
            args={"service": service, "version": version},
            capability=self.capability,
            confidence=confidence,
            rationale=why,
            episode=f"{service}-{version.partition('-')[0]}",
            environment="production",
            options=(("wait", "the fix in it is needed today"),),
        )
        decision = await self.ask(wish)
        if decision.status != "granted":
            return None
        before = self.fleet.release(service, version)
        await self.client.report(decision, f"{service} runs {version}, {before} before")
        await self.client.rest(12)
        if (await self.client.look(decision)).status == "vetoed":
            self.fleet.release(service, before)
            return None
        return before


class Coder(Agent):
    """Writes code in the workspace, a small change at a time."""

    capability = "code@1"

    def __init__(self, client: AgentClient, fleet: Fleet, chance: Random, workspace: Path) -> None:
        """Begin with a file to work on, where there is none."""
        super().__init__(client, fleet, chance)
        self._file = workspace / SOURCES / "shop.py"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if not self._file.exists():
            self._file.write_text("LIMIT = 1\n\n\ndef basket():\n    return []\n")
        self._nth, self._runs_programs = 0, True

    async def turn(self) -> None:
        """Make one change, or look at what there is."""
        await self.client.rest(self.chance.uniform(9, 16))
        self._nth += 1
        episode = f"ticket-{200 + self._nth // 4}"
        kind = self._nth % 4
        if kind == 0:
            await self.ask(self._wish(0.55, episode, "I would rather write it anew than read it.", new=True))
        elif kind == 1 and self._runs_programs:
            command = f"grep -c return {SOURCES}/shop.py"
            wish = self._shell(command, episode)
            # Without a sandbox nothing runs: that is no reason to ask for it again and again.
            self._runs_programs = not (await self.ask(wish)).is_over
        else:
            await self.ask(self._wish(0.94, episode, "The limit was too low for the sale."))

    def _wish(self, confidence: float, episode: str, why: str, *, new: bool = False) -> Wish:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        old = next((line for line in lines if line.startswith("LIMIT = ")), "LIMIT = 1")
        limit = f"LIMIT = {self.chance.randint(2, 999)}"
        path = f"{SOURCES}/{self._file.name}"
        return Wish(
            action="file.write" if new else "file.edit",
            args={"path": path, "content": f"{limit}\n"} if new else {"path": path, "old": old, "new": limit},
            capability=self.capability,
            confidence=confidence,
            rationale=why,
            episode=episode,
            environment="staging",
            files=1,
        )

    def _shell(self, command: str, episode: str) -> Wish:
        return Wish(
            action="shell.run",
            args={"command": command},
            capability=self.capability,
            confidence=0.9,
            rationale="Count the ways out before changing them.",
            episode=episode,
            environment="staging",
        )


class Shopper(Agent):
    """Orders what the office needs, until its money is used up."""

    capability = "shop@1"

    def __init__(self, client: AgentClient, fleet: Fleet, chance: Random) -> None:
        """Begin with an empty shelf."""
        super().__init__(client, fleet, chance)
        self._nth = 0

    async def turn(self) -> None:
        """Order something small; when there is no money left, ask people for something larger."""
        await self.client.rest(self.chance.uniform(10, 16))
        self._nth += 1
        cost = round(self.chance.uniform(2.0, 3.4), 2)
        goods = self.chance.choice(("paper", "coffee", "pens", "lamps"))
        decision = await self.ask(
            Wish(
                action="email.send",
                args={
                    "to": ["orders@office.example"],
                    "subject": f"Order {self._nth}",
                    "body": f"One box of {goods}, please.",
                },
                capability=self.capability,
                confidence=0.9,
                rationale=f"There is no {goods} left.",
                episode=f"order-{self._nth}",
                cost_usd=cost,
            )
        )
        if decision.status == "granted":
            await self.client.report(decision, f"ordered {goods} for {cost} USD")
        elif not decision.is_stopped:
            await self._ask_for_more(decision)

    async def _ask_for_more(self, denied: Decision) -> None:
        """Ask for what no window allows: that is for people to say."""
        await self.client.rest(20)
        decision = await self.ask(
            Wish(
                action="payment.send",
                args={"recipient": "Office Supplies Ltd", "amount": 24.5, "currency": "USD"},
                capability=self.capability,
                confidence=0.88,
                rationale=f"One large order instead of many small ones, because: {denied.why}"[:800],
                episode=f"order-{self._nth}",
                cost_usd=24.5,
            )
        )
        if decision.status == "granted":
            await self.client.report(decision, "paid 24.5 USD")
        await self.client.rest(45)
