"""`ladders.yaml`: how people are woken."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from engine.core.vocabulary.escalations import EscalationKind, Failsafe, Severity
from engine.runtime.crontab import crontab
from engine.settings.base import Settings
from engine.settings.times import Zone

LadderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
_Target = Annotated[str, StringConstraints(pattern=r"^((role|on-call):)?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Pattern = Annotated[str, StringConstraints(pattern=r"^[\w.:/@*?\[\]!-]{1,120}$")]


def _listed(value: object) -> object:
    """Let one thing stand for a list of it."""
    return [value] if isinstance(value, str) else value


def _wait(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        raise ValueError(f"a wait of {value} gives nobody time to answer; write seconds, such as 120")
    return value


_Wait = Annotated[float, BeforeValidator(_wait), Field(strict=True, ge=0.01, le=7 * 86_400)]


class RungSection(Settings):
    """One way to reach people."""

    to: Annotated[tuple[_Target, ...], BeforeValidator(_listed), Field(max_length=50)] = ()
    by: Annotated[tuple[ChannelName, ...], BeforeValidator(_listed), Field(max_length=20)] = ()
    post: Annotated[tuple[ChannelName, ...], BeforeValidator(_listed), Field(max_length=20)] = ()
    wait_s: _Wait
    repeat: Annotated[int, Field(strict=True, ge=0, le=100)] = 0

    @model_validator(mode="after")
    def _reaches(self) -> Self:
        if self.to and not self.by:
            raise ValueError(f"it says who ({', '.join(self.to)}), but not how; add by, such as `by: [sms]`")
        if self.by and not self.to:
            raise ValueError(
                f"it says how ({', '.join(self.by)}), but not who; add to, such as `to: [role:captain]`"
            )
        if not self.by and not self.post:
            raise ValueError("it reaches nobody; add to and by, or post")
        return self


class LadderSection(Settings):
    """One ladder. What is left out is as `defaults` say."""

    rungs: Annotated[tuple[RungSection, ...], Field(min_length=1, max_length=50)]
    rounds: Annotated[int, Field(strict=True, ge=1, le=100)] | None = None
    then: LadderName | None = None
    failsafe: Failsafe | None = None
    ask_again_s: _Wait | None = None
    answer_s: _Wait | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.then is not None and self.failsafe is not None:
            raise ValueError(
                f"after it comes {self.then}, so its own failsafe is never reached; leave out one of the two"
            )
        return self


class DefaultsSection(Settings):
    """What holds for every ladder that says nothing else."""

    rounds: Annotated[int, Field(strict=True, ge=1, le=100)] = 3
    failsafe: Failsafe = "hold"
    ask_again_s: _Wait = 900.0
    answer_s: _Wait = 300.0


class RouteSection(Settings):
    """Which escalations climb which ladder."""

    kind: Annotated[tuple[EscalationKind, ...], BeforeValidator(_listed)] = ()
    severity: Annotated[tuple[Severity, ...], BeforeValidator(_listed)] = ()
    capability: _Pattern = "*"
    action: _Pattern = "*"
    ladder: LadderName
    counts_as: Severity | None = None


class StormSection(Settings):
    """When many become one."""

    more_than: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 10
    within_s: _Wait = 60.0


class GroupingSection(Settings):
    """What counts as one."""

    settle_s: Annotated[float, Field(strict=True, ge=0, le=7 * 86_400)] = 300.0
    storm: StormSection = StormSection()


class EngineAwaySection(Settings):
    """What is done when the engine itself does not answer."""

    after_s: Annotated[float, Field(strict=True, ge=5, le=86_400)] = 30.0
    ladder: LadderName | None = None
    """Climbed over and over until it answers; `None`: what `otherwise` says."""


def _cron(value: object) -> object:
    try:
        crontab(value if isinstance(value, str) else "", "UTC")
    except (ValueError, LookupError):
        raise ValueError(
            f"{value!r} is no schedule; write minute, hour, day, month and weekday, such as '0 10 1 * *'"
        ) from None
    return value


class DrillSection(Settings):
    """A drill that comes round by itself."""

    ladder: LadderName
    cron: Annotated[str, BeforeValidator(_cron), Field(strict=True, max_length=100)]
    """Minute, hour, day, month and weekday, as `crontab` reads them."""
    zone: Zone = "UTC"


class LaddersFile(Settings):
    """`ladders.yaml`."""

    defaults: DefaultsSection = DefaultsSection()
    ladders: Annotated[dict[LadderName, LadderSection], Field(min_length=1, max_length=200)]
    routes: Annotated[tuple[RouteSection, ...], Field(max_length=500)] = ()
    otherwise: LadderName
    grouping: GroupingSection = GroupingSection()
    engine_away: EngineAwaySection = EngineAwaySection()
    drills: Annotated[tuple[DrillSection, ...], Field(max_length=50)] = ()
