"""The page a scrape gets: samples put in one after the other, families in the order of the table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bot.http_api.metric_table import BY_NAME, METRICS

PLAIN: Final = "text/plain"
OPEN: Final = "application/openmetrics-text"
FORMATS: Final = (PLAIN, OPEN)
"""The media types of a page; the first where whoever asks does not mind."""


class Page:
    """Takes samples. Raises `KeyError` for a metric that the table does not have."""

    def __init__(self) -> None:
        """Begin empty."""
        self._families: dict[str, Metric] = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Put in one sample of a counter or a gauge."""
        family = self._family(name)
        family.add_metric(labels, value)  # type: ignore[attr-defined]  # every family has it, their base has not

    def say(self, name: str, **values: str) -> None:
        """Put in what never changes while it runs, as labels of a metric that is always 1."""
        family = self._family(name)
        family.add_metric((), values)  # type: ignore[attr-defined]  # as above

    def spread(
        self, name: str, ends_s: Sequence[float], buckets: Iterable[int], sum_s: float, *labels: str
    ) -> None:
        """Put in a histogram; the last bucket has what passed every end."""
        seen, found = 0, []
        for end, count in zip((*(f"{end:g}" for end in ends_s), "+Inf"), buckets, strict=True):
            seen += count
            found.append((end, float(seen)))
        family = self._family(name)
        family.add_metric(labels, found, sum_s)  # type: ignore[attr-defined]  # as above

    def families(self) -> list[Metric]:
        """Return what has samples, in the order of the table."""
        return [self._families[metric.name] for metric in METRICS if metric.name in self._families]

    def _family(self, name: str) -> Metric:
        metric = BY_NAME[f"watchkeeper_{name}"]
        family = self._families.get(metric.name)
        if family is None:
            # Without the endings that the library gives samples by itself.
            stem = metric.name.removesuffix("_total").removesuffix("_info")
            family = self._families[metric.name] = _FAMILIES[metric.kind](
                stem, metric.help, labels=metric.labels
            )
        return family


_FAMILIES: Final = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}


class Printer(Collector):
    """Writes pages, with what the system knows of this process behind them."""

    def __init__(self) -> None:
        """Begin with a registry of our own, so that nothing else in this process adds to a page."""
        self._page = Page()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def collect(self) -> Iterator[Metric]:
        """Give the families of the page that is being written."""
        yield from self._page.families()

    def write(self, page: Page, media_type: str) -> tuple[bytes, str]:
        """Return a page as one of the `FORMATS`, and the whole content type."""
        self._page = page
        if media_type == OPEN:
            write: Callable[..., bytes] = openmetrics.generate_latest
            return write(self._registry, version="1.0.0"), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
