"""Windows: sums of the newest steps of time. What is older is let go, so they stay small for ever."""

from msgspec import Struct


class Window(Struct, kw_only=True):
    """Counts by step."""

    step_us: int
    steps: int
    """How many steps count: the one under way and those right before it."""
    by_step: dict[int, list[int]] = {}


def add(window: Window, at_us: int, counts: tuple[int, ...]) -> None:
    """Add to the step in which something happened."""
    step = at_us // window.step_us
    known = window.by_step.get(step)
    if known is not None:
        window.by_step[step] = [one + more for one, more in zip(known, counts, strict=True)]
        return
    by_step = window.by_step
    newest = max(by_step, default=step)
    if step <= newest - window.steps:
        return
    by_step[step] = list(counts)
    for old in [each for each in by_step if each <= max(step, newest) - window.steps]:
        del by_step[old]


def total(window: Window, now_us: int, length: int) -> list[int]:
    """Sum up what lies in the window that ends now; zeros where there is nothing.

    >>> window = Window(step_us=10, steps=2)
    >>> for at_us in (5, 19, 21):
    ...     add(window, at_us, (1, at_us))
    >>> total(window, 25, 2), total(window, 95, 2)
    ([2, 40], [0, 0])
    """
    last = now_us // window.step_us
    found = [0] * length
    for step, counts in window.by_step.items():
        if last - window.steps < step <= last:
            found = [one + more for one, more in zip(found, counts, strict=True)]
    return found
