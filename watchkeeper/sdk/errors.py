"""Why something was not done. The class says what an agent can do about it.

WatchkeeperError
├── NotAllowed        it was decided, and the agent must not do it
│   ├── Held              people are still asked: come back with the same key, or let it be
│   ├── Denied            a gate or a person said no: do something else
│   ├── Killed            a stop stands in the way: do nothing more until it is lifted
│   ├── Vetoed            a captain took it back: what was done already is to be undone
│   ├── Expired           nobody answered in time, or the policy changed meanwhile: propose it anew
│   ├── Replaced          a person put another version in its place, or it was done already
│   ├── Shadowed          decided to learn from, not to be done: go on without it
│   └── Performed         the engine does this action itself: use `propose`
├── Invalid           the request is wrong: mend it
│   └── Conflict          it is already otherwise, or the key was used for something else
├── Forbidden         the token is missing, or may not do that
└── Unreachable       no answer in time, so nothing may be done
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import InputError, WatchkeeperError

if TYPE_CHECKING:
    from watchkeeper.sdk.words import Decision


class Invalid(InputError):
    """The request is wrong: mend it and try again."""


class Conflict(Invalid):
    """It is already otherwise, or the key was used for another proposal."""


class NotAllowed(WatchkeeperError):
    """The agent must not do it. `decision` says why, in parts."""

    cure_text = ""

    def __init__(self, decision: Decision, message: str = "", *, ran: bool = False) -> None:
        """`message`: what happened, where the decision's own reasons do not say it."""
        self.decision = decision
        self.ran = ran
        """Whether the function had run already when this became known."""
        self.reasons, self.waits = decision.reasons, decision.waits
        self.deadline = decision.deadline
        super().__init__(
            message or f"{decision.action} is {decision.status}: {decision.why}",
            place=decision.decision_id,
            cure=self.cure_text,
        )


class Held(NotAllowed):
    """It waits for people: `waits` says for whom, `deadline` until when (`None`: as the policy says)."""

    cure_text = "propose it again with the same key to go on waiting"


class Denied(NotAllowed):
    """A gate or a person said no. `reasons` name the rules and who may change them."""

    cure_text = "do something else; `watchkeeper explain` tells more"


class Killed(NotAllowed):
    """A stop stands in the way."""

    cure_text = "do nothing more until a captain lifts it"


class Vetoed(NotAllowed):
    """A captain took it back. Where `ran` is true, what was done is to be undone."""

    cure_text = "undo what was done of it"


class Expired(NotAllowed):
    """Nobody answered in time. That is not a no."""

    cure_text = "propose it anew when somebody is there"


class Replaced(NotAllowed):
    """A person put another version in its place, or it was done already."""

    cure_text = "do not do it; decision.replacement says what stands in its place, where something does"


class Shadowed(NotAllowed):
    """It was decided to learn from, and is not to be done."""

    cure_text = "leave it to whoever did it until now"


class Performed(NotAllowed):
    """The engine does this action itself, so the function did not run."""

    cure_text = "use Client.propose for actions that have a runner"
