"""A service of GoAlert, by its generic API. One entry there for each escalation here."""

from typing import Final

from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, refused
from notifiers.wording import text_of, title_of

_SUMMARY: Final = 1_024
_DETAILS: Final = 6_000


class GoAlert:
    """The channel `goalert`."""

    name = "goalert"
    capabilities = Capabilities(
        loud=True, personal=False, receipt=False, acknowledge=False, latency_s=30, cost_usd=0
    )

    def __init__(self, url: str, *, token: str, deadline_s: float = DEADLINE_S) -> None:
        """Use the service with this integration key."""
        self._token = token
        self._http = HttpProvider("GoAlert", url, secrets=[token], deadline_s=deadline_s)

    async def send(self, message: Message) -> Sent:
        """Open it, or close it when it is over. All bear the same key, so a second try changes nothing.

        That somebody has it cannot be said there, so nothing is: to open it once more would wake people for
        what they may have closed.
        """
        if message.purpose == "told":
            return Sent(delivery="accepted", ref=message.escalation_id)
        table = {
            "summary": title_of(message, _SUMMARY),
            "details": text_of(message, _DETAILS),
            "dedup": message.escalation_id,
        }
        if message.purpose == "over":
            table["action"] = "close"
        answer = await self._http.call(
            "POST", "/api/v2/generic/incoming", query={"token": self._token}, table=table
        )
        if not answer.ok:
            raise _refusal(answer)
        return Sent(delivery="accepted", ref=message.escalation_id)

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say, and nobody needs to: a second try joins the first."""
        return None

    async def check(self, address: str) -> str:
        """See whether GoAlert is well; to try the key would open something."""
        answer = await self._http.call("GET", "/health")
        return "" if answer.ok else str(_refusal(answer))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def _refusal(answer: Answer) -> NotSent:
    return refused(answer, cure="see goalert-token, and url in channels.yaml")
