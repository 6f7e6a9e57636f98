"""Where an address leads: to somebody else, or back to this machine and what only it may ask."""

import ipaddress
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_OF_THIS_MACHINE: Final = "localhost"


def address_of(text: str) -> _Address:
    """Read an address. One of the old protocol in the clothes of the new one is what it leads to.

    >>> address_of("::ffff:127.0.0.1")
    IPv4Address('127.0.0.1')
    """
    found = ipaddress.ip_address(text.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def leads_back(host: str, address: str) -> bool:
    """Whether a name that is somebody else's leads to this machine, or to where clouds hand out credentials.

    Whoever keeps a name can point it anywhere, also at our own API. `localhost`, and an address that was
    asked for as an address, are meant as they stand.

    >>> leads_back("api.example.org", "127.0.0.1"), leads_back("127.0.0.1", "127.0.0.1")
    (True, False)
    """
    found = address_of(address)
    if host in {address, str(found)} or (host == _OF_THIS_MACHINE and found.is_loopback):
        return False
    return found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast
