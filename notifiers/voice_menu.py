"""The menu of a call: from what was pressed, and where, to what is said and what is wished.

Answered is not acknowledged: a voicemail answers, too, and so does a hand in its sleep. Only a key counts.
"""

from typing import Final, Literal

from msgspec import Struct

from notifiers.channel import Message, Word
from notifiers.spoken_text import REPEAT, for_voicemail, offered, spoken
from notifiers.twiml import Asked, Voice, asking, spoken_once

State = Literal["menu", "sure"]
"""Where a call is. `sure`: a second key is waited for before all autonomy is stopped."""
STATES: Final[tuple[State, ...]] = ("menu", "sure")

STOP_KEY: Final = "9"
"""The key that stops all autonomy, in every menu."""
_WAIT_S: Final = 8
_GOODBYE: Final = ("Nothing was pressed, so nobody has it. Goodbye.",)
_AGAIN: Final = frozenset({REPEAT, "*"})


class Turn(Struct, frozen=True, kw_only=True):
    """What happens next in a call."""

    asked: tuple[Asked, ...]
    """Empty when the call ends."""
    closing: tuple[str, ...]
    """What is said at the end, or when no key comes."""
    state: State = "menu"
    """Where the next key is pressed."""
    wish: Word | None = None
    """What the person wants done first. What is said then is for `after` to say."""


def opening(message: Message) -> Turn:
    """Begin a call that somebody answered, a voicemail that was not known for one perhaps."""
    if not message.choices:
        return Turn(asked=(), closing=(*spoken(message), "Goodbye."))
    return _menu(message, spoken(message))


def voicemail(message: Message) -> Turn:
    """Leave a message on a machine."""
    return Turn(asked=(), closing=for_voicemail(message))


def pressed(message: Message, digits: str, state: State) -> Turn:
    """Take a key. One that is not offered says so, and changes nothing."""
    choice = next((each for each in message.choices if each.digit == digits), None)
    if state == "sure":
        if choice is not None and choice.word == "stop":
            return Turn(asked=(), closing=(), wish="stop")
        return _menu(message, ("Nothing was stopped.",))
    if digits in _AGAIN:
        return opening(message)
    if choice is None:
        return _menu(message, ("That key does nothing here.",))
    if choice.word == "stop":
        return sure(choice.digit)
    return Turn(asked=(), closing=(), wish=choice.word)


def sure(digit: str = STOP_KEY) -> Turn:
    """Have the key pressed again that stops all autonomy."""
    say = f"Press {digit} again to stop all autonomy. Any other key goes back."
    return Turn(
        asked=(Asked(say=(say,), wait_s=_WAIT_S),),
        closing=("Nothing was stopped. Goodbye.",),
        state="sure",
    )


def engine_away(said: tuple[str, ...]) -> Turn:
    """Say what can be done while the engine does not answer."""
    keys = f"Press {STOP_KEY} to stop all autonomy, or any other key to try again."
    asked = Asked(say=(*said, keys), wait_s=_WAIT_S)
    return Turn(asked=(asked, asked), closing=("Nothing was done. Goodbye.",))


def after(message: Message, wish: Word, said: str) -> Turn:
    """Say what came of a wish. Who has it now may still want to decide; every other wish ends the call."""
    others = tuple(choice for choice in message.choices if choice.word in {"approve", "deny", "stop"})
    if wish != "acknowledge" or not others:
        return Turn(asked=(), closing=(said, "Goodbye."))
    return Turn(
        asked=(Asked(say=(said, "You can hang up now.", *offered(others)), wait_s=_WAIT_S),),
        closing=("Goodbye.",),
    )


def failed(message: Message, said: str) -> Turn:
    """Say that a wish could not be fulfilled, and ask for another key."""
    return _menu(message, (said, "Nothing was done."))


def over() -> Turn:
    """Tell somebody who answered too late."""
    return Turn(asked=(), closing=("This is Watchkeeper. What you were called for is over. Goodbye.",))


def twiml(turn: Turn, voice: Voice, *, action: str) -> str:
    """Write it for Twilio; `action` is where the next key is sent."""
    if not turn.asked:
        return spoken_once(voice, turn.closing)
    return asking(voice, turn.asked, action=action, closing=turn.closing)


def _menu(message: Message, first: tuple[str, ...]) -> Turn:
    keys = offered(message.choices)
    return Turn(
        asked=(
            Asked(say=(*first, *keys), wait_s=_WAIT_S),
            Asked(say=("Are you there?", *keys), wait_s=_WAIT_S),
        ),
        closing=_GOODBYE,
    )
