"""What this front answered: how often, with which status, and how long it took."""

from bisect import bisect_left
from typing import Final

from bot.http_api.metric_page import Page

ENDS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""The upper ends of the buckets, in seconds: most answers take milliseconds, those who wait take long."""
ELSEWHERE: Final = "none"
"""The route of what no route answers: addresses are free text, and would fill a monitoring system."""
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class RequestsSeen:
    """Counts answers. Used on the event loop alone."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._answered: dict[tuple[str, str, str], int] = {}
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._sums_s: dict[tuple[str, str], float] = {}

    def saw(self, method: str, route: str | None, status: int, took_s: float) -> None:
        """Count one request; `route` is `None` where none matched, `status` 0 where no answer went out."""
        method, route = method if method in _METHODS else "other", route or ELSEWHERE
        answered, timed = (method, route, str(status)), (method, route)
        self._answered[answered] = self._answered.get(answered, 0) + 1
        if timed not in self._buckets:
            self._buckets[timed] = [0] * (len(ENDS_S) + 1)
        self._buckets[timed][bisect_left(ENDS_S, took_s)] += 1
        self._sums_s[timed] = self._sums_s.get(timed, 0.0) + took_s

    def put(self, page: Page) -> None:
        """Put everything seen into a page."""
        for labels, count in self._answered.items():
            page.put("http_requests_total", count, *labels)
        for timed, buckets in self._buckets.items():
            page.spread("http_request_duration_seconds", ENDS_S, buckets, self._sums_s[timed], *timed)
