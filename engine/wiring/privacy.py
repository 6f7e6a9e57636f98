"""What facts are looked through with: rules, secrets of this installation, what policy says of each kind."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from engine.adapters.known_secrets import KnownSecrets
from engine.adapters.leak_rules import SHIPPED_RULES, LeakRules, read_rules
from engine.adapters.leaks import Scanner
from engine.adapters.scrubber import Scrubber
from engine.adapters.yaml_files import read_yaml
from engine.core.vocabulary.privacy import PrivacySettings
from engine.runtime.layout import Layout
from engine.settings.privacy import PrivacyFile

_DEFAULT: Final = PrivacySettings()


def check_rules(folder: Path) -> LeakRules:
    """Read the rules a policy folder names, and compile its own. Raises `InputError`, `PolicyError`."""
    path = folder / "privacy.yaml"
    named = read_yaml(path).checked(PrivacyFile).rules if path.exists() else None
    if named is None:
        return read_rules(SHIPPED_RULES)
    rules = read_rules(folder / named)
    rules.compile()
    return rules


def make_scrubber(
    settings: PrivacySettings = _DEFAULT, folder: Path | None = None, layout: Layout | None = None
) -> Scrubber:
    """Make what facts are looked through with: by the rules of a policy folder, or else the shipped ones.

    The values of an installation's own secrets are looked for too. Raises as `check_rules` does.
    """
    rules = check_rules(folder) if folder is not None else read_rules(SHIPPED_RULES)
    places = [layout.secrets, layout.channels, layout.chat, layout.link_secret] if layout is not None else []
    known = KnownSecrets(places)

    @lru_cache(maxsize=1)
    def scanner(secrets: tuple[str, ...]) -> Scanner:
        return Scanner(rules, secrets)

    scanner(known())
    return Scrubber(settings, lambda: scanner(known()))
