"""The addresses of hosts, looked up so that one name nobody answers for holds up no other.

The usual way shares a handful of threads among all: when the name servers of one provider are gone, its
look-ups fill them, and nobody finds the others either. Here a name has a thread of its own while it is looked
up, and where that fails or takes long, what was found before is used: addresses change less often than name
servers fail.
"""

import asyncio
import contextlib
import socket
import threading
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

_FRESH_S: Final = 60.0
"""How long what was found is used without asking again."""
_PATIENCE_S: Final = 1.5
"""How long a look-up may take where an earlier answer is at hand."""


class _Found(Struct, frozen=True):
    """What was found, and when."""

    addresses: tuple[str, ...]
    at_s: float


class HostAddresses:
    """Looks names up. One for each transport, used from one event loop."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._found: dict[str, _Found] = {}
        self._looking: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def of(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a host, the best first. Raises `OSError` when nobody knows any."""
        if _is_address(host):
            return (host,)
        now_s = asyncio.get_running_loop().time()
        before = self._found.get(host)
        if before is not None and now_s - before.at_s < _FRESH_S:
            return before.addresses
        looking = self._looking.get(host) or self._look_up(host)
        try:
            async with asyncio.timeout(None if before is None else _PATIENCE_S):
                # Others wait for the same one, and it goes on when nobody does.
                return await asyncio.shield(looking)
        except OSError:
            # A `TimeoutError` is one, too.
            if before is None:
                raise
            return before.addresses

    def _look_up(self, host: str) -> asyncio.Future[tuple[str, ...]]:
        loop = asyncio.get_running_loop()
        looking: asyncio.Future[tuple[str, ...]] = loop.create_future()
        self._looking[host] = looking

        def told(addresses: tuple[str, ...], error: Exception | None) -> None:
            self._looking.pop(host, None)
            if error is None:
                self._found[host] = _Found(addresses, loop.time())
                looking.set_result(addresses)
            else:
                looking.set_exception(error)
                # Nobody may be waiting for it any more.
                looking.exception()

        def look() -> None:
            addresses: tuple[str, ...] = ()
            error: Exception | None = None
            try:
                found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                addresses = tuple(dict.fromkeys(str(info[4][0]) for info in found))
            except (OSError, UnicodeError) as failed:
                error = failed if isinstance(failed, OSError) else OSError(f"{host} is no name: {failed}")
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(told, addresses, error)

        # A daemon: one that hangs keeps no process from ending.
        threading.Thread(target=look, name=f"look-up-{host}", daemon=True).start()
        return looking


def _is_address(host: str) -> bool:
    """Say whether there is nothing to look up.

    >>> _is_address("::1"), _is_address("api.example.com")
    (True, False)
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
