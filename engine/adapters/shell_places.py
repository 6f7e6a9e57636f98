"""Places that commands name: what is kept secret, what runs by itself, and what lies outside the working
folder.
"""

import re
from collections.abc import Sequence
from typing import Final

from engine.core.vocabulary.arguments import plain_path

KEPT_SECRET: Final = re.compile(
    r"(?:^|[/\\=:~@])(?:\.ssh|\.aws|\.azure|\.gnupg|\.kube|\.docker/config\.json|\.netrc|\.pgpass|\.npmrc|\.pypirc"
    r"|\.git-credentials|\.env(?:\.(?!example|sample|template)[\w.-]+)?|\.vault-token|\.config/gcloud|\.config/gh"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|shadow-?|gshadow-?|master\.passwd|sudoers(?:\.d)?|Keychains?|Cookies"
    r"|Login Data|logins\.json|key4\.db|credentials(?:\.json|\.db)?|\.?[\w-]*_history|\.boto)(?:$|[/\\:\s*])"
    r"|\.(?:pem|p12|pfx|jks|keystore|kdbx|ppk)$"
    r"|/proc/(?:\d+|self|\*)/(?:environ|mem|maps)|/etc/krb5|\.keychain(?:-db)?$",
    re.IGNORECASE,
)
OTHERS_READ: Final = re.compile(r"/etc/(?:passwd|group|shells|pam\.d|security|login\.defs|master\.passwd)")
STARTS_LATER: Final = re.compile(
    r"(?:^|[/~])(?:\.bashrc|\.bash_profile|\.bash_login|\.bash_logout|\.profile|\.zshrc|\.zshenv|\.zprofile|\.zlogin"
    r"|\.config/(?:fish|autostart|systemd)|authorized_keys|\.ssh/(?:config|rc)|\.gitconfig|\.git/(?:hooks|config)"
    r"|\.vimrc|\.inputrc|crontab|LaunchAgents|LaunchDaemons|StartupItems)"
    r"|^/etc/|^/var/spool/cron|^/(?:usr/)?lib/systemd|^/(?:usr/)?(?:local/)?s?bin/|^/boot/"
)
_DOTS: Final = re.compile(r"(?:^|/)\.[^/]*[*?\[]|(?:^|/)\.\.?(?=[*?\[])")


def lies_inside(word: str, places: Sequence[str], *, globs: bool = False) -> bool:
    """Whether a word, if it is a path, stays in the working folder or in one of `places`.

    Nothing is looked up: where the working folder is, and what its links point to, is not known here.

    >>> lies_inside("src/a.py", ()), lies_inside("../a", ()), lies_inside("/etc/hosts", ())
    (True, False, False)
    >>> lies_inside("/srv/shop/./a", ("/srv/shop",)), lies_inside("/srv/shop/../b", ("/srv/shop",))
    (True, False)
    """
    if word.startswith("~") or "\\" in word or (globs and _DOTS.search(word)):
        return False
    if ".." in word.split("/"):
        return False
    if not word.startswith("/"):
        return "://" not in word
    plain = plain_path(word)
    return plain == "/dev/null" or any(plain == place or plain.startswith(place + "/") for place in places)
