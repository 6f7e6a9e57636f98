"""What Twilio refuses, with its codes."""

from typing import Final

import msgspec

from simulator.fakes.fake_twilio.wire import Reply

MESSAGES: Final = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    21201: "No 'To' number is specified",
    21205: "Url is not a valid URL",
    21210: "The source phone number provided is not yet verified for your account",
    21211: "The 'To' number is not a valid phone number",
    21602: "Message body is required",
    21603: "A 'From' phone number is required",
    21606: "The 'From' phone number is not a valid, SMS-capable Twilio phone number",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
}


class Refused(Exception):
    """A request that Twilio does not do."""

    def __init__(self, code: int, status: int = 400, *, retry_after: str = "") -> None:
        super().__init__(code)
        self.code, self.status, self.retry_after = code, status, retry_after

    def reply(self) -> Reply:
        """Write it as the API does."""
        body = {
            "code": self.code,
            "message": MESSAGES.get(self.code, "refused"),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        headers = (("Retry-After", self.retry_after),) if self.retry_after else ()
        return Reply(status=self.status, body=msgspec.json.encode(body), headers=headers)
