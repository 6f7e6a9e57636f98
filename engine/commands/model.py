"""What passes over the desk: who asks, and what the answer is, with nothing of any platform in it."""

from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from engine.core.vocabulary.ids import DecisionId, EpisodeId, PersonId
from engine.core.vocabulary.people_facts import Role

Front = Literal["discord", "slack", "terminal", "web"]
"""Where people talk to us."""

Tone = Literal["plain", "good", "warning", "danger"]
"""How an answer should look: a colour, an icon. It carries no meaning that its words do not."""

Outcome = Literal["done", "refused", "forbidden", "failed", "asks"]
"""What became of a command. `refused`: it is wrong, or things stand otherwise. `forbidden`: whoever asks may
not. `failed`: something we need does not answer. `asks`: it waits for a confirmation."""


class Account(Struct, frozen=True, kw_only=True):
    """Somebody's identity at one front-end."""

    front: Front
    account_id: str
    """The platform's own id, never a name: names can be changed and taken."""
    name: str = ""
    """What the platform calls them, to be shown and nothing else."""
    person: PersonId | None = None
    """Whom the front-end has recognised by a token; `None` where links say who it is."""
    role: Role | None = None
    """The role of that token."""


class Asker(Struct, frozen=True, kw_only=True):
    """A person we know, at a front-end."""

    person: PersonId
    role: Role
    account: Account
    stepped_up: bool = False
    """Whether they gave a one-time code with this very command."""


class Confirm(Struct, frozen=True, kw_only=True):
    """A question to be answered before a button does anything."""

    title: str
    text: str
    """What exactly will happen."""
    yes: str
    """What the button that does it says."""
    instead: str = ""
    """What is done on yes, where that is bound to what was shown; empty does what was said."""


class Button(Struct, frozen=True, kw_only=True):
    """Something to press: a command, ready to be given."""

    label: str
    line: str
    """The command, as somebody would type it."""
    style: Literal["plain", "good", "danger"] = "plain"
    asks: str = ""
    """The reason is asked for under this label, and put behind the command; empty asks nothing."""
    confirm: Confirm | None = None
    """`None` acts at once."""


class Table(Struct, frozen=True, kw_only=True):
    """Rows under names, for where columns can be shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Reply(Struct, frozen=True, kw_only=True):
    """An answer, complete and the same on every front-end. All of it is plain text: front-ends escape it."""

    title: str
    outcome: Outcome = "done"
    tone: Tone = "plain"
    text: str = ""
    """Sentences, a paragraph each line."""
    fields: tuple[tuple[str, str], ...] = ()
    """Names and values."""
    table: Table | None = None
    buttons: tuple[Button, ...] = ()
    footer: str = ""
    instead: bool = False
    """Whether it takes the place of the message whose button was pressed: that one is out of date."""
    private: bool = True
    """Whether only whoever asked should see it. What concerns everybody is told by the board anyway."""
    hands_over: bool = False
    """Whether it is there to hand a secret of theirs to whoever asked; then none is taken out of it."""
    about: DecisionId | None = None
    """The decision it shows, so that a front-end can keep it up to date."""
    episode: EpisodeId = EpisodeId("")
    """What belongs together: one thread each; empty stands alone."""
    file: Path | None = None
    """A file to send along, or to say the path of."""
    job: str = ""
    """A replay that goes on; its progress is `replay status` of this name."""


LINE_MOST: Final = 4_000
"""The longest command anybody may type, in letters."""
