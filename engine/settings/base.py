"""What every settings file shares: frozen models that refuse unknown keys, and the types of their values."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}$")]
Role = Literal["viewer", "responder", "captain"]
Count = Annotated[int, Field(strict=True, ge=0, le=10**9)]
Seconds = Annotated[float, Field(strict=True, ge=0.000_001, le=366 * 86_400)]
Points = Annotated[int, Field(strict=True, ge=0, le=100)]


def _amount(value: object) -> object:
    """Refuse `true`, which Python takes for 1. A number in quotes is welcome: it may have more digits."""
    if isinstance(value, bool):
        # pydantic makes a complaint of a ValueError only.
        raise ValueError(f"give an amount in US dollars, not {value}")  # noqa: TRY004 - see above
    return value


def _plain(amount: Decimal) -> Decimal:
    """Give equal amounts one spelling, so that 100, 100.0 and 1e2 give one policy hash."""
    whole = amount.to_integral_value()
    return whole.quantize(Decimal(1)) + 0 if amount == whole else amount.normalize()


Usd = Annotated[
    Decimal, BeforeValidator(_amount), Field(ge=0, le=10**9, decimal_places=12), AfterValidator(_plain)
]


class Settings(BaseModel):
    """Frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)
