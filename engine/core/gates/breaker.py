"""The circuit breaker: after repeated failures nothing more is tried until it has rested, then a little."""

from collections import deque
from functools import lru_cache
from typing import Literal

from msgspec import Struct, field

from engine.core.vocabulary.facts import BreakerSettings, OutcomeReported
from engine.core.vocabulary.ids import ActionName, CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.units import time_text
from engine.core.vocabulary.verdicts import Answer, Check, Verdict

GATE = "breaker"
_SETTINGS_PLACE = "limits.breaker"


class Breaker(Struct):
    """One breaker's memory. Closed while `opened_at_us` is `None`."""

    failures_us: deque[int] = field(default_factory=deque)
    """When the last failures in a row happened."""
    opened_at_us: int | None = None
    trials: int = 0
    """Allowed while half open, outcome still unknown."""
    last_trial_us: int = 0
    successes: int = 0
    """Good outcomes since it became half open."""


class BreakerShown(Struct, frozen=True, kw_only=True):
    """One breaker that is not closed."""

    capability: CapabilityName
    action: ActionName
    state: Literal["open", "half_open"]
    until_us: int | None = None
    """When an open one lets trials through; `None` otherwise."""


class Breakers(Struct):
    """All breakers that are not at rest, by the name of a capability and an action, and how they are set."""

    settings: BreakerSettings | None = None
    """`None` until a policy is adopted: then no breaker opens."""
    by_key: dict[str, Breaker] = {}


def fold_outcome(breakers: Breakers, fact: OutcomeReported) -> None:
    """Count a failure, or forgive: a success in the closed state clears the row of failures."""
    settings = breakers.settings
    if settings is None:
        return
    key, now_us = _key(fact.capability, fact.action), fact.at_us
    breaker = breakers.by_key.get(key)
    if breaker is None:
        if fact.ok:
            return
        breaker = breakers.by_key[key] = Breaker()
    state = _state(settings, breaker, now_us)
    if state == "closed":
        if fact.ok:
            del breakers.by_key[key]
            return
        breaker.failures_us.append(now_us)
        while breaker.failures_us[0] <= now_us - settings.window_us:
            breaker.failures_us.popleft()
        if len(breaker.failures_us) >= settings.failures_to_open:
            breakers.by_key[key] = Breaker(opened_at_us=now_us)
    elif state == "half_open":
        breaker.trials = max(0, breaker.trials - 1)
        if not fact.ok:
            breakers.by_key[key] = Breaker(opened_at_us=now_us)
            return
        breaker.successes += 1
        if breaker.successes >= settings.successes_to_close:
            del breakers.by_key[key]
    # While open, late outcomes of earlier actions neither lengthen the rest nor end it.


def fold_verdict(breakers: Breakers, verdict: Verdict) -> None:
    """Count an allowed action as a trial while half open. A shadowed one tries nothing."""
    if breakers.by_key and verdict.word == "allow" and not verdict.shadowed:
        fold_granted(breakers, verdict.capability, verdict.action, verdict.at_us)


def fold_granted(breakers: Breakers, capability: CapabilityId, action: ActionName, at_us: int) -> None:
    """Count what may run now as a trial while half open."""
    settings = breakers.settings
    breaker = breakers.by_key.get(_key(capability, action)) if breakers.by_key else None
    if settings is None or breaker is None:
        return
    if _state(settings, breaker, at_us) == "half_open":
        breaker.trials = _trials(settings, breaker, at_us) + 1
        breaker.last_trial_us = at_us


def judge(breakers: Breakers, capability: CapabilityId, action: ActionName, now_us: int) -> Answer:
    """Deny while open, and while enough trials are under way in the half-open state."""
    settings = breakers.settings
    if settings is None:
        return _rest("captain")
    breaker = breakers.by_key.get(_key(capability, action)) if breakers.by_key else None
    if breaker is None:
        return _rest(settings.owner)
    state = _state(settings, breaker, now_us)
    if state == "closed":
        count = sum(at_us > now_us - settings.window_us for at_us in breaker.failures_us)
        check = Check("failures_in_a_row", count, settings.failures_to_open)
        return Answer(gate=GATE, ruling="allow", rule=_SETTINGS_PLACE, owner=settings.owner, checks=(check,))
    shown = f"{capability_name(capability)}/{action}"
    if breaker.opened_at_us is not None and state == "open":
        until = time_text(breaker.opened_at_us + settings.open_us)
        reason = f"{shown} failed {settings.failures_to_open} times in a row; it rests until {until}"
        check = Check("state", "open", "closed")
    else:
        trials = _trials(settings, breaker, now_us)
        check = Check("trials_under_way", trials, settings.trials)
        if trials < settings.trials:
            return Answer(
                gate=GATE, ruling="allow", rule=_SETTINGS_PLACE, owner=settings.owner, checks=(check,)
            )
        reason = f"{shown} is on trial after failures: the outcome of {trials} trial(s) is still unknown"
    return Answer(
        gate=GATE, ruling="deny", reason=reason, rule=_SETTINGS_PLACE, owner=settings.owner, checks=(check,)
    )


def not_closed(breakers: Breakers, now_us: int) -> tuple[BreakerShown, ...]:
    """Return the breakers that are open or on trial, by name."""
    if breakers.settings is None:
        return ()
    found = []
    for key, breaker in sorted(breakers.by_key.items()):
        state = _state(breakers.settings, breaker, now_us)
        if state != "closed":
            length, _, both = key.partition(":")
            name, action = CapabilityName(both[: int(length)]), ActionName(both[int(length) + 1 :])
            opened_us = breaker.opened_at_us if state == "open" else None
            until_us = None if opened_us is None else opened_us + breakers.settings.open_us
            found.append(BreakerShown(capability=name, action=action, state=state, until_us=until_us))
    return tuple(found)


@lru_cache(maxsize=8)
def _rest(owner: str) -> Answer:
    return Answer(gate=GATE, ruling="allow", rule=_SETTINGS_PLACE, owner=owner)


# The same few are asked about with every proposal.
@lru_cache(maxsize=1024)
def _key(capability: CapabilityId, action: ActionName) -> str:
    # With the length in front, `a/b` with `c` and `a` with `b/c` are two breakers.
    name = capability_name(capability)
    return f"{len(name)}:{name}/{action}"


def _state(
    settings: BreakerSettings, breaker: Breaker, now_us: int
) -> Literal["closed", "open", "half_open"]:
    if breaker.opened_at_us is None:
        return "closed"
    return "open" if now_us < breaker.opened_at_us + settings.open_us else "half_open"


def _trials(settings: BreakerSettings, breaker: Breaker, now_us: int) -> int:
    """A trial whose outcome never came is given up after one resting time, or the breaker would stay shut."""
    return 0 if now_us - breaker.last_trial_us > settings.open_us else breaker.trials
