"""What was delivered before: Slack may deliver the same thing several times, and so may others."""

import time
from collections import OrderedDict
from typing import Final

_MOST: Final = 20_000


class Seen:
    """Remembers names for a while. The desk remembers too; this saves answering twice."""

    def __init__(self, *, for_s: float | None = None, most: int = _MOST) -> None:
        """`for_s` is how long a name is remembered; `None` for as long as there is room."""
        self._for_s, self._most = for_s, most
        self._names: OrderedDict[str, float] = OrderedDict()

    def first(self, name: str) -> bool:
        """Note a name, and say whether it is new."""
        now_s = time.monotonic()
        if self._for_s is not None:
            while self._names and next(iter(self._names.values())) < now_s - self._for_s:
                self._names.popitem(last=False)
        if name in self._names:
            return False
        self._names[name] = now_s
        if len(self._names) > self._most:
            self._names.popitem(last=False)
        return True

    def forget(self, name: str) -> None:
        """Take a name for new again."""
        self._names.pop(name, None)
