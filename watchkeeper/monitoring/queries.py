"""What queries of panels share, and the colours of what they find."""

from typing import Final

# What Grafana fills in is written as it reads it.
HERE: Final = 'instance=~"$instance"'
RATE: Final = "[$__rate_interval]"
YES_NO: Final = ((0, "no", "green"), (1, "yes", "red"))
UP: Final = ((0, "away", "red"), (1, "answers", "green"))
CALM: Final = ((None, "green"), (1.0, "red"))
WAITS: Final = ((None, "green"), (1.0, "orange"))
SHARE: Final = ((None, "green"), (0.8, "orange"), (1.0, "red"))


def quantile(share: float, metric: str, by: str = "") -> str:
    """Ask how long that share of the things in a histogram took at most, seconds, for each label `by`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{HERE}}}{RATE})))"


def ago(metric: str) -> str:
    """Ask how long ago a time was, seconds."""
    return f"time() - {metric}{{{HERE}}}"
