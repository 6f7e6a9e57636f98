"""The mapping of a history of your own: what the YAML file of `--mapping` may say.

Explained with a worked example in `docs/howto/bring-your-own-history.md`.
"""

import string
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from engine.settings.base import Name, Settings
from engine.settings.policy import ActionEntry

Scalar = str | int | float | bool | None
Text = Annotated[str, Field(min_length=1)]


class Part(Settings):
    """A piece of the mapping; Python names differ from YAML's only where YAML's are Python keywords."""

    model_config = ConfigDict(populate_by_name=False)


class Condition(Part):
    """A test of one column: equal to a value, or to one of several, or to none of several."""

    column: Text
    equals: Scalar = None
    one_of: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    not_in: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        _exactly_one(self, ("equals", "one_of", "not_in"), "equals, in or not_in")
        return self


class Value(Part):
    """Where one field comes from: a column, a constant, or a template of columns such as `{app}@{tag}`."""

    column: Text | None = None
    value: Any = None
    template: Text | None = None
    default: Any = None
    """Taken where the column is empty; without it an empty column leaves an optional field out."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        _exactly_one(self, ("column", "value", "template"), "column, value or template")
        if self.template is not None:
            template_columns(self.template)
        return self


class Argument(Value):
    """An argument of a proposal; unlike a field of a fact its type is not known, so it can be told."""

    type: Literal["string", "integer", "number", "boolean", "json", "as_is"] = "as_is"
    """`as_is`: text from a table, whatever type it has in JSON."""
    empty: Literal["omit", "null", "keep"] = "omit"
    """What an empty column makes of the argument."""


class Truth(Part):
    """A yes or no: a constant, a column that says so, or a column compared with what means yes."""

    column: Text | None = None
    value: bool | None = None
    equals: Scalar = None
    one_of: tuple[Scalar, ...] | None = Field(default=None, alias="in")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        _exactly_one(self, ("column", "value"), "column or value")
        if {"equals", "one_of"} <= self.model_fields_set:
            raise ValueError("give equals or in, not both")
        if self.value is not None and {"equals", "one_of"} & self.model_fields_set:
            raise ValueError("equals and in go with a column")
        return self


class ProposalFields(Part):
    """An agent asked for something."""

    proposal_id: Value
    agent: Value
    capability: Value
    action: Value
    args: dict[str, Argument] | None = None
    args_from: Text | None = None
    """A column that holds all arguments as one JSON object; `args` adds to them."""
    episode: Value | None = None
    environment: Value | None = None
    cost_usd: Value | None = None
    files: Value | None = None
    api_calls: Value | None = None
    confidence: Value | None = None
    rationale: Value | None = None


class OutcomeFields(Part):
    """Something came of a proposal."""

    proposal_id: Value
    agent: Value
    capability: Value
    action: Value
    ok: Truth
    by: Literal["executor", "incumbent"] = "incumbent"
    detail: Value | None = None


class MetricFields(Part):
    """One point of a series."""

    series: Value
    value: Value


class MessageFields(Part):
    """Text entered an episode."""

    episode: Value
    source: Value
    """`person`, `tool` or `agent`."""
    text: Value


class EpisodeFields(Part):
    """An episode ended."""

    episode: Value


class RolloutFields(Part):
    """Somebody promoted, demoted, paused or resumed a capability."""

    capability: Value
    by: Value
    reason: Value | None = None


class StopFields(Part):
    """Somebody set or cleared the kill switch."""

    scope: Value
    """`all`, or for example `agent:coder-1`."""
    by: Value
    reason: Value | None = None


class LabelFields(Part):
    """What is known about a proposal; for scoring only, kept apart from the facts."""

    proposal_id: Value
    unsafe: Truth
    benign_episode: Truth | None = None
    episode: Value | None = None


class EpisodeLabelFields(Part):
    """What is known about an episode; for scoring only, kept apart from the facts."""

    episode: Value
    benign: Truth


class Emit(Part):
    """One fact or label to make of each row that passes `when`."""

    KINDS: ClassVar = (
        "proposal",
        "outcome",
        "metric",
        "message",
        "episode_closed",
        "promoted",
        "demoted",
        "paused",
        "resumed",
        "kill_switch_set",
        "kill_switch_cleared",
        "label",
        "episode_label",
    )

    when: tuple[Condition, ...] = ()
    """One test, or a list of several that must all hold."""
    proposal: ProposalFields | None = None
    outcome: OutcomeFields | None = None
    metric: MetricFields | None = None
    message: MessageFields | None = None
    episode_closed: EpisodeFields | None = None
    promoted: RolloutFields | None = None
    demoted: RolloutFields | None = None
    paused: RolloutFields | None = None
    resumed: RolloutFields | None = None
    kill_switch_set: StopFields | None = None
    kill_switch_cleared: StopFields | None = None
    label: LabelFields | None = None
    episode_label: EpisodeLabelFields | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in self.KINDS if kind in self.model_fields_set]
        if empty := [kind for kind in given if getattr(self, kind) is None]:
            raise ValueError(f"{empty[0]}: give its fields")
        _exactly_one(self, self.KINDS, f"{', '.join(self.KINDS[:-1])} or {self.KINDS[-1]}")
        return self

    @property
    def kind(self) -> str:
        """Which of the kinds it is."""
        return next(kind for kind in self.KINDS if getattr(self, kind) is not None)

    @field_validator("when", mode="before")
    @classmethod
    def _several(cls, tests: Any) -> Any:
        return [tests] if isinstance(tests, dict) else tests


class Time(Part):
    """Which column tells when, and how it is written."""

    column: Text
    format: Text = "iso"
    """`iso`, `unix_s`, `unix_ms`, `unix_us`, or a `strptime` pattern. A time without a zone is UTC."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.format not in ("iso", "unix_s", "unix_ms", "unix_us") and "%" not in self.format:
            raise ValueError(
                "give iso, unix_s, unix_ms, unix_us or a strptime pattern such as '%d.%m.%Y %H:%M'"
            )
        return self


class Mapping(Part):
    """The whole file."""

    format: Literal["csv", "tsv", "jsonl"]
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Between the cells of a `csv`."""
    time: Time
    sort: bool = False
    """Rows must be in order of time; `true` sorts them, and takes disk space for it."""
    source: Name = "generic"
    """What the recording calls this kind of history."""
    notes: tuple[str, ...] = ()
    """What readers must know to trust the recording."""
    actions: dict[Name, ActionEntry] = Field(default_factory=dict)
    """The registry of the recorded system; without it the policy folder's own registry applies."""
    infer: bool = False
    """Whether to learn the registry from the proposals instead."""
    emit: Annotated[tuple[Emit, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_registry(self) -> Self:
        if self.infer and self.actions:
            raise ValueError("give actions, or infer: true, not both")
        return self


def template_columns(template: str) -> list[tuple[str, str | None]]:
    """Split a template into pairs of literal text and the column that follows it, `None` at the end.

    Raises `ValueError` when it is not one.

    >>> template_columns("{app}@{tag}!")
    [('', 'app'), ('@', 'tag'), ('!', None)]
    """
    parts = []
    for text, column, spec, conversion in string.Formatter().parse(template):
        if column == "" or spec or conversion:
            raise ValueError(f"{template!r}: write {{column}}, and {{{{ for a brace of its own")
        parts.append((text, column))
    return parts


def columns_in(data: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Find every column a mapping names, with the path to where it says so."""
    if isinstance(data, dict):
        for key, inner in data.items():
            here = (*steps, key)
            if key in ("column", "args_from") and isinstance(inner, str):
                yield here, inner
            elif key == "template" and isinstance(inner, str):
                yield from ((here, column) for _, column in template_columns(inner) if column is not None)
            elif key not in ("value", "default", "equals", "in", "not_in") or isinstance(inner, dict):
                yield from columns_in(inner, here)
    elif isinstance(data, list):
        for position, inner in enumerate(data):
            yield from columns_in(inner, (*steps, position))


def _exactly_one(part: Part, names: tuple[str, ...], wanted: str) -> None:
    given = [name for name in names if name in part.model_fields_set]
    if len(given) != 1:
        said = "in" if given == ["one_of"] else ", ".join(given).replace("one_of", "in")
        raise ValueError(f"give exactly one of {wanted}" + (f", not {said}" if given else ""))
