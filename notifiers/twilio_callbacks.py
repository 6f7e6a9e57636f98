"""The addresses that Twilio calls us back at, and the proof that it was Twilio who called.

Each notification has a path of its own that nobody can guess: a key made from the token and its id. Every
request bears a signature besides, over the whole address and all fields of its form.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from engine.core.vocabulary.ids import NotificationId

PREFIX: Final = "/v1/twilio"
SMS_PATH: Final = f"{PREFIX}/sms"
"""Where Twilio sends what people write to our number."""
SIGNATURE: Final = "x-twilio-signature"
Step = Literal["voice", "key", "status"]
_PORTS: Final = {"https": 443, "http": 80}


def path_key(token: str, notification: NotificationId | str) -> str:
    """Return the part of a notification's path that nobody can guess: 132 bits, 22 signs."""
    digest = hmac.new(
        token.encode(), f"watchkeeper callback {notification}".encode(), hashlib.sha256
    ).digest()
    return base64.urlsafe_b64encode(digest)[:22].decode()


def is_path_key(token: str, notification: str, key: str) -> bool:
    """Tell whether a path is the notification's own, in a time that does not depend on where it differs."""
    return hmac.compare_digest(path_key(token, notification).encode(), key.encode())


def callback_url(public_url: str, token: str, notification: NotificationId, step: Step) -> str:
    """Return the address at which Twilio finds us for one notification."""
    key = path_key(token, notification)
    return f"{public_url.rstrip('/')}{PREFIX}/{quote(notification, safe='')}/{key}/{step}"


def signature(token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """Sign a request as Twilio does: HMAC-SHA1 over the address and the sorted fields, in Base64.

    A field that comes twice counts once for each of its values. The example is Twilio's own.

    >>> form = {"CallSid": "CA1234567890ABCDE", "Caller": "+12349013030", "Digits": "1234"}
    >>> form |= {"From": "+12349013030", "To": "+18005551212"}
    >>> signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form.items())
    '0/KCTR6DLpKmkAf8muzZqo1nDgQ='
    """
    text = url + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(token.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(token: str, url: str, form: Iterable[tuple[str, str]], given: str) -> bool:
    """Tell whether a signature is the right one for an address that we made ourselves.

    Twilio signs some addresses with the usual port and some without, so either is taken.
    """
    fields = list(form)
    found = [
        hmac.compare_digest(signature(token, each, fields).encode(), given.encode("utf-8", "replace"))
        for each in _spellings(url)
    ]
    return any(found)


def _spellings(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    usual = _PORTS.get(parts.scheme)
    with_usual = urlunsplit(parts._replace(netloc=f"{host}:{usual}"))
    return list(dict.fromkeys([url, urlunsplit(parts._replace(netloc=host)), with_usual]))
