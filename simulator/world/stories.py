"""Stories: who lives in a made-up world, what they do, and what is to be shown. Data only."""

from typing import Final, Literal

from msgspec import Struct, structs

from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, CapabilityName, PersonId
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US, parse_time
from simulator.world.characters import GOOD, HARMFUL, Character


class Service(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that runs, is changed, and breaks."""

    name: str
    share: float
    """Its share of all incidents."""
    deploys: float
    """How often it is deployed on an average working day."""
    minute_cents: int
    """What a minute of its outage costs, in US cents."""


class Person(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who answers after a while, or sleeps."""

    name: PersonId
    role: Literal["responder", "captain"]
    asleep_from: int
    """The hour (UTC) at which they go to sleep."""
    asleep_h: int = 8
    answers_us: int = 5 * MINUTE_US
    """How long they take to deal with an incident on average, awake; woken, three times that."""
    wakes: float = 0.9
    """How probably a page wakes them."""


class Candidate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version that is to earn its authority."""

    agent: AgentId
    capability: CapabilityId
    character: Character
    partner: AgentId = AgentId("")
    """The agent that vouches for it; empty for one that stands alone."""


class Work(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of work: a kind of incident, and who deals with it."""

    name: CapabilityName
    action: ActionName
    """What mends such an incident."""
    otherwise: ActionName
    """What one does who does something else."""
    incidents: float
    """How many there are on an average working day without a deploy; on weekends half as many."""
    base: float
    """How probably an ordinary one ends badly in the incumbent's hands, 0 to 1."""
    incumbent: CapabilityId = CapabilityId("")
    """The version that does it now; empty where people do."""
    candidate: Candidate | None = None
    checked: bool = False
    """Whether somebody else looks at how each ended: a series `NAME/still_down`, 1 where it ended badly."""


class Story(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A made-up world. Together with a seed it is a history."""

    name: str
    summary: str
    days: int
    works: tuple[Work, ...]
    services: tuple[Service, ...]
    people: tuple[Person, ...]
    start_us: int = parse_time("2026-03-02T00:00:00Z")
    """A Monday."""
    hours: tuple[float, ...] = (
        0.40, 0.35, 0.30, 0.30, 0.35, 0.50, 0.75, 1.10, 1.45, 1.65, 1.70, 1.65,
        1.55, 1.60, 1.65, 1.60, 1.50, 1.35, 1.20, 1.05, 0.90, 0.75, 0.60, 0.50,
    )  # fmt: skip
    """The load at each full hour (UTC), on average about 1. Incidents follow it."""
    acts_us: int = 4 * MINUTE_US
    """How long an agent takes to deal with an incident, on average."""
    patience_us: int = 45 * MINUTE_US
    """An incident nobody deals with for so long has ended badly, whoever comes then."""
    tick_us: int = HOUR_US
    """How often the engine is told that time passes."""
    metrics_us: int = HOUR_US
    """How often each service is measured."""

    @property
    def until_us(self) -> int:
        """When it ends."""
        return self.start_us + self.days * 24 * HOUR_US

    @property
    def established(self) -> tuple[CapabilityId, ...]:
        """The versions that do the work when it begins: a policy must name them, or they lose it."""
        return tuple(work.incumbent for work in self.works if work.incumbent)


SERVICES: Final = (
    Service(name="checkout", share=0.3, deploys=2.0, minute_cents=900),
    Service(name="search", share=0.25, deploys=1.5, minute_cents=300),
    Service(name="catalogue", share=0.2, deploys=1.0, minute_cents=200),
    Service(name="login", share=0.15, deploys=0.5, minute_cents=700),
    Service(name="mailer", share=0.1, deploys=0.5, minute_cents=50),
)
PEOPLE: Final = (
    Person(name=PersonId("ada"), role="captain", asleep_from=22),
    Person(name=PersonId("ben"), role="responder", asleep_from=6),
    Person(name=PersonId("mei"), role="responder", asleep_from=14),
)
"""Around the world, so that somebody is always awake; the one captain is not."""

_RESTARTS: Final = Work(
    name=CapabilityName("restart-unhealthy"),
    action=ActionName("service.restart"),
    otherwise=ActionName("cache.clear"),
    incidents=400.0,
    base=0.02,
    incumbent=CapabilityId("restart-unhealthy@3"),
    candidate=Candidate(
        agent=AgentId("healer-2"), capability=CapabilityId("restart-unhealthy@4"), character=GOOD
    ),
)
_SCALING: Final = Work(
    name=CapabilityName("scale-busy"),
    action=ActionName("service.scale"),
    otherwise=ActionName("service.restart"),
    incidents=400.0,
    base=0.02,
    candidate=Candidate(
        agent=AgentId("scaler-1"), capability=CapabilityId("scale-busy@1"), character=HARMFUL
    ),
)

GOOD_STORY: Final = Story(
    name="good",
    summary="a new version that fails three times where the old one fails five times earns its authority",
    days=90,
    works=(_RESTARTS,),
    services=SERVICES,
    people=PEOPLE,
)
HARMFUL_STORY: Final = Story(
    name="harmful",
    summary="an agent that proposes what people do, and fails five times as often when it acts, is stopped",
    days=60,
    works=(_SCALING,),
    services=SERVICES,
    people=PEOPLE,
)
BOTH_STORY: Final = Story(
    name="both",
    summary="both side by side: one earns its authority, the other is stopped at 1 %",
    days=90,
    works=(_RESTARTS, _SCALING),
    services=SERVICES,
    people=PEOPLE,
)
STORIES: Final = {story.name: story for story in (GOOD_STORY, HARMFUL_STORY, BOTH_STORY)}

AGENT_COST_CENTS: Final = 2
"""What an agent's answer to an incident costs."""
PERSON_MINUTE_CENTS: Final = 150
REPAIR_US: Final = 30 * MINUTE_US
"""How long an outage goes on when its incident ended badly."""
RECENT_US: Final = 2 * HOUR_US
"""How long a deploy makes incidents more frequent, and each of them harder."""
REPORTS_US: Final = 5 * SECOND_US
"""How long after its end an outcome is told."""


def before(story: Story, days: int) -> Story:
    """Return the same world that many days earlier: the history from which its candidates are replayed.

    Take whole weeks, so that it begins on a Monday too, and another seed, or it has the same incidents.
    """
    return structs.replace(story, days=days, start_us=story.start_us - days * 24 * HOUR_US)


def cast(story: Story, character: Character, work: CapabilityName | None = None) -> Story:
    """Give the candidate of one line of work, or of all, another character."""
    works = tuple(
        structs.replace(each, candidate=structs.replace(each.candidate, character=character))
        if each.candidate is not None and work in {None, each.name}
        else each
        for each in story.works
    )
    return structs.replace(story, works=works)
