"""Troubles: what is wrong with the machine right now. While there is any, no effect starts."""

from msgspec import Struct

from engine.core.vocabulary.facts import TroubleFound, TroubleGone


class Troubles(Struct):
    """Open troubles by name."""

    by_name: dict[str, TroubleFound] = {}


def fold_found(troubles: Troubles, fact: TroubleFound) -> None:
    """Note a trouble; found again, it keeps its first time."""
    troubles.by_name.setdefault(fact.trouble, fact)


def fold_gone(troubles: Troubles, fact: TroubleGone) -> None:
    """Forget one that went away."""
    troubles.by_name.pop(fact.trouble, None)
