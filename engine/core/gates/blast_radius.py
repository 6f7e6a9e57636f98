"""Blast radius: the most one single action may touch, whoever asks for it."""

from msgspec import Struct

from engine.core.vocabulary.actions import Action, BlastCaps
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import Answer, Check

GATE = "blast_radius"


class BlastSettings(Struct, frozen=True, kw_only=True):
    """The caps that hold where an action names none of its own."""

    caps: BlastCaps
    owner: str


def judge(settings: BlastSettings, action: Action | None, impact: Impact) -> Answer:
    """Deny an estimated impact beyond any cap. Exactly at the cap is within it."""
    own = action.blast if action is not None else None
    caps = own or settings.caps
    place = "limits.blast" if action is None or own is None else f"actions.{action.name}.blast"
    checks = (
        Check("cost_usd", str(impact.cost_usd), str(caps.cost_usd)),
        Check("files", impact.files, caps.files),
        Check("api_calls", impact.api_calls, caps.api_calls),
    )
    if impact.cost_usd <= caps.cost_usd and impact.files <= caps.files and impact.api_calls <= caps.api_calls:
        return Answer(gate=GATE, ruling="allow", rule=place, owner=settings.owner, checks=checks)
    over = [
        check
        for check, beyond in zip(
            checks,
            (impact.cost_usd > caps.cost_usd, impact.files > caps.files, impact.api_calls > caps.api_calls),
            strict=True,
        )
        if beyond
    ]
    return Answer(
        gate=GATE,
        ruling="deny",
        reason="one action may touch at most "
        + " and ".join(f"{check.limit} {check.measure}, not {check.measured}" for check in over),
        rule=f"{place}.{over[0].measure}",
        owner=settings.owner,
        checks=checks,
    )
