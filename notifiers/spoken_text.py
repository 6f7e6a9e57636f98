"""What a phone says: who calls, what is asked, why, until when. Sentences, without any markup."""

from typing import Final

from notifiers.channel import Choice, Message, Word
from notifiers.plain_words import harmless

REPEAT: Final = "0"
"""The key that says it again; so does the star."""
_LONGEST_TITLE: Final = 240
_LONGEST_LINE: Final = 200
_MOST_LINES: Final = 4
_DOES: Final[dict[Word, str]] = {
    "acknowledge": "you have it",
    "approve": "approve it",
    "deny": "deny it",
    "pass": "wake the next person",
    "stop": "stop all autonomy",
}


def spoken(message: Message) -> tuple[str, ...]:
    """Return what is said first, a sentence each.

    What others wrote is said to be quoted, so that no "press 2" in it passes for ours.
    """
    said = ["This is Watchkeeper."]
    if message.drill:
        said.append("This is a drill.")
    if message.severity == "critical" and not message.drill:
        said.append("This is critical.")
    opening = {
        "wake": "You are asked. Quote:",
        "again": "You have this, and nothing has moved. Quote:",
        "told": "You need not do anything. Quote:",
        "over": "This is over. Quote:",
    }[message.purpose]
    said.append(_sentence(f"{opening} {harmless(message.title, _LONGEST_TITLE)}"))
    said += [
        _sentence(text) for line in message.lines[:_MOST_LINES] if (text := harmless(line, _LONGEST_LINE))
    ]
    said.append("End of quote.")
    return tuple(said)


def offered(choices: tuple[Choice, ...]) -> tuple[str, ...]:
    """Return what the keys do, a sentence each.

    >>> offered((Choice(word="deny", label="Deny", digit="3"),))
    ('Press 3 to deny it.', 'Press 0 to hear this again.')
    """
    keys = [
        f"Press {choice.digit} {'if' if choice.word == 'acknowledge' else 'to'} {_DOES[choice.word]}."
        for choice in choices
    ]
    return (*keys, f"Press {REPEAT} to hear this again.")


def for_voicemail(message: Message) -> tuple[str, ...]:
    """Return what is left on a machine: short, and that it counts for nothing."""
    drill = ("This is a drill.",) if message.drill else ()
    title = _sentence(f"You were asked: {harmless(message.title, _LONGEST_TITLE)}")
    after = (
        "This message is no answer, so others are called next."
        if message.purpose in {"wake", "again"}
        else "You need not call back."
    )
    return ("This is Watchkeeper.", *drill, title, after)


def _sentence(text: str) -> str:
    bare = text.rstrip()
    return bare if bare.endswith((".", "!", "?")) else bare + "."
