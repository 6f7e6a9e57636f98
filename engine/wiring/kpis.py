"""KPI files, joined to the core: read and checked."""

from pathlib import Path

from engine.adapters.yaml_files import read_yaml
from engine.core.kpis.definitions import Coverage, Kpi
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.core.vocabulary.units import HOUR_US
from engine.settings.kpis import KpiSection, KpisFile
from engine.wiring.policies import SHIPPED_CONFIG

_FILE = "kpis.yaml"


def read_kpis(config: Path) -> tuple[Kpi, ...]:
    """Read the KPIs of a configuration folder; the shipped ones where it has no such file.

    Raises `InputError` and `PolicyError` naming the file, the line and the cure.
    """
    own = config / _FILE
    file = read_yaml(own if own.exists() else SHIPPED_CONFIG / _FILE).checked(KpisFile)
    return tuple(_kpi(section) for section in file.kpis)


def _kpi(section: KpiSection) -> Kpi:
    scope = section.scope
    return Kpi(
        name=section.name,
        kind=section.kind,
        shows=section.shows,
        window_us=section.window_hours * HOUR_US,
        arm=section.arm or "autonomy",
        scope=Coverage(
            agent=AgentId(scope.agent or ""),
            capability=CapabilityId(scope.capability or ""),
            action=ActionName(scope.action or ""),
        ),
        at_least=section.at_least,
        at_most=section.at_most,
        least=section.least,
    )
