"""Harmful forms of commands, each with a name, a kind and a clause that says what it does.

They give what is held for a person its name. What stops a command is that nobody could show it to be
harmless, so a form that is missing here lets nothing through.
"""

import re
from typing import Final

from msgspec import Struct

from engine.adapters.shell_places import KEPT_SECRET, OTHERS_READ, STARTS_LATER
from engine.adapters.shell_tree import Command
from engine.adapters.shell_wrappers import INTERPRETERS, SHELLS, program
from engine.core.vocabulary.shell import ShellKind


class Harm(Struct, frozen=True):
    """A harmful form."""

    form: str
    kind: ShellKind
    reason: str


def _harm(form: str, kind: ShellKind, reason: str) -> Harm:
    return Harm(form, kind, reason)


_REMOVE = _harm("remove-tree", "destructive", "it removes folders with everything in them")
_ROOT = _harm("remove-root", "destructive", "it removes a root or home folder")
_FOUND = _harm("remove-found", "destructive", "it deletes whatever a search finds")
_DISK = _harm("disk-write", "destructive", "it overwrites a disk")
_GIT_FORCE = _harm("git-force", "destructive", "it rewrites history others have")
_GIT_DISCARD = _harm("git-discard", "destructive", "it throws uncommitted work away")
_TORN = _harm("tear-down", "destructive", "it deletes running services or their data")
_SQL = _harm("sql-destroy", "destructive", "it drops or empties tables")
_MODES = _harm("permissions-tree", "destructive", "it changes permissions of whole folders")
_UPLOAD = _harm("upload", "exfiltration", "it sends data to another machine")
_SOCKET = _harm("raw-socket", "exfiltration", "it opens a connection the shell itself reads and writes")
_FED = _harm("piped-to-shell", "execution", "it runs whatever it is given as a program")
_REVERSE = _harm("reverse-shell", "execution", "it hands a shell to whoever is at the other end")
_BOMB = _harm("fork-bomb", "destructive", "it starts processes without end")
_SETUID = _harm("set-user-id", "privilege", "it makes a program run with the rights of its owner")
_LOADED = _harm(
    "loader-variable", "execution", "it sets a variable that makes other programs load or run something"
)
_LATER = _harm("runs-later", "persistence", "it makes something run later, by itself")
_SECRET = _harm("reads-secret", "secrets", "it touches a place that holds secrets")
_ACCOUNTS = _harm("reads-accounts", "secrets", "it reads who has an account, or how accounts are kept")
_TRACES = _harm("hides-traces", "evasion", "it removes or stops what is recorded")
_GUARDS = _harm("stops-guards", "evasion", "it switches off what guards the machine")

_PROGRAMS: Final[dict[str, Harm]] = {
    **dict.fromkeys(
        "wipefs fdisk sfdisk cfdisk gdisk sgdisk parted blkdiscard badblocks hdparm format diskpart".split(),
        _DISK,
    ),
    **dict.fromkeys(
        "shred srm wipe cipher sdelete vssadmin wbadmin diskshadow bcdedit".split(),
        _harm("wipe", "destructive", "it destroys data beyond recovery"),
    ),
    **dict.fromkeys(
        "shutdown reboot poweroff halt telinit".split(), _harm("power", "destructive", "it stops a machine")
    ),
    **dict.fromkeys(
        "killall pkill killall5 taskkill skill".split(),
        _harm("kill", "destructive", "it ends other programs"),
    ),
    **dict.fromkeys(
        "sudo su doas pkexec runuser runas gosu".split(),
        _harm("other-user", "privilege", "it acts with the rights of somebody else"),
    ),
    **dict.fromkeys(
        "useradd adduser usermod userdel deluser groupadd groupmod gpasswd passwd chpasswd visudo vipw"
        " setcap"
        " dscl dseditgroup sysadminctl dsenableroot pw net".split(),
        _harm("accounts", "privilege", "it changes accounts or their rights"),
    ),
    **dict.fromkeys(
        "nsenter unshare chroot pivot_root capsh".split(),
        _harm("namespaces", "privilege", "it leaves or makes the walls around programs"),
    ),
    **dict.fromkeys(
        "insmod modprobe rmmod kmod kextload kldload sysctl mount umount losetup debugfs".split(),
        _harm("kernel", "privilege", "it changes the running system"),
    ),
    **dict.fromkeys("crontab at batch launchctl schtasks update-rc.d chkconfig".split(), _LATER),
    **dict.fromkeys(
        "nc ncat netcat socat telnet ftp tftp sftp scp rsync lftp rclone croc wormhole chisel ngrok"
        " cloudflared devtunnel certutil bitsadmin".split(),
        _UPLOAD,
    ),
    **dict.fromkeys(
        "nmap masscan tcpdump tshark wireshark ettercap arpspoof responder hydra john hashcat".split(),
        _harm("attack-tool", "exfiltration", "it is a tool to probe or overhear others"),
    ),
    **dict.fromkeys(
        "mimikatz lazagne secretsdump pypykatz gcore procdump security vaultcmd".split(), _SECRET
    ),
    **dict.fromkeys(
        "iptables ip6tables nft ufw firewall-cmd setenforce auditctl semodule aa-teardown netsh"
        " spctl csrutil".split(),
        _GUARDS,
    ),
    **dict.fromkeys("wevtutil fsutil logrotate journalctl-vacuum".split(), _TRACES),
    **dict.fromkeys("eval source .".split(), _harm("evaluates", "execution", "it runs a text as commands")),
}
_LOADERS: Final = re.compile(
    r"(?:LD_\w+|DYLD_\w+|BASH_ENV|ENV|PROMPT_COMMAND|PS[0-4]|IFS|PATH|SHELLOPTS|BASHOPTS|GLOBIGNORE|CDPATH|PYTHON\w+"
    r"|PERL5?\w*|RUBY\w+|NODE_\w+|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|GCONV_PATH|GIT_\w+|(?:MAN|GIT_|SYSTEMD_)?PAGER|LESS\w+"
    r"|EDITOR|VISUAL|BROWSER|SHELL|MAKEFLAGS|RSYNC_RSH|TAR_OPTIONS|NPM_CONFIG_\w+|PIP_\w+|HISTFILE\w*|HISTCONTROL"
    r"|HISTSIZE|HISTIGNORE|\w*_PROXY|\w*_proxy)$"
)
_SQL_TEXT: Final = re.compile(
    r"\b(?:drop|truncate)\s+(?:table|database|schema)\b|\bdelete\s+from\s+[\w.\"]+\s*(?:;|$)|\bflushall\b",
    re.IGNORECASE,
)
_CLOUD: Final = frozenset("aws gcloud az gsutil doctl linode-cli oci ibmcloud openstack heroku".split())
_CLUSTER: Final = frozenset("kubectl helm oc docker podman nerdctl terraform tofu pulumi terragrunt".split())
_GIT_RUNS: Final = re.compile(
    r"alias\.|core\.(?:pager|editor|sshcommand|hookspath|fsmonitor)|credential\.|filter\.|diff\.external|include|pager\."
    r"|.*\.(?:textconv|command|helper|cmd|process|smudge|clean|program)|--exec-path=",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(
    r"(?:.*[-:])?(?:delete|destroy|terminate|remove|purge|prune|uninstall|rb|rm|rmi|drain|deregister)(?:[-:].*)?$"
)
_DEVICE: Final = re.compile(r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|rdisk|mem|kmem|port)|\\\\\.\\")
_NETWORK: Final = re.compile(r"/dev/(?:tcp|udp)/")
_EVERYTHING: Final = re.compile(
    r"(?:/|~|/\*|~/\*?|\.|\.\.|\*|\./\*?|/(?:home|root|usr|etc|var|bin|lib|boot|opt|srv)/?\*?)$"
)
_SENDS: Final = re.compile(
    r"(?:-d|-F|-T|--data.*|--form.*|--upload-file.*|--json.*|--post-.*|--body-.*|--method.*)$"
)
_WRITES: Final = frozenset({">", ">>", ">|", "&>", "&>>", "<>"})


def harm_of(command: Command) -> Harm | None:
    """Return the harmful form a simple command has, the worst where it has several."""
    for variable, _ in command.assigns:
        if _LOADERS.match(variable):
            return _LOADED
    if found := _redirected(command):
        return found
    if not command.argv:
        return None
    name, rest = program(command.argv), command.argv[1:]
    options = [word for word in rest if word.startswith("-")]
    letters = {letter for word in options if not word.startswith("--") for letter in word[1:]}
    for look in (_files, _running, _git, _far):
        if found := look(name, rest, options, letters):
            return found
    if name in SHELLS | INTERPRETERS and _is_fed(command, rest):
        return _FED
    if name.startswith("mkfs"):
        return _DISK
    if name in {"export", "declare", "typeset", "readonly", "local", "unset", "printf", "read", "set"}:
        for word in rest:
            if _LOADERS.match(word.partition("=")[0]):
                return _TRACES if word.startswith("HIST") else _LOADED
    return _PROGRAMS.get(name) or _places(rest)


def _redirected(command: Command) -> Harm | None:
    for operator, target in command.redirects:
        if _NETWORK.search(target):
            return _SOCKET
        if operator in _WRITES:
            if _DEVICE.match(target):
                return _DISK
            if STARTS_LATER.search(target):
                return _LATER
            if target.startswith("/var/log/") or "_history" in target:
                return _TRACES
        if KEPT_SECRET.search(target):
            return _SECRET
    return None


def _files(name: str, rest: tuple[str, ...], options: list[str], letters: set[str]) -> Harm | None:
    whole = letters & {"r", "R"} or any(word in {"--recursive", "--no-preserve-root"} for word in options)
    if name in {"rm", "del", "erase", "rd", "rmdir", "Remove-Item", "ri", "unlink"}:
        if any(_EVERYTHING.match(word) for word in rest) and (whole or letters):
            return _ROOT
        if any(word.startswith("/var/log") or "_history" in word for word in rest):
            return _TRACES
        return _REMOVE if whole or {word.lower() for word in rest} & {"/s", "-recurse"} else None
    if name == "find" and any(
        word in {"-delete", "-fprint", "-fprintf", "-fls", "-fprint0"} for word in rest
    ):
        return _FOUND
    if name == "dd" and any(word.startswith("of=") and _DEVICE.match(word[3:]) for word in rest):
        return _DISK
    if name in {"chmod", "chown", "chgrp", "chattr", "icacls", "takeown", "attrib"}:
        if any(re.fullmatch(r"[ugoa]*[+=][rwx]*s[rwxst]*|0?[2467][0-7]{3}", word) for word in rest):
            return _SETUID
        return _MODES if whole else None
    if name in {"cp", "mv", "ln", "tee", "install", "dd", "sed", "truncate", "touch"}:
        if any(STARTS_LATER.search(word) for word in rest):
            return _LATER
        if any("_history" in word or "/var/log/" in word for word in rest):
            return _TRACES
        if name in {"tee", "cp", "mv"} and any(_DEVICE.match(word) for word in rest):
            return _DISK
    return None


def _running(name: str, rest: tuple[str, ...], options: list[str], letters: set[str]) -> Harm | None:
    if name in {"nc", "ncat", "netcat"} and ("e" in letters or "c" in letters or "--exec" in options):
        return _REVERSE
    if name == "socat" and any(word.lower().startswith(("exec:", "system:")) for word in rest):
        return _REVERSE
    if name in SHELLS and "i" in letters and "c" not in letters:
        return _REVERSE
    if name == "kill" and "-1" in rest[1:]:
        return _PROGRAMS["killall"]
    if name == "init" and rest[:1] in {("0",), ("6",)}:
        return _PROGRAMS["halt"]
    if name in {"systemctl", "service", "rc-service", "sc", "sc.exe"}:
        words = set(rest)
        if words & {"poweroff", "reboot", "halt", "kexec", "rescue", "emergency"}:
            return _PROGRAMS["halt"]
        if words & {"stop", "disable", "mask", "kill"}:
            return _harm("stops-service", "destructive", "it stops a service")
        if words & {"enable", "start", "link", "edit"}:
            return _LATER
    if name == "history" and (letters & {"c", "d", "w"}):
        return _TRACES
    if name == "trap":
        return _LATER
    if name == "journalctl" and any(word.startswith("--vacuum") or word == "--rotate" for word in rest):
        return _TRACES
    if name in {"docker", "podman"} and any(
        word == "--privileged" or word.startswith(("--cap-add", "--pid=host", "-v/", "-v=/", "/:"))
        for word in rest
    ):
        return _harm(
            "privileged-container", "privilege", "it starts a container that reaches out of its walls"
        )
    return None


def _git(name: str, rest: tuple[str, ...], options: list[str], letters: set[str]) -> Harm | None:
    if name != "git":
        return None
    words = set(rest)
    if "push" in words and (
        words & {"--force", "-f", "--mirror", "--delete", "-d", "--force-with-lease"}
        or any(word.startswith(("+", "--force-with-lease=", ":")) for word in rest)
    ):
        return _GIT_FORCE
    if words & {"filter-branch", "filter-repo"} or ("reflog" in words and "expire" in words):
        return _GIT_FORCE
    if ("reset" in words and "--hard" in words) or (
        "clean" in words and ("f" in letters or "--force" in options)
    ):
        return _GIT_DISCARD
    sets = words & {"config", "-c"} or any(word.startswith(("--exec-path=", "--config-env")) for word in rest)
    if sets and any(_GIT_RUNS.match(word) for word in rest):
        return _harm("git-program", "execution", "it makes git run another program")
    return None


def _far(name: str, rest: tuple[str, ...], options: list[str], _letters: set[str]) -> Harm | None:
    if name in {"curl", "wget", "http", "https", "xh", "Invoke-WebRequest", "iwr"}:
        sends = any(_SENDS.match(word) or re.match(r"-[dFT].", word) for word in options)
        return (
            _UPLOAD
            if sends or any(word.startswith("-XP") or word in {"POST", "PUT"} for word in rest)
            else None
        )
    if name in {"dig", "nslookup", "host", "ping"} and any(len(word) > 60 or word == "" for word in rest):
        return _UPLOAD
    if name in _CLUSTER | _CLOUD:
        own = rest[: rest.index("exec")] if "exec" in rest else rest
        if any(_ENDS.match(word) for word in own if not word.startswith("-")):
            return _TORN
        if name in {"aws", "gsutil", "gcloud", "az"} and {"cp", "sync", "mv", "upload"} & set(rest):
            return _UPLOAD
    if name in {"psql", "mysql", "mariadb", "sqlite", "mongo", "mongosh", "redis-cli", "sqlcmd", "duckdb"}:
        return _SQL if any(_SQL_TEXT.search(word) for word in rest) else None
    return None


def _places(rest: tuple[str, ...]) -> Harm | None:
    for word in rest:
        if KEPT_SECRET.search(word):
            return _SECRET
        if OTHERS_READ.search(word):
            return _ACCOUNTS
        if _NETWORK.search(word):
            return _SOCKET
    return None


def _is_fed(command: Command, rest: tuple[str, ...]) -> bool:
    """Whether an interpreter runs what comes from before it: it has no script of its own, and something to
    read.
    """
    own = [word for word in rest if not word.startswith("-")]
    if command.given or (command.redirects and any(operator == "<" for operator, _ in command.redirects)):
        return not own
    if any("/dev/fd" in word or "/dev/stdin" in word for word in own):
        return True
    return bool(command.fed_by) and (not own or "-s" in rest) and "-c" not in rest and "-e" not in rest


def bomb(text: str) -> Harm | None:
    """Find a function that calls itself twice at once, in a text that defines one."""
    for found in re.finditer(r"([\w:.]{1,40})\s*\(\)\s*\{([^}]{0,200})\}", text):
        if re.search(rf"(?<![\w:]){re.escape(found[1])}\s*\|\s*{re.escape(found[1])}(?![\w:])", found[2]):
            return _BOMB
    return None
