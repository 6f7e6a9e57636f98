"""Addresses of servers in settings files: whole, without secrets, and not in the clear where that matters."""

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field


def _address(value: str) -> str:
    """Refuse what is no plain http or https address."""
    try:
        parts = urlsplit(value)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"{value!r} is no address: give https://host/path, without name, password, ? and #; "
            "secrets are files in the state folder"
        )
    return value.rstrip("/")


def _guarded(value: str) -> str:
    """Refuse an address that would carry secrets in the clear, unless they stay on this machine."""
    value = _address(value)
    if not value.startswith("https://") and not on_this_machine(value):
        raise ValueError(f"{value!r} would carry secrets in the clear: give an https address")
    return value


def on_this_machine(address: str) -> bool:
    """Say whether a URL leads to a loopback address.

    >>> on_this_machine("http://127.0.0.1:9093"), on_this_machine("http://alertmanager:9093")
    (True, False)
    """
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_Text = Annotated[str, Field(strict=True, max_length=500)]
Url = Annotated[_Text, AfterValidator(_address)]
"""An address of http or https."""
GuardedUrl = Annotated[_Text, AfterValidator(_guarded)]
"""One of https, or one that never leaves this machine."""
