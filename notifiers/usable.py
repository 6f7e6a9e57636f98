"""The channels as they can be used: one that is set up wrongly keeps no other from waking somebody."""

from collections.abc import Callable, Iterator

from engine.errors import InputError
from engine.runtime.layout import Layout
from engine.settings.channels import ChannelsFile
from engine.settings.service import ChatSection
from notifiers.channel import Capabilities, Channel, Message, NotSent, Sent
from notifiers.making import make_channels
from notifiers.stating import capabilities_of


class Unusable:
    """A channel that sends nothing, because its settings or its secret are wrong, and says so each time."""

    def __init__(self, name: str, capabilities: Capabilities, wrong: InputError) -> None:
        """Stand in for the channel of this name."""
        self.name, self.capabilities, self._wrong = name, capabilities, wrong

    async def send(self, message: Message) -> Sent:
        """Raise `NotSent`."""
        raise self._not_sent()

    async def reconcile(self, message: Message) -> Sent | None:
        """Raise `NotSent`."""
        raise self._not_sent()

    async def check(self, address: str) -> str:
        """Say what is wrong."""
        return str(self._wrong)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _not_sent(self) -> NotSent:
        wrong = self._wrong
        return NotSent(wrong.message, kind="setup", place=wrong.place, cure=wrong.cure)


def make_usable(
    settings: ChannelsFile, chat: ChatSection, layout: Layout, say: Callable[[str], None]
) -> dict[str, Channel]:
    """Make every channel that is used, each by itself. `say` is told of those that cannot be made."""
    made: dict[str, Channel] = {}
    for alone in _each(settings):
        try:
            made |= make_channels(alone, chat, layout)
        except InputError as wrong:
            broken = {name: Unusable(name, found, wrong) for name, found in capabilities_of(alone).items()}
            say(f"no message goes out by {', '.join(broken)}: {wrong}")
            made |= broken
    return made


def _each(settings: ChannelsFile) -> Iterator[ChannelsFile]:
    """Give the settings of each channel that is used, with no other beside it."""
    sections = [name for name in ChannelsFile.model_fields if name != "public_url"]
    for kept in sections:
        if getattr(settings, kept) is not None:
            yield settings.model_copy(update={name: None for name in sections if name != kept})
