"""Messages as the pager hands them to channels."""

from msgspec import structs

from engine.core.vocabulary.ids import EscalationId, NotificationId, PersonId
from notifiers.channel import Choice, Message

ESCALATION = EscalationId("e_288ca454f1551b4")
CHOICES = (
    Choice(word="acknowledge", label="I have it", digit="1"),
    Choice(word="approve", label="Approve", digit="2"),
    Choice(word="deny", label="Deny", digit="3"),
    Choice(word="pass", label="Next person", digit="5"),
    Choice(word="stop", label="Stop everything", digit="9"),
)

# Everything an agent would like a reader to see, click, or be pinged by.
HOSTILE = (
    "@everyone <!channel> <@123456789012345678> <https://evil.example|see> [it](https://evil.example) **b** "
    "\x1b[2J\a\u202etxt.exe\u2066 <b>html</b> &amp; `x` ```y``` \r\nBcc: evil@example.com\r\n\r\nbody\x00 "
    "\ud800 "
    "{{7*7}} 'quote' \"double\" ; rm -rf / $(id) `id` %0d%0a"
)


def message(address: str = "", **changes: object) -> Message:
    """Make one that wakes somebody, changed as asked."""
    usual = Message(
        notification_id=NotificationId(f"{ESCALATION}.3"),
        escalation_id=ESCALATION,
        attempt=1,
        person=PersonId("" if not address else "ana"),
        address=address,
        purpose="wake",
        severity="warning",
        code="4711",
        title="Restart the database?",
        lines=("It does not answer since 02:10.", "In 10 minutes it is held."),
        about="d_0123456789abcdef",
        sent_us=1_795_737_600_000_000,
        choices=CHOICES,
        link="https://watch.example.com/a/0123456789abcdef",
        thread=ESCALATION,
    )
    return structs.replace(usual, **changes)
