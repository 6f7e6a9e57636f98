"""The living world as one program: a fleet that gets into trouble, and its agents, until it is cancelled."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulator.living.agent_client import AgentClient
from simulator.living.agents import Agent, Coder, Deployer, Healer, Shopper
from simulator.living.fleet import Fleet
from simulator.living.intruder import Intruder
from simulator.world.chance import stream

CAPABILITIES: Final = {
    "healer-1": (Healer.capability, Healer.successor),
    "deployer-1": (Deployer.capability,),
    "coder-1": (Coder.capability,),
    "shopper-1": (Shopper.capability,),
    "crawler-1": (Intruder.capability,),
}
"""The agents by name, each with the capabilities it proposes under."""

_MOMENT_S: Final = 2.0


class LivingWorld:
    """Everything that lives in one workspace. Time runs `rate` times as fast as outside."""

    def __init__(
        self,
        workspace: Path,
        tokens: dict[str, str],
        *,
        seed: int,
        address: Callable[[], str | None],
        rate: float = 1.0,
    ) -> None:
        """`tokens` has each agent's of `CAPABILITIES`; `address` is where the service answers, if it does."""
        self._rate = rate
        self.fleet = Fleet(workspace, seed)
        self._clients = {
            name: AgentClient(name, token, address=address, rate=rate) for name, token in tokens.items()
        }
        given = {name: (self._clients[name], self.fleet, stream(seed, name)) for name in CAPABILITIES}
        self.agents: dict[str, Agent] = {
            "healer-1": Healer(*given["healer-1"]),
            "deployer-1": Deployer(*given["deployer-1"]),
            "coder-1": Coder(*given["coder-1"], workspace),
            "shopper-1": Shopper(*given["shopper-1"]),
            "crawler-1": Intruder(*given["crawler-1"]),
        }

    async def live(self) -> None:
        """Go on until cancelled. A defect in one of them ends all, aloud."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._let_time_pass())
                for agent in self.agents.values():
                    group.create_task(agent.live())
        finally:
            for client in self._clients.values():
                await client.close()

    async def _let_time_pass(self) -> None:
        # Something is to be mended at once, so that a newcomer need not wait for it.
        self.fleet.rush("web")
        while True:
            self.fleet.live_on()
            await asyncio.sleep(_MOMENT_S / self._rate)
