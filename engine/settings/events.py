"""`events.yaml`: what comes in from outside, how it proves where it is from, and what is done about it.

No secret stands in it: each source's is a file in the folder `channels` of the state folder.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.addresses import Url
from engine.settings.base import Count, Name, Seconds, Settings, Usd
from engine.settings.hooks import Capability

_Pointer = Annotated[str, StringConstraints(pattern=r"^(/[^\s{}]{1,200}){1,20}$", max_length=400)]
_Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,80}$")]
_Prefix = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{0,40}$")]
_Text = Annotated[str, Field(strict=True, min_length=1, max_length=500)]
_Value = str | int | float | bool
_Limit = Annotated[float, Field(allow_inf_nan=False)]


class SourceSection(Settings):
    """Where events come from, and how they prove it."""

    scheme: Literal["hmac", "github", "stripe", "standard", "bearer"]
    header: _Header | None = None
    prefix: _Prefix = ""
    encoding: Literal["hex", "base64"] = "hex"
    tolerance_s: Annotated[Seconds, Field(gt=0, le=3_600)] = 300.0
    id: _Pointer | None = None
    id_header: _Header | None = None
    trust: Literal["trusted", "records", "untrusted"] = "untrusted"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.scheme == "hmac") != (self.header is not None):
            raise ValueError(
                "hmac needs `header`, which carries the signature"
                if self.scheme == "hmac"
                else f"{self.scheme} says by itself which header it takes; leave `header` out"
            )
        if self.id is not None and self.id_header is not None:
            raise ValueError("an event has one id: give `id` or `id_header`")
        return self


class FromEvent(Settings):
    """A value that stands in the event."""

    at: _Pointer


class PageSection(Settings):
    """Somebody is woken."""

    severity: Literal["critical", "warning", "info"] = "warning"
    summary: _Text
    about: _Text | None = None


class ProposeSection(Settings):
    """Something is proposed."""

    action: Name
    capability: Capability
    args: dict[Name, FromEvent | _Value] = {}
    confidence: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    cost_usd: Usd = Decimal(0)
    files: Count = 0
    api_calls: Count = 0


class MeasureSection(Settings):
    """A point of a series is noted."""

    series: Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=200)]
    value: FromEvent


class RuleSection(Settings):
    """What is done about which events."""

    name: Name
    source: Name
    type: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    where: dict[_Pointer, _Value | tuple[_Value, ...]] = {}
    page: PageSection | None = None
    propose: ProposeSection | None = None
    measure: MeasureSection | None = None
    resolves: Name | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.page or self.propose or self.measure or self.resolves):
            raise ValueError("it does nothing: give page, propose, measure or resolves")
        return self


class QuerySection(Settings):
    """A question to Prometheus, asked again and again."""

    query: Annotated[str, Field(min_length=1, max_length=4_000)]
    url: Url
    every_s: Annotated[Seconds, Field(ge=5, le=86_400)] = 60.0
    within_s: Annotated[Seconds, Field(ge=0.5, le=60)] = 10.0
    above: _Limit | None = None
    below: _Limit | None = None
    absent: bool = False
    for_s: Annotated[Seconds, Field(ge=0, le=86_400)] = 0.0
    away_after: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 3
    series: Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=200)] | None = None
    page: PageSection | None = None
    propose: ProposeSection | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conditions = (self.above is not None, self.below is not None, self.absent)
        if (self.page or self.propose) and not any(conditions):
            raise ValueError("when? give above, below or absent")
        if any(conditions) and not (self.page or self.propose):
            raise ValueError("what then? give page or propose")
        if not any(conditions) and self.series is None:
            raise ValueError("it does nothing: give a condition, or `series` to note what it answers")
        if self.propose is not None and any(
            isinstance(each, FromEvent) for each in self.propose.args.values()
        ):
            raise ValueError("propose.args: an answer of Prometheus has no fields; write values out")
        return self


class EventsFile(Settings):
    """`events.yaml`."""

    sources: dict[Name, SourceSection]
    rules: tuple[RuleSection, ...]
    queries: dict[Name, QuerySection]

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"rules: two are called {twice[0]!r}")
        for rule in self.rules:
            if rule.source not in self.sources:
                raise ValueError(f"rules: {rule.name} is about {rule.source!r}, which is no source")
            if rule.resolves is not None and not any(
                other.name == rule.resolves and other.page is not None and other.source == rule.source
                for other in self.rules
            ):
                raise ValueError(f"rules: {rule.name} resolves {rule.resolves!r}, which pages nobody")
        return self
