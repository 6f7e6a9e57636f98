"""E-mail against a real mail server, with a certificate of its own."""

import asyncio
import email
import email.policy
import shutil
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from notifiers.channel import NotSent
from notifiers.mail import Mail
from tests.needs import need
from tests.notifiers.messages import ESCALATION, HOSTILE, message

pytestmark = pytest.mark.asyncio
USER, PASSWORD = "watchkeeper", "sesame"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for localhost."""
    need(shutil.which("openssl"), "openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(make, check=True, capture_output=True)
    return folder


class Mailbox:
    """Takes mail, unless told otherwise. The server calls it by the names that its verbs have."""

    def __init__(self):
        self.mails, self.recipients, self.answers, self.hangs_at = [], [], {}, None

    async def _said(self, verb):
        if self.hangs_at == verb:
            await asyncio.Event().wait()
        return self.answers.get(verb)

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - the library names it
        if said := await self._said("MAIL"):
            return said
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - the library names it
        self.recipients.append(address)
        if said := await self._said("RCPT"):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802 - the library names it
        await self._said("QUIT")
        return "221 Bye"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - the library names it
        if said := await self._said("DATA"):
            return said
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.SMTP))
        return "250 taken"


@asynccontextmanager
async def mailing(
    certificate, *, security="starttls", offers_tls=True, password=PASSWORD, deadline_s=30.0, trusted=True
):
    """Run a mail server, and give its mailbox and our channel to it."""
    box = Mailbox()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def sign_in(server, session, envelope, mechanism, data):
        return AuthResult(
            success=data.login == USER.encode() and data.password == PASSWORD.encode(), handled=False
        )

    def talk():
        return SMTP(
            box, hostname="localhost", tls_context=context if offers_tls and security == "starttls" else None,
            require_starttls=offers_tls and security == "starttls", authenticator=sign_in,
            auth_require_tls=security != "tls", enable_SMTPUTF8=False,
        )  # fmt: skip

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        talk, "localhost", 0, family=socket.AF_INET, ssl=context if security == "tls" else None
    )
    channel = Mail(
        host="localhost", port=server.sockets[0].getsockname()[1], security=security,
        sender="watchkeeper@example.com", username="" if security == "none" else USER, password=password,
        authorities=certificate / "cert.pem" if trusted else None, deadline_s=deadline_s,
    )  # fmt: skip
    try:
        yield box, channel
    finally:
        server.close()


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
async def test_a_mail_arrives_with_all_that_it_says(certificate, security):
    async with mailing(certificate, security=security) as (box, channel):
        sent = await channel.send(message("ana@example.com", severity="critical"))
        mail = box.mails[0]
        assert sent.delivery == "accepted"
        assert sent.ref == mail["Message-ID"] == f"<{ESCALATION}.3@example.com>"
        assert (mail["To"], mail["From"]) == ("ana@example.com", "watchkeeper@example.com")
        assert mail["Subject"] == "Restart the database?"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Importance"] == "high"
        text = mail.get_content()
        for line in (*message().lines, message().link, "4711"):
            assert line in text
        assert mail.get_content_type() == "text/plain"


async def test_every_mail_of_an_escalation_answers_one_thread_and_a_second_try_is_the_same_mail(certificate):
    async with mailing(certificate) as (box, channel):
        await channel.send(message("ana@example.com"))
        await channel.send(message("ana@example.com", attempt=2))
        await channel.send(message("ana@example.com", notification_id=f"{ESCALATION}.4", purpose="over"))
        root = f"<{ESCALATION}@example.com>"
        assert (
            [mail["In-Reply-To"] for mail in box.mails]
            == [mail["References"] for mail in box.mails]
            == [root] * 3
        )
        first, second, third = (mail["Message-ID"] for mail in box.mails)
        assert first == second != third


async def test_nothing_an_agent_writes_becomes_a_header_or_a_recipient(certificate):
    async with mailing(certificate) as (box, channel):
        await channel.send(message("ana@example.com", title=HOSTILE, lines=(HOSTILE, ".", "..x")))
        mail = box.mails[0]
        assert "Bcc" not in mail
        assert box.recipients == ["ana@example.com"]
        assert set(mail.keys()) <= {
            "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
            "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
        }  # fmt: skip
        assert "Bcc: evil@example.com" in mail["Subject"]


@pytest.mark.parametrize(
    "address",
    ["", "ana", "ana@", "@example.com", "a b@example.com", "ana@example.com\r\nRCPT TO:<evil@example.com>",
     "ana@example.com, evil@example.com", "<ana@example.com>", "ü@example.com", ".a@example.com",
     "a@b@c", HOSTILE],
)  # fmt: skip
async def test_what_is_no_address_is_told_without_asking_the_server(certificate, address):
    async with mailing(certificate) as (box, channel):
        with pytest.raises(NotSent) as wrong:
            await channel.send(message(address))
        assert wrong.value.kind == "address"
        assert box.recipients == []


async def test_a_server_without_starttls_is_given_neither_password_nor_mail(certificate):
    async with mailing(certificate, offers_tls=False) as (box, channel):
        with pytest.raises(NotSent) as refused:
            await channel.send(message("ana@example.com"))
        assert refused.value.kind == "setup"
        assert box.mails == []


async def test_a_server_with_a_strange_certificate_is_given_neither(certificate):
    for security in ("starttls", "tls"):
        async with mailing(certificate, security=security, trusted=False) as (box, channel):
            with pytest.raises(NotSent) as refused:
                await channel.send(message("ana@example.com"))
            assert refused.value.kind == "setup"
            assert "certificate" in str(refused.value)
            assert box.recipients == []


async def test_a_server_that_lets_nobody_sign_in_is_a_fault_of_the_setup(certificate):
    async with mailing(certificate, security="none") as (_, channel):
        channel._username = USER
        with pytest.raises(NotSent) as refused:
            await channel.send(message("ana@example.com"))
        assert refused.value.kind == "setup"


async def test_a_wrong_password_is_a_fault_of_the_setup_and_is_not_shown(certificate):
    async with mailing(certificate, password="hunter2") as (_, channel):
        with pytest.raises(NotSent) as refused:
            await channel.send(message("ana@example.com"))
        assert refused.value.kind == "setup"
        assert "hunter2" not in str(refused.value)
        assert "hunter2" not in await channel.check("")


@pytest.mark.parametrize(
    ("verb", "answer", "kind"),
    [
        ("MAIL", "550 no such sender", "setup"),
        ("MAIL", "451 later", "busy"),
        ("RCPT", "550 no such person", "address"),
        ("RCPT", "450 greylisted", "busy"),
        ("DATA", "554 no", "setup"),
        ("DATA", "452 full", "busy"),
    ],
)
async def test_each_refusal_is_told_for_what_it_is(certificate, verb, answer, kind):
    async with mailing(certificate) as (box, channel):
        box.answers[verb] = answer
        with pytest.raises(NotSent) as refused:
            await channel.send(message("ana@example.com"))
        assert refused.value.kind == kind
        box.answers.clear()
        assert (await channel.send(message("ana@example.com"))).delivery == "accepted"


@pytest.mark.parametrize(("verb", "kind"), [("MAIL", "broken"), ("RCPT", "broken"), ("DATA", "unsure")])
async def test_a_server_that_hangs_costs_the_deadline_and_is_unsure_only_after_the_mail(
    certificate, verb, kind
):
    async with mailing(certificate, deadline_s=1.0) as (box, channel):
        box.hangs_at = verb
        with pytest.raises(NotSent) as late:
            await channel.send(message("ana@example.com"))
        assert late.value.kind == kind


@pytest.mark.parametrize(
    "says",
    [b"", b"\x00\xff\xfe\r\n", b"554 go away\r\n", b"220 hi\r\n250 what\r\n" * 3, b"220 " + b"x" * 100_000],
)
async def test_what_is_no_mail_server_is_broken_or_a_fault_of_the_setup(certificate, says):
    async def talk(reader, writer):
        writer.write(says)
        writer.close()

    server = await asyncio.start_server(talk, "localhost", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    channel = Mail(host="localhost", port=port, security="starttls", sender="w@example.com", deadline_s=2.0)
    with pytest.raises(NotSent) as failed:
        await channel.send(message("ana@example.com"))
    assert failed.value.kind in {"broken", "setup"}
    server.close()
    with pytest.raises(NotSent) as failed:
        await channel.send(message("ana@example.com"))
    assert failed.value.kind == "broken"


async def test_checking_sends_nothing_and_finds_an_address_the_server_refuses(certificate):
    async with mailing(certificate) as (box, channel):
        assert await channel.check("") == await channel.check("ana@example.com") == ""
        box.answers["RCPT"] = "550 no such person"
        assert "no such person" in await channel.check("ana@example.com")
        assert box.mails == []
        assert await channel.reconcile(message("ana@example.com")) is None


async def test_a_mail_that_was_taken_is_sent_even_where_the_farewell_hangs(certificate):
    async with mailing(certificate, deadline_s=1.5) as (box, channel):
        box.hangs_at = "QUIT"
        assert (await channel.send(message("ana@example.com"))).delivery == "accepted"
        assert len(box.mails) == 1
