"""The wire: how the engine says it is."""

from msgspec import Struct

from engine.core.vocabulary.ids import ActionName, AgentId
from engine.core.work.rollout.showing import UnderWay
from engine.ports import Stop
from engine.runtime.wire_words import Answer
from engine.runtime.wire_work import BodySeen


class AgentSeen(Struct, frozen=True, kw_only=True):
    """An agent that was heard of."""

    agent: AgentId
    last_us: int


class EngineStatus(Answer, frozen=True, kw_only=True):
    """How the engine is."""

    pid: int
    version: str
    policy_hash: str
    started_us: int
    now_us: int
    journal_seq: int
    stops: tuple[Stop, ...]
    troubles: dict[str, str]
    draining: bool
    queued: int
    running: int
    holds: int
    live: dict[str, str]
    """The live version of each capability."""
    rollouts: tuple[UnderWay, ...] = ()
    """What is on its way to authority, or held back."""
    agents: tuple[AgentSeen, ...]
    bodies: tuple[BodySeen, ...] = ()
    elsewhere: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it
    """Body or pool → how many effects wait for it; each that the registry names stands here."""
    actions: tuple[ActionName, ...]
    unsandboxed: tuple[ActionName, ...]
    """Actions whose programs run outside any sandbox, because the registry says so."""
