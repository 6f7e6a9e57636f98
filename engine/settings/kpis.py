"""`kpis.yaml`: the figures people judge autonomy by."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.core.kpis.definitions import BY_ARM, COMPARED, Kind
from engine.settings.base import Count, Name, Settings

_Title = Annotated[str, StringConstraints(pattern=r"^\S(.{0,58}\S)?$")]
_Target = Annotated[float, Field(strict=True, ge=-1, le=1_000_000)]
_DAY_H = 24
_LONG_H = 14 * _DAY_H


class ScopeSection(Settings):
    """What a KPI is about; without a part, about everything."""

    agent: Name | None = None
    capability: (
        Annotated[
            str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}(@[A-Za-z0-9][\w.-]{0,49})?$")
        ]
        | None
    ) = None
    action: Name | None = None


class KpiSection(Settings):
    """One KPI."""

    name: _Title
    kind: Kind
    shows: Annotated[str, StringConstraints(pattern=r"^\S(.{0,198}\S)?$")]
    arm: Literal["autonomy", "allowed", "incumbent"] | None = None
    scope: ScopeSection = ScopeSection()
    window_hours: Annotated[int, Field(strict=True, ge=1, le=366 * _DAY_H)]
    at_least: _Target | None = None
    at_most: _Target | None = None
    least: Annotated[Count, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        name, kind = self.name, self.kind
        if self.window_hours > _LONG_H and self.window_hours % _DAY_H:
            whole = self.window_hours // _DAY_H * _DAY_H
            raise ValueError(f"{name}: over {_LONG_H} hours a window has whole days: give {whole}")
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{name}: give at_least or at_most, one of the two")
        if self.arm is not None and kind not in BY_ARM:
            raise ValueError(f"{name}: a KPI of kind {kind} has no arm: remove it")
        if self.arm == "incumbent" and kind == "cost_per_decision":
            raise ValueError(f"{name}: nobody says what the incumbent's work costs: take autonomy or allowed")
        if kind in COMPARED and (self.scope.agent or self.scope.action):
            raise ValueError(
                f"{name}: rollouts compare whole episodes of a capability: leave only capability in its scope"
            )
        lowest, highest = {"cost_per_decision": (0.0, 1e6), "value": (-1.0, 1.0)}.get(kind, (0.0, 1.0))
        target = self.at_least if self.at_least is not None else self.at_most
        if target is not None and not lowest <= target <= highest:
            raise ValueError(f"{name}: a target of kind {kind} lies from {lowest:g} to {highest:,.0f}")
        return self


class KpisFile(Settings):
    """`kpis.yaml`."""

    kpis: Annotated[tuple[KpiSection, ...], Field(max_length=50)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [kpi.name for kpi in self.kpis]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"kpis: {name} stands twice; give each a name of its own")
        return self
