"""What goes out about the captaincy."""

from typing import Annotated

from msgspec import Meta, Struct


class CaptaincyShown(Struct, frozen=True, kw_only=True):
    """Who holds the captaincy. Empty names are nobody."""

    captain: str
    deputy: str
    away: Annotated[bool, Meta(description="Whether the captain is declared away")]
    acting: Annotated[str, Meta(description="Who acts as captain now, and has a captain's role")]
    offered: Annotated[str, Meta(description="Whom it was offered to, who has not answered yet")]
    confirm: Annotated[bool, Meta(description="Whether whoever receives it has to accept")]
