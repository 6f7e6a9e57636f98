"""Sessions: who a browser is logged in as. A link lets in once; what it gives is kept as its hash only."""

from typing import Final

from engine.adapters.machine_time import now_us
from engine.adapters.token_file import Role, TokenFile
from engine.core.vocabulary.units import DAY_US, MINUTE_US
from engine.errors import InputError
from engine.ports import Holder

LOGIN_US: Final = 15 * MINUTE_US
"""How long a login link waits to be used."""
SESSION_US: Final = 7 * DAY_US
"""How long a browser stays logged in."""
LOGIN_PATH: Final = "/login"


class Sessions:
    """Logins and sessions, kept beside the tokens of the HTTP API, and revoked like these."""

    def __init__(self, tokens: TokenFile) -> None:
        """Keep them in this file."""
        self._tokens = tokens

    def invite(self, person: str, role: Role) -> str:
        """Make the key of a login link: it works once, for a quarter of an hour. Raises `InputError`."""
        return self._tokens.create(
            kind="person", name=person, role=role, expires_us=now_us() + LOGIN_US, use="login"
        )[1]

    def invited(self, key: str) -> Holder | None:
        """Return who a login link is for; `None` when it is used, too old or none of ours."""
        return self._tokens.holder_of(key, "login")

    def log_in(self, key: str) -> str | None:
        """Use a login link up and return the session's token; `None` when it is no longer good."""
        holder = self.invited(key)
        if holder is None or holder.role is None:
            return None
        try:
            # Of two who come with the same link one finds it gone.
            self._tokens.revoke(holder.token_id)
        except InputError:
            return None
        return self._tokens.create(
            kind="person",
            name=holder.name,
            role=holder.role,
            expires_us=now_us() + SESSION_US,
            use="session",
        )[1]

    def who(self, session: str) -> Holder | None:
        """Return who a browser is logged in as; `None` for nobody. Raises as `TokenFile.holder_of`."""
        return self._tokens.holder_of(session, "session")

    def log_out(self, holder: Holder) -> None:
        """End a session."""
        try:
            self._tokens.revoke(holder.token_id)
        except InputError:
            return


def login_link(url: str, key: str) -> str:
    """Write the link that lets somebody in.

    >>> login_link("http://127.0.0.1:8080", "wk_a_b")
    'http://127.0.0.1:8080/login?key=wk_a_b'
    """
    return f"{url}{LOGIN_PATH}?key={key}"
