"""`rollouts.yaml`: what each capability has to show before it gets more authority."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.base import Count, Name, Role, Seconds, Settings

Ratio = Annotated[float, Field(strict=True, gt=1, le=100)]
Share = Annotated[float, Field(strict=True, gt=0, lt=1)]
Version = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}@[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$")
]
Days = Annotated[float, Field(strict=True, ge=0, le=366)]


class SeriesSection(Settings):
    """A measured series that must not go wrong while a candidate acts."""

    series: Annotated[str, Field(min_length=1, max_length=200)]
    above: Annotated[float, Field(strict=True, ge=-1e140, le=1e140)]
    share: Share


class ReplaySection(Settings):
    """What a replay must show."""

    decisions: Count = 200
    most_age_days: Days = 30.0


class ShadowSection(Settings):
    """What shadow must show."""

    days: Days = 7.0
    episodes: Count = 100
    agreement: Share = 0.95
    compare: Literal["action", "arguments"] = "arguments"


class CanarySection(Settings):
    """What each canary stage must show."""

    episodes: Count = 20
    rule_out: tuple[Ratio, Ratio, Ratio] = (4.0, 2.0, 1.25)
    most_failing: Share = 0.2
    false_alarm_span: Annotated[int, Field(strict=True, ge=100, le=10**9)] = 10_000


class PlanSection(Settings):
    """The way up, for one capability or for all."""

    mode: Literal["execute", "recommend"] = "execute"
    automatic: bool = False
    undo_on_rollback: bool = False
    horizon_s: Seconds = 3600.0
    wrong_with_probability: Annotated[float, Field(strict=True, ge=0.0001, le=0.2)] = 0.05
    replay: ReplaySection = ReplaySection()
    shadow: ShadowSection = ShadowSection()
    canary: CanarySection = CanarySection()
    never: tuple[Name, ...] = ()
    guardrails: tuple[SeriesSection, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [guardrail.series for guardrail in self.guardrails]
        if len(names) != len(set(names)):
            raise ValueError("guardrails: each series may stand once")
        ratios = self.canary.rule_out
        if list(ratios) != sorted(ratios, reverse=True):
            raise ValueError(
                f"canary.rule_out is {list(ratios)}: no step may ask for less than the one before it"
            )
        return self


class OwnPlanSection(PlanSection):
    """The plan of one capability: what it does not say is as for all."""

    unit: Annotated[str, StringConstraints(pattern=r"^(episode|argument:[A-Za-z_][A-Za-z0-9_]{0,99})$")] = (
        "episode"
    )


class RolloutsFile(Settings):
    """`rollouts.yaml`."""

    owner: Role = "captain"
    exploration: Annotated[float, Field(strict=True, ge=0, le=0.1)] = 0.0
    established: tuple[Version, ...] = ()
    plan: PlanSection = PlanSection()
    capabilities: dict[Name, OwnPlanSection] = {}

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, told: Any) -> Any:
        """Lay each capability's own words over the plan for all."""
        if not isinstance(told, dict) or not isinstance(told.get("capabilities"), dict):
            return told
        plan = told.get("plan")
        plan = plan if isinstance(plan, dict) else {}
        return told | {
            "capabilities": {
                name: _over(plan, own) if isinstance(own, dict) else own
                for name, own in told["capabilities"].items()
            }
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [version.rpartition("@")[0] for version in self.established]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"established: {name} stands with two versions; one of a capability can be live"
                )
        for name in self.capabilities:
            if "@" in name:
                raise ValueError(f"capabilities: {name} is a version; plans are for all versions of a name")
        return self


def _over(plan: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    laid = dict(plan)
    for key, value in own.items():
        below = laid.get(key)
        laid[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return laid
