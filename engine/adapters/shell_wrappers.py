"""Programs that run other programs: which command, or which script, stands inside a command.

`sudo -u x env A=1 timeout 5 sh -c 'ls'` wraps four times. Taken off is one layer at a time; who asks bounds
how often.
"""

import re
import shlex
from typing import Final, Literal

from msgspec import Struct

from engine.adapters.shell_tree import Command

SHELLS: Final = frozenset("sh bash dash ash zsh ksh mksh rbash fish csh tcsh pwsh powershell cmd".split())
INTERPRETERS: Final = frozenset(
    "python perl ruby node php lua tclsh osascript deno bun Rscript awk gawk mawk expect jshell"
    " groovy".split()
)
_ENDING: Final = re.compile(r"[0-9.]+$|\.exe$", re.IGNORECASE)
_NAMED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_SYSTEM: Final = re.compile(
    r"(?:system|exec[lv]?p?e?|popen|spawn\w*|run|call|check_output|shell_exec|passthru|do shell script)\s*\(?"
    r"""\s*\[?\s*(?:"((?:[^"\\]|\\.){0,500})"|'((?:[^'\\]|\\.){0,500})')"""
)


class Inner(Struct, frozen=True):
    """What stands inside a wrapper."""

    argv: tuple[str, ...] = ()
    """A command; empty where there is none."""
    scripts: tuple[str, ...] = ()
    """Texts that a shell will read."""
    assigns: tuple[tuple[str, str], ...] = ()
    transparent: bool = False
    """Whether it runs what is inside just as it stands, and does nothing else that matters."""


class _Wrapper(Struct, frozen=True):
    """How a wrapper is called before the command inside begins."""

    valued: frozenset[str] = frozenset()
    """Options that take the next word."""
    operands: int = 0
    """Words of its own before the command."""
    transparent: Literal["", "bare", "options"] = ""
    """Whether it is so without options, with these options, or never."""


def _wrapper(
    valued: str = "", operands: int = 0, transparent: Literal["", "bare", "options"] = ""
) -> _Wrapper:
    return _Wrapper(frozenset(valued.split()), operands, transparent)


_WRAPPERS: Final = {
    "sudo": _wrapper("-u -g -h -p -C -r -t -T -U -D -R --user --group --host --prompt --chdir --chroot"),
    "doas": _wrapper("-u -C"),
    "pkexec": _wrapper("--user"),
    "env": _wrapper("-u --unset -C --chdir", transparent="bare"),
    "timeout": _wrapper("-s -k --signal --kill-after", 1, transparent="options"),
    "gtimeout": _wrapper("-s -k --signal --kill-after", 1),
    "nice": _wrapper("-n --adjustment", transparent="options"),
    "ionice": _wrapper("-c -n -p --class --classdata"),
    "chrt": _wrapper("", 1),
    "taskset": _wrapper("", 1),
    "nohup": _wrapper(),
    "setsid": _wrapper(),
    "stdbuf": _wrapper("-i -o -e --input --output --error", transparent="options"),
    "time": _wrapper("-f -o --format --output", transparent="bare"),
    "command": _wrapper(transparent="bare"),
    "builtin": _wrapper(),
    "exec": _wrapper("-a"),
    "xargs": _wrapper(
        "-I -i -n -P -L -l -s -d -a -E --max-args --max-procs --delimiter --arg-file --replace"
    ),
    "parallel": _wrapper("-j -a --jobs --arg-file"),
    "watch": _wrapper("-n --interval"),
    "strace": _wrapper("-o -e -p -s -u -E"),
    "ltrace": _wrapper("-o -e -p -s -u -E"),
    "gdb": _wrapper("-ex -x --args"),
    "chroot": _wrapper("", 1),
    "unshare": _wrapper(),
    "nsenter": _wrapper("-t --target -S -G"),
    "flock": _wrapper("-w -E --timeout", 1),
    "busybox": _wrapper(),
    "toybox": _wrapper(),
    "coproc": _wrapper(),
    "then": _wrapper(),
    "systemd-run": _wrapper("-p -u --unit --property -t"),
    "firejail": _wrapper(),
    "proxychains": _wrapper("-f"),
    "proxychains4": _wrapper("-f"),
    "torsocks": _wrapper(),
    "sshpass": _wrapper("-p -f -d -P"),
    "setarch": _wrapper("", 1),
    "script": _wrapper("-c --command", 1),
    "caffeinate": _wrapper("-t -w"),
    "arch": _wrapper(),
    "fakeroot": _wrapper(),
    "dbus-run-session": _wrapper(),
    "xvfb-run": _wrapper("-s -n"),
    "rlwrap": _wrapper(),
    "unbuffer": _wrapper(),
    "lxc-attach": _wrapper("-n"),
}
_REMOTE: Final = {
    "ssh": "-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w -B",
    "rsh": "-l",
    "mosh": "--ssh --server -p",
    "dsh": "-m -g",
    "pdsh": "-w -l",
}
_IN_CONTAINER: Final = frozenset("docker podman nerdctl kubectl oc lxc crictl machinectl".split())


def program(argv: tuple[str, ...]) -> str:
    """Name the program without its folder, version and ending: `/usr/bin/python3.11` is `python`.

    >>> program(("/usr/bin/python3.11", "-V")), program(("C:\\\\Windows\\\\CMD.EXE",)), program(())
    ('python', 'cmd', '')
    """
    name = argv[0].replace("\\", "/").rsplit("/", 1)[-1] if argv else ""
    bare = _ENDING.sub("", name)
    return bare.lower() if name.lower().endswith(".exe") else bare or name


def opened(command: Command) -> Inner | None:
    """Take off one layer; `None` where a command wraps nothing."""
    argv = command.argv
    name, rest = program(argv), argv[1:]
    if name in SHELLS:
        return _shell(command)
    if name in {"eval", "watch"}:
        words = rest if name == "eval" else _behind(_WRAPPERS[name], rest)[0]
        return Inner(scripts=(" ".join(words),))
    if name in {"trap", "alias", "."} or name == "source":
        texts = [
            word.partition("=")[2] if name == "alias" else word
            for word in rest[: 50 if name == "alias" else 1]
        ]
        return Inner(scripts=tuple(texts) if name in {"trap", "alias"} else ())
    if name in {"su", "runuser", "script", "flock"} and (found := _option(rest, ("-c", "--command"))):
        return Inner(scripts=(found,))
    if name in _REMOTE:
        words, _ = _behind(_wrapper(_REMOTE[name], 1), rest)
        proxy = [word.partition("=")[2] for word in rest if "command=" in word.lower()]
        return Inner(scripts=(" ".join(words), *proxy) if words or proxy else ())
    if name == "env" and (found := _option(rest, ("-S", "--split-string"))):
        return Inner(argv=tuple(_split(found)))
    if name == "find" or name in {"fd", "fdfind"}:
        return _finding(rest)
    if name in _IN_CONTAINER:
        return _contained(rest)
    if name == "git":
        values = [word.partition("=")[2] for word in rest if "=" in word]
        shelled = tuple([value.lstrip("!") for value in values if value])
        return Inner(scripts=shelled) if shelled and _option(rest, ("-c", "--config-env")) else None
    if name in {"tar", "bsdtar", "gtar"}:
        actions = [
            word.partition("=")[2].removeprefix("exec=")
            for word in rest
            if word.startswith(("--checkpoint-action", "--to-command", "--use-compress-program", "-I"))
        ]
        return Inner(scripts=tuple(actions)) if actions else None
    if name in INTERPRETERS or name in {"vim", "vi", "emacs", "sqlite", "psql", "sed", "ed"}:
        texts = [a or b for word in rest for a, b in _SYSTEM.findall(word)]
        texts += [word.partition("!")[2] for word in rest if word.startswith((":!", "!"))]
        return Inner(scripts=tuple(texts[:20])) if texts else None
    wrapper = _WRAPPERS.get(name)
    if wrapper is None:
        return None
    words, bare = _behind(wrapper, rest)
    assigns: list[tuple[str, str]] = []
    while words and name in {"env", "sudo", "doas", "exec", "command"} and _NAMED.match(words[0]):
        variable, _, value = words[0].partition("=")
        assigns.append((variable, value))
        words = words[1:]
    if name == "xargs" and words and words[0] in {"{}", "%"}:
        words = ()
    untouched = len(argv) == 1 + wrapper.operands + len(words)
    transparent = not assigns and (untouched if wrapper.transparent == "bare" else bare)
    return Inner(words, (), tuple(assigns), bool(wrapper.transparent) and transparent)


def _shell(command: Command) -> Inner:
    """A shell reads the text behind `-c`, or what it is given; of a file nothing is known."""
    rest, scripts = command.argv[1:], []
    plain = len(rest) >= 2 and rest[0] == "-c"
    for position, word in enumerate(rest):
        low = word.lower()
        takes = re.fullmatch(r"-[a-zA-Z]*c", word) is not None or low in {"/c", "/k", "-command", "--command"}
        if takes and position + 1 < len(rest):
            scripts.append(
                " ".join(rest[position + 1 :]) if low != word or low[0] == "/" else rest[position + 1]
            )
            break
    if command.given:
        scripts.append(command.given)
    scripts += [
        " ".join([word for word in feeder[1:] if not word.startswith("-")])
        for feeder in command.fed_by[-1:]
        if program(feeder) in {"echo", "printf"}
    ]
    return Inner(scripts=tuple(scripts), transparent=plain and len(rest) == 2)


def _finding(rest: tuple[str, ...]) -> Inner | None:
    for position, word in enumerate(rest):
        if word in {"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"}:
            inside = rest[position + 1 :]
            ends = [at for at, each in enumerate(inside) if each in {";", "+", "\\;"}]
            return Inner(inside[: ends[0]] if ends else inside)
    return None


def _contained(rest: tuple[str, ...]) -> Inner | None:
    """A command inside a container stands behind `--`, or begins with a shell."""
    if "--" in rest:
        return Inner(rest[rest.index("--") + 1 :])
    for position, word in enumerate(rest):
        if program((word,)) in SHELLS or word == "rm":
            return Inner(rest[position:])
    return None


def _behind(wrapper: _Wrapper, rest: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """Return what stands behind a wrapper's own words, and whether it had no options beside those we know."""
    at, bare, operands = 0, True, wrapper.operands
    while at < len(rest):
        word = rest[at]
        if word == "--":
            at += 1
            break
        if word.startswith("-") and len(word) > 1:
            takes = word in wrapper.valued
            bare = bare and (takes or word.partition("=")[0] in wrapper.valued)
            at += 2 if takes else 1
        elif operands:
            operands -= 1
            at += 1
        else:
            break
    # A wrapper's own words may come before and behind its options.
    return rest[at + operands if rest[at - 1 : at] == ("--",) else at :], bare


def _option(rest: tuple[str, ...], names: tuple[str, ...]) -> str:
    for position, word in enumerate(rest):
        for name in names:
            if word == name:
                return rest[position + 1] if position + 1 < len(rest) else ""
            if word.startswith(name + "=" if name.startswith("--") else name) and len(word) > len(name):
                return word[len(name) :].lstrip("=")
    return ""


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
