"""Calls to Slack: a client that tries again, and what Slack refuses as errors that name the cure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from engine.errors import InputError, Unreachable, WatchkeeperError

_CALL_S: Final = 10
_TRIES: Final = 3
_REFUSED: Final = frozenset(
    "account_inactive invalid_auth not_allowed_token_type not_authed org_login_required token_expired"
    " token_revoked team_access_not_granted".split()
)
"""What Slack says of a token that no further try makes good."""
GONE: Final = frozenset(
    {"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}
)
"""What Slack says of a message that cannot be edited any more."""
OUTSIDE: Final = frozenset(
    {"channel_not_found", "is_archived", "not_in_channel", "restricted_action", "user_not_in_channel"}
)
"""What Slack says where a message cannot go."""


class SlackRefused(WatchkeeperError):
    """Slack refused a call. `word` is what it said."""

    def __init__(self, word: str, message: str, *, cure: str) -> None:
        """Keep Slack's own word for it."""
        self.word = word
        super().__init__(message, cure=cure)


def make_client(token: str | None, api: str) -> AsyncWebClient:
    """Make a client of the Web API that waits when it calls too often, and tries again when Slack fails."""
    return AsyncWebClient(
        token=token,
        base_url=api if api.endswith("/") else f"{api}/",
        timeout=_CALL_S,
        retry_handlers=retries(),
    )


def retries() -> list[AsyncRetryHandler]:
    """Return what decides whether a call is tried again. Slack's library waits for nothing by itself."""
    return [
        AsyncConnectionErrorRetryHandler(max_retry_count=1),
        AsyncRateLimitErrorRetryHandler(max_retry_count=_TRIES),
        AsyncServerErrorRetryHandler(max_retry_count=_TRIES),
    ]


@contextmanager
def slack_errors(doing: str) -> Iterator[None]:
    """Turn what Slack refuses into our errors.

    Raises `InputError` for a refused token, `SlackRefused` for everything else Slack says, and `Unreachable`.
    """
    try:
        yield
    except SlackApiError as refused:
        raise _refusal(refused, doing) from refused
    except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError) as lost:
        raise Unreachable(
            f"Slack does not answer ({doing}): {type(lost).__name__}", cure="see https://slack-status.com"
        ) from lost


def _refusal(refused: SlackApiError, doing: str) -> WatchkeeperError:
    answer: Any = refused.response
    said = answer.data if isinstance(getattr(answer, "data", None), dict) else {}
    status = getattr(answer, "status_code", 0)
    word = str(said.get("error") or f"HTTP {status}")
    if word in _REFUSED:
        return InputError(
            f"Slack refuses the token ({doing}): {word}",
            cure="copy it anew from https://api.slack.com/apps: the bot token (xoxb-) from OAuth & "
            "Permissions, the app token (xapp-) from Basic Information; then watchkeeper doctor slack",
        )
    if not said and status >= 500:
        return Unreachable(f"Slack fails ({doing}): {word}", cure="see https://slack-status.com")
    return SlackRefused(word, f"Slack refuses ({doing}): {word}", cure=_cure(word, said))


def _cure(word: str, said: dict[str, Any]) -> str:
    if word == "missing_scope":
        return (
            f"add the scope {said.get('needed', '')} under OAuth & Permissions and press Reinstall to "
            "Workspace, or paste the manifest again: watchkeeper slack manifest"
        )
    cures = {
        "not_in_channel": "say  /invite @watchkeeper  in the channel",
        "channel_not_found": "is chat.slack.channel its id? A private one needs  /invite @watchkeeper",
        "is_archived": "unarchive the channel, or name another as chat.slack.channel",
        "ratelimited": "it is tried again by itself",
    }
    return cures.get(word, "watchkeeper doctor slack looks for the cause")
