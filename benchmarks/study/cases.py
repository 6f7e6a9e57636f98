"""The cases of the study: what is sent up, by which rule, how many, and from which seed."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.study import clusters, lateness, peers, points
from benchmarks.study.worlds import Weather

BLOCK = 5_000
"""Canaries in one piece of work: a case gives the same figures, however many processes share it."""

WEATHERS = {
    "0.2 % fail": Weather("constant", 0.002),
    "2 % fail": Weather("constant", 0.02),
    "5 % fail": Weather("constant", 0.05),
    "1 → 5 % fail": Weather("drift", 0.01, 0.05, change_at=30_000),
    "outages": Weather("outages", 0.01, 0.15),
}
"""Outages take one episode in seven with them, in both arms, 200 episodes long and 4,000 apart on average."""
BIG_OUTAGES = {"big outages": Weather("outages", 0.01, 0.3)}
"""In these both arms fail more often than `most_failing` lets a canary that control does not excuse."""
TRUTHS = (1.0, 1.25)
"""Risk ratios on either boundary: as good as the incumbent, and just bad enough never to be let to 100 %."""

MANY = "many"
"""Marks a peer that looks at a hundred times the traffic: 1,000 decisions of a 1 % canary in each window."""
THRESHOLDS = ("argo", "flagger")
DETECTORS = ("ours", "argo", "flagger", "z-test", "ranks", "shipping")
AGREEMENTS = (0.93, 0.95, 0.97, 0.98, 0.99)
OVERLAPS = (0.0, 0.5, 0.75, 1.0)
DELAYS = (0.0, 200.0, 500.0)


@dataclass(frozen=True)
class Case:
    """One question to one rule."""

    kind: str
    words: dict[str, Any]
    count: int
    block: int = BLOCK
    weather: Weather | None = None

    @property
    def name(self) -> str:
        """What tells it from every other case."""
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.words.items())])

    def seed(self, root: int) -> list[int]:
        """Return the entropy of its dice, which follows from the study's seed and its own name alone."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=8).digest()
        return [root, int.from_bytes(digest)]

    def blocks(self, root: int) -> list[tuple[int, np.random.SeedSequence]]:
        """Return its pieces: how many canaries, and each one's seed."""
        sizes = [min(self.block, self.count - begin) for begin in range(0, self.count, self.block)]
        return list(zip(sizes, np.random.SeedSequence(self.seed(root)).spawn(len(sizes)), strict=True))


@dataclass
class List:
    """Cases as they are added."""

    count: int
    found: list[Case] = field(default_factory=list)

    def add(self, kind: str, *, weather: Weather | None = None, **words: Any) -> None:
        """Add one of the usual size."""
        self.found.append(Case(kind, words, self.count, weather=weather))


def cases(count: int, twice: int, rollouts: int) -> list[Case]:
    """List every case with `count` canaries, the longest first.

    `twice` canaries of every world are judged again by the core, and `rollouts` of every world sent through
    the engine.
    """
    found = List(count)
    found.found.append(Case("machine", {}, rollouts, 15))
    found.found.append(Case("exact", {}, twice, 30))
    _climbs(found)
    _holds(found)
    for overlap in OVERLAPS:
        found.add("pairs", candidate=0.04, incumbent=0.02, overlap=overlap)
    found.add("pairs", candidate=0.02, incumbent=0.02, overlap=0.5)
    for agrees in AGREEMENTS:
        found.add("agreement", agrees=agrees)
    for before, after in ((0.02, 0.06), (0.02, 0.1), (0.02, 0.3), (0.03, 0.03)):
        found.add("points", before=before, after=after, change_at=3_000, points=points.SPAN)
    for counted, assigned in clusters.WAYS:
        for ratio in (1.0, 2.0):
            found.add("clusters", counted=counted, assigned=assigned, ratio=ratio)
    for share in (0.01, 0.1, 0.5):
        for delay in DELAYS:
            for way in lateness.WAYS:
                found.add("lateness", share=share, delay=delay, way=way)
    return found.found


def _climbs(found: List) -> None:
    for where, weather in (*reversed(WEATHERS.items()), *BIG_OUTAGES.items()):
        for ratio in reversed(TRUTHS):
            own = Weather(**{**weather.__dict__, "ratio": ratio})
            for rule in ("ours", *peers.RULES):
                found.add("climb", weather=own, rule=rule, world=where, ratio=ratio)
            if own.kind == "constant":
                for rule in THRESHOLDS:
                    found.add("climb", weather=own, rule=rule, world=where, ratio=ratio, traffic=MANY)


def _holds(found: List) -> None:
    for ratio in (1.0, 2.0, 5.0):
        for rule in DETECTORS:
            weather = Weather("constant", 0.02, ratio=ratio)
            found.add("hold", weather=weather, rule=rule, base=0.02, ratio=ratio, share=0.01)
    for ratio in (1.0, 2.0):
        for rule in ("ours", *THRESHOLDS):
            weather = Weather("constant", 0.002, ratio=ratio)
            words = {"traffic": MANY} if rule != "ours" else {}
            found.add("hold", weather=weather, rule=rule, base=0.002, ratio=ratio, share=0.01, **words)
    found.add(
        "hold", weather=Weather("constant", 0.02, ratio=2.0), rule="ours", base=0.02, ratio=2.0, share=0.1
    )
    for share, ratio in ((0.01, 5.0), (0.1, 3.0)):
        weather = Weather("late", 0.02, ratio=ratio, change_at=50_000)
        for rule in ("ours", "plain", "argo", "z-test", "shipping"):
            found.add("late", weather=weather, rule=rule, base=0.02, ratio=ratio, share=share, begins=50_000)
