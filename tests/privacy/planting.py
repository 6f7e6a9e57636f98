"""Secrets made up in the shapes that services publish, each another, from one seed."""

import base64
import random
import string
from collections.abc import Iterator
from urllib.parse import quote

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


class Planter:
    """Makes secrets, and remembers them. The same seed makes the same."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self.made: list[str] = []
        self.kinds = (
            lambda: f"ghp_{self.signs(36)}",
            lambda: f"github_pat_{self.signs(22)}_{self.signs(59)}",
            lambda: f"glpat-{self.signs(20)}",
            lambda: f"AKIA{self.signs(16, string.ascii_uppercase + '234567')}",
            lambda: f"xoxb-{self.signs(12, string.digits)}-{self.signs(24)}",
            lambda: f"sk_live_{self.signs(24)}",
            lambda: f"sk-proj-{self.signs(20)}1{self.signs(28)}",
            lambda: f"AIza{self.signs(35)}",
            lambda: f"npm_{self.signs(36)}",
            lambda: f"hf_{self.signs(34)}",
            lambda: f"dop_v1_{self.signs(64, HEX)}",
            lambda: f"hvs.{self.signs(24)}",
            lambda: f"dckr_pat_{self.signs(27)}",
            lambda: f"glsa_{self.signs(32)}_{self.signs(8, HEX)}",
            lambda: f"shpat_{self.signs(32, HEX)}",
            lambda: f"wk_{self.signs(8, 'abcdefgh234567')}_{self.signs(52, 'abcdefgh234567')}",
        )
        """Those that may stand where a name does."""
        self.long_kinds = (
            *self.kinds,
            lambda: f"eyJ{self.signs(20)}.eyJ{self.signs(40)}.{self.signs(43)}",
            lambda: f"https://hooks.slack.com/services/T{self.signs(9)}/B{self.signs(9)}/{self.signs(24)}",
            lambda: f"{self.signs(9, string.digits)}:AA{self.signs(33)}",
            lambda: f"SG.{self.signs(22)}.{self.signs(43)}",
            lambda: (
                "-----BEGIN OPENSSH PRIVATE KEY-----\n"
                f"{self.signs(64)}\n{self.signs(64)}\n-----END OPENSSH PRIVATE KEY-----"
            ),
        )

    def signs(self, count: int, of: str = ALNUM) -> str:
        return "".join(self._random.choices(of, k=count))

    def name(self) -> str:
        """A secret that looks like a name."""
        return self._kept(self._random.choice(self.kinds)())

    def text(self) -> str:
        """Any secret."""
        return self._kept(self._random.choice(self.long_kinds)())

    def each(self) -> Iterator[str]:
        """One of every shape."""
        for kind in self.long_kinds:
            yield self._kept(kind())

    def _kept(self, secret: str) -> str:
        self.made.append(secret)
        return secret


def core_of(secret: str) -> str:
    """What of a secret must not be seen: of a key's block, its first line."""
    return secret.splitlines()[1] if "\n" in secret else secret


def forms_of(secret: str) -> dict[str, bytes]:
    """A secret as it could be met in files: in clear, and as it is encoded."""
    data = core_of(secret).encode()
    encoded = base64.b64encode(data).decode().rstrip("=")
    # The last sign of base64 depends on what follows.
    return {
        "clear": data,
        "base64": encoded[:-2].encode(),
        "percent": quote(data, safe="").encode(),
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
    }
