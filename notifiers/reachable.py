"""What can be wrong with a phone number, or with the account that is to reach it, without ringing anybody."""

import re
from typing import Final, Literal

from notifiers.channel import NotSent
from notifiers.twilio_client import Account, Number, Numbers, Seen, TwilioClient
from notifiers.twilio_errors import why_failed

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_CURE: Final = "write it with + and the code of its country, such as +15551234567"


def number_faults(address: str) -> str:
    """Say what is wrong with the form of a number; empty when nothing is.

    >>> number_faults("+4915112345678")
    ''
    """
    return "" if _NUMBER.fullmatch(address) else f"{address!r} is no phone number: {_CURE}"


def check_number(address: str) -> None:
    """Raise `NotSent` for what is no number, before anybody is asked to ring it."""
    if number_faults(address):
        raise NotSent("this is no phone number", kind="address", place=repr(address), cure=_CURE)


def last_failure(seen: tuple[Seen, ...], what: str) -> str:
    """Say that the last one to a number failed; empty when it did not, or there was none."""
    if not seen or seen[0].status not in {"failed", "undelivered"}:
        return ""
    why = why_failed(str(seen[0].error_code or ""))
    return f"the last {what} to it failed" + (f" ({why})" if why else "")


async def account_faults(client: TwilioClient, means: Literal["voice", "sms"], *, inbound: str = "") -> str:
    """Say what is wrong with the account or our number; empty when nothing was found.

    `inbound` is where answers by SMS must be sent to. Raises `NotSent` when nobody can say.
    """
    try:
        account, _ = await client.get("", Account)
    except NotSent as error:
        if error.kind == "setup":
            return str(error)
        raise
    if account.status not in {None, "active"}:
        return f"the account is {account.status}: see the Twilio Console"
    ours = client.section.from_number
    found, _ = await client.get("IncomingPhoneNumbers", Numbers, PhoneNumber=ours)
    number = next((each for each in found.incoming_phone_numbers if each.phone_number == ours), None)
    if number is None:
        return await _not_ours(client, ours, means)
    return _number_faults(number, ours, means, inbound)


async def _not_ours(client: TwilioClient, ours: str, means: str) -> str:
    """Calls may come from a number that the account only proved to own; SMS may not."""
    if means == "voice":
        proved, _ = await client.get("OutgoingCallerIds", Numbers, PhoneNumber=ours)
        if any(each.phone_number == ours for each in proved.outgoing_caller_ids):
            return ""
    return f"from_number {ours} is no number of this account: buy one in the Twilio Console, or correct it"


def _number_faults(number: Number, ours: str, means: str, inbound: str) -> str:
    if number.capabilities is not None and not number.capabilities.get(means, True):
        does = "call" if means == "voice" else "send SMS"
        return f"from_number {ours} cannot {does}: choose one that can"
    if inbound and number.sms_url != inbound:
        where = number.sms_url or "nowhere"
        return f"answers by SMS go to {where}: set A MESSAGE COMES IN of {ours} to {inbound}"
    return ""
