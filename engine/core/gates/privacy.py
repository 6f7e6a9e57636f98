"""Privacy: nothing is performed with an argument that must not be kept in clear, or that was taken out."""

from engine.core.vocabulary.privacy import DataKind, Found, PrivacySettings
from engine.core.vocabulary.verdicts import Answer, Check

GATE = "privacy"
_MOST_NAMED = 5

_SAID: dict[DataKind, str] = {
    "secret": "a secret",
    "card": "the number of a payment card",
    "iban": "the number of a bank account",
    "email": "an e-mail address",
    "phone": "a phone number",
}
_LEAVE_OUT = (
    "leave it out, and let the action bring it: a header `{secret: NAME}` in its settings, with the value in "
    "a file of the folder secrets; and change what was sent, for it was seen"
)
_NAME_BY_ID = "name the person or the account by an id"


def judge(settings: PrivacySettings, found: tuple[Found, ...]) -> Answer:
    """Deny what carries in its arguments what policy refuses, naming kind and place and never the value.

    What was taken out is refused whatever policy says now: the journal has not what the agent meant.
    """
    refused = [
        each
        for each in found
        if in_arguments(each) and (each.taken or settings.treated(each.kind).arguments == "refuse")
    ]
    kinds = {each.kind for each in refused}
    checks = tuple(
        Check(f"{kind} in arguments", sum(each.kind == kind for each in refused), 0) for kind in sorted(kinds)
    )
    if not refused:
        kept = [each for each in found if not each.taken]
        said = f"it names {_listed(kept)}; this policy keeps that" if kept else ""
        return Answer(gate=GATE, ruling="allow", reason=said, rule=GATE, owner=settings.owner)
    cure = _LEAVE_OUT if "secret" in kinds else _NAME_BY_ID
    return Answer(
        gate=GATE,
        ruling="deny",
        reason=f"it carries {_listed(refused)}: {cure}",
        rule=f"{GATE}.{refused[0].kind}",
        owner=settings.owner,
        checks=checks,
    )


def in_arguments(found: Found) -> bool:
    """Whether something was found in what an action is called with."""
    return found.place == "args" or found.place.startswith(("args.", "args["))


def _listed(found: list[Found]) -> str:
    said = [f"{_said(each)} in {each.place}" for each in found[:_MOST_NAMED]]
    return ", ".join(said) + (f" and {more} more" if (more := len(found) - _MOST_NAMED) > 0 else "")


def _said(found: Found) -> str:
    said = _SAID[found.kind]
    return f"{said} ({found.name})" if found.name not in {found.kind, "secret"} else said
