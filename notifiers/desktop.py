"""A notification on this machine's desktop, by `notify-send`."""

import asyncio
import contextlib
import html
import os
import shutil
from typing import Final

from engine.core.plain_text import shortened
from engine.core.vocabulary.escalations import Severity
from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.wording import text_of, title_of

_DEADLINE_S: Final = 5.0
_TITLE: Final = 120
_TEXT: Final = 600
_URGENCY: Final[dict[Severity, str]] = {"critical": "critical", "warning": "normal", "info": "low"}
_CURE: Final = "install libnotify-bin, and start Watchkeeper within a desktop session; or desktop: null"
# Where the desktop is; nothing else of our environment is the program's business.
_PASSED_ON: Final = (
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "HOME",
    "PATH",
)


class Desktop:
    """The channel `desktop`."""

    name = "desktop"
    capabilities = Capabilities(
        loud=False, personal=False, receipt=False, acknowledge=False, latency_s=30, cost_usd=0
    )

    def __init__(self, *, program: str = "notify-send", deadline_s: float = _DEADLINE_S) -> None:
        """Use this program."""
        self._program, self._deadline_s = program, deadline_s

    async def send(self, message: Message) -> Sent:
        """Have it shown."""
        urgent = message.purpose in {"wake", "again"}
        # Desktops read some markup in the text, so it is escaped; the title is plain for all of them.
        await self._run(
            "--app-name=Watchkeeper",
            f"--urgency={_URGENCY[message.severity] if urgent else 'low'}",
            "--category=im.received",
            "--",
            title_of(message, _TITLE) or "Watchkeeper",
            html.escape(text_of(message, _TEXT), quote=False),
        )
        return Sent(delivery="accepted")

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say."""
        return None

    async def check(self, address: str) -> str:
        """See whether the program is there, and a desktop to show something on."""
        if shutil.which(self._program) is None:
            return f"{self._program} is not installed ({_CURE})"
        if not os.environ.get("DBUS_SESSION_BUS_ADDRESS") and not os.environ.get("XDG_RUNTIME_DIR"):
            return f"there is no desktop session here ({_CURE})"
        return ""

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _run(self, *arguments: str) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
            )
        except (OSError, ValueError) as error:
            raise NotSent(f"{self._program} cannot be started: {error}", kind="setup", cure=_CURE) from error
        try:
            async with asyncio.timeout(self._deadline_s):
                _, said = await process.communicate()
        except TimeoutError as error:
            raise NotSent(f"{self._program} did not end in time", kind="unsure") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            why = shortened(said.decode(errors="replace"), 200) or f"exit status {process.returncode}"
            raise NotSent(f"{self._program} failed: {why}", kind="broken", cure=_CURE)
