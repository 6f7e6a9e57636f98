"""A campaign: agents at work on a whole service, and `kill -9` at seeded points on each of its processes.

    python -m tests.faults.campaign --kills 1000 [--seed 7] [--most-s 7200]

Everything is drawn from the seed: what is proposed, whom each kill hits and how long after the one before.
What the machine makes of it is not, so a seed brings back a campaign and not its every interleaving.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from bot.http_api.address import read_address
from engine.adapters.inflight import InFlight
from engine.adapters.journal_reader import SqliteReader
from tests.faults.aftermath import Acknowledged, Aftermath, Counts
from tests.fence.stopping import until
from tests.service.services import CAPABILITY, Service, eventually

_ROUND: Final = ("engine", "front", "worker-1", "worker-2") * 2 + ("engine", "worker-1", "supervisor")
"""Whom one round hits, in an order drawn anew each time. The supervisor costs a start of everything."""
_AGENTS: Final = 8
_MIXTURE: Final = {"write": 3, "put": 2, "append": 4, "fail": 1, "undo": 2}
_AT_WORK_S: Final = 10.0
"""How long a kill waits for the service to be at work again."""


class Agent(threading.Thread):
    """Proposes without pause, and sends again what was not answered, under the same key."""

    def __init__(self, service: Service, name: str, seed: str) -> None:
        """Nothing is proposed yet."""
        super().__init__(name=name, daemon=True)
        self._service, self._random = service, random.Random(seed)
        self._token = service.token(name)
        self.over = threading.Event()
        self.acknowledged: list[Acknowledged] = []
        self.undone: dict[str, str] = {}
        """Decision → the undo asked for."""
        self.wrong: list[str] = []
        self._client = httpx.Client(trust_env=False, timeout=20)

    def run(self) -> None:
        """Propose until told that it is over."""
        with self._client:
            number = 0
            while not self.over.is_set():
                number += 1
                kind = self._random.choices(list(_MIXTURE), list(_MIXTURE.values()))[0]
                if kind == "undo":
                    self._undo()
                else:
                    self._propose(kind, number)
                time.sleep(self._random.uniform(0.0, 0.1))

    def _propose(self, kind: str, number: int) -> None:
        name = f"{self.name}-{number}"
        pause_s = round(self._random.uniform(0, 0.3), 3)
        action, args = {
            "write": ("file.write", {"path": f"written/{name}", "content": f"{name}\n"}),
            "put": ("note.put", {"name": name, "pause_s": pause_s}),
            "append": ("note.append", {"line": name, "pause_s": pause_s}),
            "fail": ("note.fail", {}),
        }[kind]
        body = {"action": action, "args": args, "capability": CAPABILITY, "confidence": 0.95, "episode": name}
        answer = self._send("/v1/proposals", body, key=f"k-{number}")
        if answer is not None:
            self.acknowledged.append(Acknowledged(kind=kind, decision=answer["decision_id"], name=name))
            if answer["word"] != "allow":
                self.wrong.append(f"{name}: {answer}")

    def _undo(self) -> None:
        done = [one for one in self.acknowledged if one.kind == "write" and one.decision not in self.undone]
        if done:
            one = self._random.choice(done)
            answer = self._send(f"/v1/decisions/{one.decision}/undo", {}, captain=True)
            if answer is not None and "effect_id" in answer:
                self.undone[one.decision] = answer["effect_id"]

    def _send(
        self, path: str, body: dict[str, Any], *, key: str = "", captain: bool = False
    ) -> dict[str, Any] | None:
        """Send until it is answered for; `None` when it was refused, or it is over."""
        token = self._service.token("captain") if captain else self._token
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        # Some wait for the end: a front that dies takes the answer along, though all else went well.
        params = {} if captain else {"wait_s": self._random.choice((0, 0.5, 2))}
        while not self.over.is_set():
            with contextlib.suppress(httpx.HTTPError):
                address = read_address(self._service.layout.address)
                if address is not None:
                    answer = self._client.post(
                        f"{address.url}{path}", json=body, headers=headers, params=params
                    )
                    if answer.status_code in {200, 202}:
                        said: dict[str, Any] = answer.json()
                        return said
                    if captain and answer.status_code in {404, 409, 422}:
                        return None
                    if answer.status_code not in {429, 503, 507}:
                        self.wrong.append(f"{path}: {answer.status_code} {answer.text}")
                        return None
            time.sleep(0.05)
        return None


class Campaign:
    """One service, its agents, and who kills its processes."""

    def __init__(self, folder: Path, seed: str) -> None:
        """Nothing runs yet."""
        self.service = Service(folder, workers__processes=2, workers__slots=2, workers__drain_s=2.0)
        self.counts, self._random = Counts(), random.Random(f"{seed}:kills")
        self._seed = seed
        self.agents: list[Agent] = []
        self._answered = 0

    def run(self, kills: int, *, most_s: float = float("inf"), progress: int = 0) -> Counts:
        """Kill so many times, or until the time is up; then see what came of everything."""
        began, service = time.monotonic(), self.service
        service.start()
        self.agents = [
            Agent(service, f"agent-{number}", f"{self._seed}:{number}") for number in range(_AGENTS)
        ]
        for agent in self.agents:
            agent.start()
        try:
            for victim in self._victims(kills):
                if time.monotonic() - began > most_s:
                    break
                # Some come while it is still getting up from the one before, most while it is at work.
                if self._random.random() < 0.75:
                    until(self._is_at_work, within_s=_AT_WORK_S)
                time.sleep(self._random.uniform(0.0, 0.4))
                self._kill(victim)
                if progress and self.counts.kills.total() % progress == 0:
                    done = f"{self.counts.kills.total()} of {kills} kills, {self._acknowledged()} proposals"
                    print(f"{done}, {time.monotonic() - began:.0f} s", flush=True)
        finally:
            for agent in self.agents:
                agent.over.set()
            for agent in self.agents:
                agent.join()
        self._check()
        return self.counts

    def _victims(self, kills: int) -> Iterator[str]:
        for _ in range(0, kills, len(_ROUND)):
            yield from self._random.sample(_ROUND, len(_ROUND))[:kills]
            kills -= len(_ROUND)

    def _is_at_work(self) -> bool:
        """Whether proposals were answered since the last kill, and effects are under way."""
        return self._acknowledged() >= self._answered + 3 and bool(
            InFlight(self.service.layout.inflight).all()
        )

    def _acknowledged(self) -> int:
        return sum(len(agent.acknowledged) for agent in self.agents)

    def _kill(self, victim: str) -> None:
        service = self.service
        pid = service.pid(victim)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.counts.kills[victim.partition("-")[0]] += 1
        self._answered = self._acknowledged()
        if victim == "supervisor":
            assert service.process is not None
            service.process.wait()
            # Whoever looks after us starts it again at once, with the children of the last one still leaving.
            # Half of the time the next kill comes before that is over.
            service.start(wait=self._random.random() < 0.5)

    # ------------------------------------------------------------ what came of it

    def _check(self) -> None:
        service, counts = self.service, self.counts
        eventually(service.is_healthy, service.output.read_text)
        eventually(self._is_quiet, service.statuses)
        assert service.stop() == 0, service.output.read_text()[-5000:]
        assert service.left() == {}
        acknowledged = [one for agent in self.agents for one in agent.acknowledged]
        undos = [undo for agent in self.agents for undo in agent.undone.values()]
        counts.wrong += [text for agent in self.agents for text in agent.wrong]
        Aftermath(service).count(acknowledged, undos, counts)
        assert (counts.lost, counts.doubled, counts.wrong) == (0, 0, []), f"{counts}: {counts.wrong}"

    def _is_quiet(self) -> bool:
        with SqliteReader(self.service.layout.journal) as journal:
            return not list(journal.tasks.all())


@contextlib.contextmanager
def campaign(folder: Path, seed: str) -> Iterator[Campaign]:
    """Prepare a campaign; whatever is left of it is ended afterwards, and a failure prints the seed."""
    made = Campaign(folder, seed)
    try:
        yield made
    except BaseException:
        sys.stderr.write(made.service.output.read_text()[-30_000:] if made.service.output.exists() else "")
        sys.stderr.write(f"\nseed {seed}; so far {made.counts}\n")
        raise
    finally:
        for agent in made.agents:
            agent.over.set()
        made.service.end()


def main() -> int:
    """Run one campaign and print what it comes to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.campaign", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--kills", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--seed", default=None, help="what to draw from (default: a new one, printed)")
    parser.add_argument("--most-s", type=float, default=7200, help="end earlier after so long (default 7200)")
    arguments = parser.parse_args()
    seed = arguments.seed or str(random.SystemRandom().randrange(10**6))
    print(f"seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="watchkeeper-faults-") as name,
        campaign(Path(name), seed) as made,
    ):
        print(made.run(arguments.kills, most_s=arguments.most_s, progress=50))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
