"""Where the API listens: one small file, read by commands that need nothing else of the API."""

import ssl
from pathlib import Path

import msgspec

from engine.adapters.files import storage_errors
from engine.errors import InputError


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API listens, as `http.json` says it."""

    url: str
    host: str
    port: int
    pid: int
    certificate: str = ""
    """The PEM file that it shows who it is with; empty where it does not encrypt."""

    @property
    def here(self) -> str:
        """Where programs on this machine reach it, whatever it is called elsewhere."""
        return f"{'https' if self.certificate else 'http'}://{_shown(self.host)}:{self.port}"

    def trust(self) -> ssl.SSLContext | bool:
        """Return what programs on this machine verify it by: the very certificate, whoever signed it.

        The name in it may be any: it is asked by its address. Raises `InputError` when the file is gone.
        """
        if not self.certificate:
            return True
        try:
            context = ssl.create_default_context(cafile=self.certificate)
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror or error}",
                place=self.certificate,
                cure="put the certificate back where http.tls_certificate says, readable by you",
            ) from error
        context.check_hostname = False
        # One that an authority signed is trusted as it stands, without the authority.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what listens everywhere is reached here


def _shown(host: str) -> str:
    """Write a host as an address has it."""
    host = _ANY.get(host, host)
    return f"[{host}]" if ":" in host else host


def address_of(host: str, port: int, pid: int, *, certificate: str = "", name: str = "") -> Address:
    """Make the address. `name` is what people call the host, where it encrypts under that name.

    >>> address_of("0.0.0.0", 80, 1).url, address_of("::", 443, 1, certificate="c", name="wk.example").url
    ('http://127.0.0.1:80', 'https://wk.example:443')
    """
    made = Address(url="", host=host, port=port, pid=pid, certificate=certificate)
    url = f"https://{name}:{port}" if certificate and name else made.here
    return msgspec.structs.replace(made, url=url)


def read_address(path: Path) -> Address | None:
    """Return the address in a file, or `None` when nothing serves. Raises `InputError` when it is garbled."""
    try:
        with storage_errors(path):
            return msgspec.json.decode(path.read_bytes(), type=Address)
    except msgspec.DecodeError as wrong:
        raise InputError(
            f"is not an address: {wrong}", place=str(path), cure="remove it, and start the front again"
        ) from wrong
    except InputError:
        return None
