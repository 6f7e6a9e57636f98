"""State: what the journal's facts add up to, one slice for each room.

Slices come in two kinds. **Keyed** slices (`episodes`, `signals`) fall apart by episode or series, so parts
of them can be folded apart and put together again. **Shared** slices see everything that happens, in order.
"""

import hashlib
from collections import deque
from typing import Any, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType

from engine.core import calibrations
from engine.core.calibrations import Calibrations
from engine.core.gates import limits
from engine.core.gates.breaker import Breakers
from engine.core.gates.kill_switch import Stops
from engine.core.gates.limits import Usage
from engine.core.provenance import heard
from engine.core.provenance.heard import Episodes
from engine.core.signals import Signals
from engine.core.vocabulary.ids import Digest
from engine.core.work import holds
from engine.core.work.captaincy import Captaincy
from engine.core.work.contests import Contests
from engine.core.work.escalations import folding
from engine.core.work.escalations.standing import Escalations
from engine.core.work.holds import Holds
from engine.core.work.presence import Presence
from engine.core.work.rollout import candidates
from engine.core.work.rollout.candidates import Rollouts
from engine.core.work.standing_approvals import StandingApprovals
from engine.core.work.troubles import Troubles


class State(Struct, kw_only=True):
    """Everything the core knows. Made by `State()` and changed by `evolve` alone."""

    now_us: int = 0
    """The latest time any fact carried. It never goes back."""
    policy_hash: Digest = Digest("")
    stops: Stops = msgspec.field(default_factory=Stops)
    breakers: Breakers = msgspec.field(default_factory=Breakers)
    usage: Usage = msgspec.field(default_factory=Usage)
    rollouts: Rollouts = msgspec.field(default_factory=Rollouts)
    holds: Holds = msgspec.field(default_factory=Holds)
    captaincy: Captaincy | UnsetType = UNSET
    """Unset where nobody ever was captain but by their role."""
    contests: Contests = msgspec.field(default_factory=Contests)
    standing: StandingApprovals = msgspec.field(default_factory=StandingApprovals)
    presence: Presence = msgspec.field(default_factory=Presence)
    troubles: Troubles = msgspec.field(default_factory=Troubles)
    calibrations: Calibrations = msgspec.field(default_factory=Calibrations)
    escalations: Escalations = msgspec.field(default_factory=Escalations)
    episodes: Episodes = msgspec.field(default_factory=Episodes)
    signals: Signals = msgspec.field(default_factory=Signals)


def encode_state(state: State) -> bytes:
    """Write state in canonical JSON, without what no longer counts: equal states give equal bytes."""
    limits.trim(state.usage, state.now_us)
    heard.trim(state.episodes, state.now_us)
    heard.keep_no_text(state.episodes)
    return _ENCODER.encode(state)


def decode_state(body: bytes) -> State:
    """Read state back. Raises `msgspec.ValidationError` when the bytes are not a state of this version."""
    state = _DECODER.decode(body)
    # Canonical bytes are sorted by name; holds are let go in the order in which they began, episodes judged
    # in the order in which they are due, and escalations counted from the latest back.
    holds.put_in_order(state.holds)
    calibrations.put_in_order(state.calibrations)
    candidates.put_in_order(state.rollouts)
    folding.put_in_order(state.escalations)
    return state


def state_hash(state: State) -> Digest:
    """Return the SHA-256 of the canonical bytes."""
    return Digest(hashlib.sha256(encode_state(state)).hexdigest())


def absorb(state: State, other: State) -> None:
    """Take the keyed slices of a state that was folded apart from the same facts."""
    state.now_us = max(state.now_us, other.now_us)
    state.episodes.by_id.update(other.episodes.by_id)
    state.signals.by_series.update(other.signals.by_series)


def _plain(value: Any) -> Any:
    if isinstance(value, deque):
        return list(value)
    raise TypeError(f"state must not hold a {type(value).__name__}")


def _rebuilt(kind: type, value: Any) -> Any:
    # `deque[item]` reaches this hook with its item type, of which the alias keeps a tuple.
    return deque(msgspec.convert(item, get_args(kind)[0]) for item in value)


# Sorted keys: the order in which agents or series first appeared must not show in the hash.
_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)
_DECODER = msgspec.json.Decoder(State, dec_hook=_rebuilt)
