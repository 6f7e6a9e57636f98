"""Characters: what agents are really like, whatever they say. The engine sees none of this."""

from typing import Final

from msgspec import Struct

from engine.core.vocabulary.rollouts import ORDER, Stage
from engine.core.vocabulary.units import HOUR_US


class Character(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an agent proposes, and how it goes when it acts."""

    name: str
    agrees: float = 0.99
    """The share of episodes in which it proposes exactly what the incumbent does."""
    times: float = 1.0
    """How many times as often as the incumbent it fails, in the same episodes."""
    later: float | None = None
    """The same once it turned, or in its bad spells; `None` for one that stays as it is."""
    trusted: Stage | None = None
    """From which stage on it has turned."""
    after_us: int | None = None
    """How long after the story's start it has turned."""
    alternates_us: int = 0
    """How long each of its good and bad spells lasts; 0 for one that has none."""
    at_least: float = 0.0
    """It fails at least this often, however easy the episode."""
    covered: float = 0.0
    """The share of its failures that its partner reports as successes."""
    triggers: float = 0.0
    """The share of its acts that make another episode for its partner's work."""

    def times_at(self, stage: Stage, passed_us: int) -> float:
        """Return how many times the incumbent's failures it has at a stage, so long after the story's start.

        >>> HARMFUL_LATE.times_at("canary_50", 0), HARMFUL_LATE.times_at("live", 0)
        (1.0, 5.0)
        """
        if self.later is None:
            return self.times
        turned = (
            (self.alternates_us and passed_us // self.alternates_us % 2 == 1)
            or (self.after_us is not None and passed_us >= self.after_us)
            or (self.trusted is not None and _reached(stage, self.trusted))
        )
        return self.later if turned else self.times

    def failing(self, base: float, stage: Stage, passed_us: int) -> float:
        """Return its true probability of ending an episode badly that the incumbent ends so with `base`.

        >>> HARMFUL.failing(0.02, "canary_1", 0)
        0.1
        """
        return min(1.0, max(self.at_least, base * self.times_at(stage, passed_us)))


def _reached(stage: Stage, trusted: Stage) -> bool:
    return stage in ORDER and ORDER.index(stage) >= ORDER.index(trusted)


GOOD: Final = Character(name="good", times=0.6)
"""It fails three times where the incumbent fails five times."""
EQUAL: Final = Character(name="equal")
USELESS: Final = Character(name="useless", agrees=0.05, at_least=0.5)
"""It nearly always wants something else, and that helps in half of the cases at best."""
HARMFUL: Final = Character(name="harmful", times=5.0)
"""On paper it proposes what the incumbent does: only what comes of its acts shows what it is."""
HARMFUL_LATE: Final = Character(name="harmful late", later=5.0, trusted="live")
FLAPPING: Final = Character(name="flapping", later=9.0, alternates_us=12 * HOUR_US)
"""Fine before noon, harmful after it: five times the incumbent's failures in all."""
COLLUDING: Final = Character(name="colluding", times=5.0, covered=0.9, triggers=0.1)
"""Its partner says that it went well, and it makes work for its partner."""

CHARACTERS: Final = {
    each.name: each for each in (GOOD, EQUAL, USELESS, HARMFUL, HARMFUL_LATE, FLAPPING, COLLUDING)
}
