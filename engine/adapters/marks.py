"""The marks by which everything that works for us is found: in the environment of processes, on containers.

Whoever ends what is under way goes by them, with the engine and the workers dead. So what starts something
and what ends it must never disagree about them.
"""

import hashlib
import os
from typing import Final

from engine.core.vocabulary.ids import EffectId

EFFECT_VARIABLE: Final = "WATCHKEEPER_EFFECT"
HOME_VARIABLE: Final = "WATCHKEEPER_HOME_ID"
EFFECT_LABEL: Final = "watchkeeper.effect"
HOME_LABEL: Final = "watchkeeper.home"


def home_id(home: str | os.PathLike[str]) -> str:
    """Tell one state folder's processes and containers from another's: 16 hexadecimal signs of its path."""
    return hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:16]


def process_marks(home: str | os.PathLike[str], effect_id: EffectId) -> dict[str, str]:
    """Return what the environment of every process that works for an effect must hold."""
    return {EFFECT_VARIABLE: effect_id, HOME_VARIABLE: home_id(home)}


def container_marks(home: str | os.PathLike[str], effect_id: EffectId) -> dict[str, str]:
    """Return the labels that every container that works for an effect must carry."""
    return {EFFECT_LABEL: effect_id, HOME_LABEL: os.path.realpath(home)}
