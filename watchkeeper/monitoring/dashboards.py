"""The dashboards that ship."""

from typing import Final

from watchkeeper.monitoring.health import HEALTH
from watchkeeper.monitoring.overview import OVERVIEW
from watchkeeper.monitoring.panels import Dashboard
from watchkeeper.monitoring.rollouts import ROLLOUTS

DASHBOARDS: Final[tuple[Dashboard, ...]] = (OVERVIEW, ROLLOUTS, HEALTH)
