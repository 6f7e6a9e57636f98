"""`shell.yaml`: which commands may run unasked, and what becomes of the others."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.base import Points, Role, Settings

_Option = Annotated[str, StringConstraints(pattern=r"^--?[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
_Line = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./:@%+=,^ -]+$", min_length=1, max_length=200)]
_Place = Annotated[str, StringConstraints(pattern=r"^/[^\s*?]+$", max_length=300)]
_RUNS_ANYTHING = frozenset(
    "sh bash dash ash zsh ksh fish env sudo doas su xargs eval exec command ssh find awk sed perl ruby"
    " node php"
    " python python3 git curl wget docker kubectl make npm npx yarn pnpm uv poetry nohup timeout"
    " nice".split()
)


class CommandEntry(Settings):
    """How a command may begin, and what may follow."""

    run: _Line
    flags: tuple[_Option, ...] = ()
    values: tuple[_Option, ...] = ()
    operands: Literal["none", "paths", "words"] = "none"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        words = self.run.split()
        if len(words) == 1 and words[0].rsplit("/", 1)[-1] in _RUNS_ANYTHING and self.operands != "none":
            raise ValueError(
                f"run: {self.run!r} alone runs whatever stands behind it; name what it is to run, such as "
                f"'{self.run} test'"
            )
        if both := set(self.flags) & set(self.values):
            raise ValueError(f"{min(both)} is a flag and has a value; keep one")
        return self


class ShellPoints(Settings):
    """What a command adds to the risk score."""

    unsure: Points = 20
    hit: Points = 40


class ShellRulings(Settings):
    """What becomes of a command that is not known to be harmless."""

    unsure: Literal["allow", "escalate", "deny"] = "escalate"
    hit: Literal["allow", "escalate", "deny"] = "escalate"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        order = ["allow", "escalate", "deny"]
        if order.index(self.hit) < order.index(self.unsure):
            raise ValueError(
                f"hit is {self.hit}, less strict than unsure, which is {self.unsure}; turn them around"
            )
        return self


class ShellFile(Settings):
    """`shell.yaml`."""

    owner: Role
    role: Role
    points: ShellPoints = ShellPoints()
    rulings: ShellRulings = ShellRulings()
    shells: Annotated[tuple[Literal["sh", "bash", "dash"], ...], Field(max_length=3)] = ("sh", "bash", "dash")
    places: tuple[_Place, ...] = ()
    read_only: tuple[CommandEntry, ...] = ()
    project: tuple[CommandEntry, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for what, names in (
            ("run", [" ".join(entry.run.split()) for entry in (*self.read_only, *self.project)]),
            ("places", list(self.places)),
            ("shells", list(self.shells)),
        ):
            for name, count in Counter(names).items():
                if count > 1:
                    raise ValueError(f"{what}: {name!r} stands {count} times; keep one")
        for place in self.places:
            if any(step in {"..", "."} for step in place.split("/")) or len(place.strip("/").split("/")) < 2:
                raise ValueError(
                    f"places: {place!r} is too wide, or not written out; name a folder such as /srv/shop"
                )
        return self
