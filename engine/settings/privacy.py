"""`privacy.yaml`: what is done about secrets and personal data, by kind and by where they are found."""

from typing import Literal, Self

from pydantic import model_validator

from engine.core.vocabulary.privacy import DataKind, Treatment
from engine.settings.base import Role, Settings

_Kept = Literal["keep", "redact"]


class TreatedSection(Settings):
    """What is done about one kind."""

    arguments: Literal["keep", "refuse"]
    text: _Kept
    messages: _Kept
    outputs: _Kept


def _never() -> TreatedSection:
    return TreatedSection(arguments="refuse", text="redact", messages="redact", outputs="redact")


def _to_act() -> TreatedSection:
    return TreatedSection(arguments="keep", text="redact", messages="keep", outputs="redact")


class KindsSection(Settings):
    """Every kind of personal data."""

    card: TreatedSection = _never()
    iban: TreatedSection = _to_act()
    email: TreatedSection = _to_act()
    phone: TreatedSection = _to_act()


class PrivacyFile(Settings):
    """`privacy.yaml`."""

    owner: Role = "captain"
    rules: str | None = None
    kinds: KindsSection = KindsSection()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rules is not None and not self.rules.strip():
            raise ValueError("rules: give the name of a file, or null for the shipped rules")
        return self

    def treated(self, kind: DataKind) -> dict[str, Treatment]:
        """Return what is done about one kind. Secrets are always refused and redacted, whoever says what."""
        section = _never() if kind == "secret" else getattr(self.kinds, kind)
        return {
            "arguments": section.arguments,
            "text": section.text,
            "messages": section.messages,
            "outputs": section.outputs,
        }
