"""E-mail, through a server that takes our mail. Encrypted unless the settings say that it need not be."""

import asyncio
import contextlib
import re
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal

import aiosmtplib
from aiosmtplib import SMTP

from engine.core.plain_text import shortened
from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.wording import lines_of, title_of

_DEADLINE_S: Final = 20.0
_FAREWELL_S: Final = 2.0
_SUBJECT: Final = 200
_CURE: Final = "see email in channels.yaml, and email-password"
# A name of ASCII letters that no mail server has to quote, at a domain or an address in brackets.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.\[\]:-]{1,253}")


class Mail:
    """The channel `email`."""

    name = "email"
    capabilities = Capabilities(
        loud=False, personal=True, receipt=False, acknowledge=False, latency_s=300, cost_usd=0
    )

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: str,
        sender: str,
        username: str = "",
        password: str = "",
        authorities: Path | None = None,
        deadline_s: float = _DEADLINE_S,
    ) -> None:
        """Use this server. `security`: `starttls`, `tls` or `none`; an empty `username` signs in nowhere."""
        self._host, self._port, self._security, self._sender = host, port, security, sender
        self._username, self._password, self._deadline_s = username, password, deadline_s
        self._tls = ssl.create_default_context(cafile=authorities) if security != "none" else None
        self._domain = sender.rpartition("@")[2]

    async def send(self, message: Message) -> Sent:
        """Hand it to the server. Every try bears one Message-ID, by which mailboxes know a second one."""
        recipient = _address(message.address)
        letter = self._letter(message, recipient)
        begun = taken = False
        try:
            async with asyncio.timeout(self._deadline_s):
                server = self._server()
                try:
                    await self._greet(server)
                    await server.mail(self._sender)
                    await server.rcpt(recipient)
                    begun = True
                    await server.data(letter.as_bytes())
                    taken = True
                    await _farewell(server)
                finally:
                    server.close()
        except Exception as error:
            # What ends during the farewell was taken all the same.
            if not taken:
                raise _not_sent(error, begun=begun) from error
        return Sent(delivery="accepted", ref=letter["Message-ID"])

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say: a mail server lists nothing."""
        return None

    async def check(self, address: str) -> str:
        """Greet the server and sign in; with an address, see whether it would take mail for it."""
        try:
            recipient = _address(address) if address else ""
            async with asyncio.timeout(self._deadline_s):
                server = self._server()
                try:
                    await self._greet(server)
                    await server.mail(self._sender)
                    if recipient:
                        await server.rcpt(recipient)
                    await server.rset()
                    await _farewell(server)
                finally:
                    server.close()
        except NotSent as error:
            return str(error)
        except Exception as error:
            found = _not_sent(error, begun=False)
            if found.kind not in {"address", "setup"}:
                raise found from error
            return str(found)
        return ""

    async def close(self) -> None:
        """There is nothing to let go of: each mail has a connection of its own."""

    def _server(self) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls,
            timeout=self._deadline_s,
            local_hostname=self._domain,
        )

    async def _greet(self, server: SMTP) -> None:
        await server.connect()
        if self._username:
            await server.login(self._username, self._password)

    def _letter(self, message: Message, recipient: str) -> EmailMessage:
        # The policy refuses a line break in a header; nothing of ours has one.
        letter = EmailMessage(policy=SMTP_POLICY)
        letter["From"] = self._sender
        letter["To"] = recipient
        letter["Subject"] = title_of(message, _SUBJECT) or "Watchkeeper"
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.sent_us // 1_000_000, UTC))
        letter["Message-ID"] = f"<{_token(message.notification_id)}@{self._domain}>"
        root = f"<{_token(message.escalation_id)}@{self._domain}>"
        letter["In-Reply-To"] = root
        letter["References"] = root
        letter["Auto-Submitted"] = "auto-generated"
        if message.severity == "critical" and message.purpose in {"wake", "again"}:
            letter["Importance"] = "high"
        text = "\n\n".join([title_of(message, _SUBJECT), *lines_of(message)])
        letter.set_content(text.encode(errors="replace").decode() + "\n")
        return letter


async def _farewell(server: SMTP) -> None:
    """Part politely. The mail is taken already, so nothing that happens now is a failure."""
    with contextlib.suppress(TimeoutError, aiosmtplib.SMTPException, OSError):
        await server.quit(timeout=_FAREWELL_S)


def _token(number: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", number)


def _address(address: str) -> str:
    local = address.partition("@")[0]
    if not _ADDRESS.fullmatch(address) or local.startswith(".") or local.endswith(".") or ".." in local:
        raise NotSent(
            f"{address!r} is no e-mail address",
            kind="address",
            cure="give name@example.com, in plain letters, in people.yaml",
        )
    return address


def _not_sent(error: Exception, *, begun: bool) -> NotSent:
    """Tell what a failure means. `begun`: the server had been given the mail, or part of it."""
    said = shortened(str(error) or type(error).__name__, 200)
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else 0
    kind: Literal["address", "setup", "busy", "broken", "unsure"] = "unsure" if begun else "broken"
    what, cure = "the mail server failed", None
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        kind, what, cure = "setup", "the mail server's certificate is no good", _CURE
    elif 400 <= code < 500:
        # Greylisting, for one: it wants the same mail again, later.
        kind, what = "busy", "the mail server asks to wait"
    elif isinstance(error, aiosmtplib.SMTPRecipientRefused):
        kind, what, cure = "address", "the mail server refuses the address", "correct it in people.yaml"
    elif code >= 500:
        kind, what, cure = "setup", "the mail server refuses", _CURE
    elif isinstance(error, TimeoutError):
        what = "the mail server did not answer in time"
    elif isinstance(error, aiosmtplib.SMTPNotSupported) or type(error) is aiosmtplib.SMTPException:
        # The library raises its own base class for no STARTTLS, and for no way to sign in.
        kind, what, cure = "setup", "the mail server cannot do what we need", _CURE
    return NotSent(f"{what}: {said}", kind=kind, cure=cure)
