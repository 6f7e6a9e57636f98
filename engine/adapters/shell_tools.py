"""The read-only list: programs that only look, and with exactly which options they only do that.

What is not named is not allowed: an option that a program gets next year waits here for somebody to read
about it. So there is no `find -exec`, no `sort -o`, no `rg --pre`, no `git --output`, and no program that
opens a pager.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from engine.adapters.shell_places import lies_inside
from engine.adapters.shell_plain import PlainWord

Operands = Literal["paths", "words", "none"]
"""What may stand beside options: places in the working folder, any words, or nothing."""


class Tool(Struct, frozen=True):
    """How a program may be called."""

    flags: frozenset[str] = frozenset()
    """Options without a value; of a single letter each, several may share one dash."""
    values: frozenset[str] = frozenset()
    """Options with a value: the next word, or joined to it."""
    operands: Operands = "paths"
    leading: int = 0
    """So many operands are words, such as the pattern to look for; behind them come places."""
    most: int = 10_000
    """More operands than this write somewhere."""
    digits: bool = False
    """Whether `-20` is a number of lines."""
    any_words: bool = False
    """Whether it stays harmless whatever words it gets, so that names of files may turn into options."""


def _tool(
    flags: str = "",
    values: str = "",
    operands: Operands = "paths",
    *,
    leading: int = 0,
    most: int = 10_000,
    digits: bool = False,
    any_words: bool = False,
) -> Tool:
    letters = [f"-{letter}" for word in flags.split() if not word.startswith("-") for letter in word]
    named = [word for word in flags.split() if word.startswith("-")]
    return Tool(
        frozenset([*letters, *named]), frozenset(values.split()), operands, leading, most, digits, any_words
    )


_DIFF: Final = (
    "puwbzaRBEWsMC --stat --name-only --name-status --numstat --shortstat --cached --staged --patch"
    " --no-patch"
    " --summary --word-diff --color --no-color --check --no-ext-diff --no-textconv --no-renames --raw"
    " --minimal --histogram --patience --ignore-all-space --ignore-space-change --ignore-blank-lines"
    " --function-context --full-index"
)
_DIFF_VALUES: Final = (
    "-U --unified --diff-filter --color --word-diff --stat -S -G --submodule -M -C --find-renames"
)
_LOG: Final = (
    f"{_DIFF} --oneline --graph --all --decorate --no-decorate --merges --no-merges --first-parent --reverse"
    " --follow --abbrev-commit --no-abbrev-commit --branches --tags --remotes --left-right --cherry-pick"
    " --date-order --topo-order --source --show-signature -g --walk-reflogs --full-history -i --all-match"
    " --invert-grep -q --quiet"
)
_LOG_VALUES: Final = (
    f"{_DIFF_VALUES} -n --max-count --skip --since --after --until --before --author --committer --grep"
    " --format --pretty --date -L --decorate --abbrev"
)
_GREP: Final = _tool(
    "abcEFGHhIiLlnoPqRrsTUvwxyzZ --recursive --ignore-case --invert-match --word-regexp --line-regexp"
    " --count --quiet"
    " --files-with-matches --files-without-match --line-number --with-filename --no-filename"
    " --only-matching --no-messages"
    " --extended-regexp --fixed-strings --perl-regexp --basic-regexp --text --null --color --colour"
    " --silent",
    "-e -m -A -B -C --regexp --max-count --after-context --before-context --context --include --exclude"
    " --exclude-dir"
    " --color --colour --binary-files",
    leading=1,
    digits=True,
    any_words=True,
)
_SUMS: Final = _tool("bctwz --check --quiet --status --strict --ignore-missing --warn --tag --binary --text")
TOOLS: Final[dict[str, Tool]] = {
    "ls": _tool(
        "aAbBcCdfFgGhHiIklLmnNopqQrRsStuUvwxXZ1 --all --almost-all --human-readable --recursive"
        " --reverse --size"
        " --directory --classify --color --inode --no-group --group-directories-first --full-time",
        "--color --sort --time --time-style --format --ignore --hide --block-size",
        any_words=True,
    ),
    "cat": _tool("AbeEnstTuv --number --show-all --number-nonblank --squeeze-blank", any_words=True),
    "tac": _tool("b", any_words=True),
    "head": _tool("qvz", "-n -c --lines --bytes", digits=True, any_words=True),
    "tail": _tool("qvz", "-n -c --lines --bytes", digits=True, any_words=True),
    "wc": _tool("clmwL --lines --words --bytes --chars --max-line-length", any_words=True),
    "nl": _tool("p", "-b -d -f -h -i -l -n -s -v -w"),
    "pwd": _tool("LP", operands="none"),
    "echo": _tool("neE", operands="words", any_words=True),
    "printf": _tool(operands="words"),
    "true": _tool(operands="words", any_words=True),
    "false": _tool(operands="words", any_words=True),
    ":": _tool(operands="words", any_words=True),
    "sleep": _tool(operands="words", most=1),
    "cd": _tool("LP", most=1),
    "grep": _GREP,
    "egrep": _GREP,
    "fgrep": _GREP,
    "rg": _tool(
        "acFHhiIlLnNoPpqsSuUvwx0. --files --hidden --no-ignore --ignore-case --smart-case"
        " --case-sensitive --count"
        " --files-with-matches --files-without-match --fixed-strings --line-number --no-line-number"
        " --multiline --heading"
        " --no-heading --invert-match --word-regexp --only-matching --json --stats --type-list"
        " --vimgrep --null --trim"
        " --no-filename --with-filename --no-messages --count-matches --pcre2 --column",
        "-e -g -t -T -m -A -B -C -d -r -M --regexp --glob --iglob --type --type-not --max-count"
        " --after-context --color"
        " --before-context --context --max-depth --sort --sortr --max-columns --threads -j --colors"
        " --encoding -E --replace",
        leading=1,
    ),
    "tree": _tool(
        "adfhilpsDFCNQugA --dirsfirst --noreport --gitignore --du --prune", "-L -I -P --sort --filelimit"
    ),
    "sort": _tool(
        "bdfgiMhnRrVcCmsuz --reverse --unique --numeric-sort --human-numeric-sort --version-sort"
        " --stable --check"
        " --ignore-case --zero-terminated",
        "-k -t --key --field-separator",
    ),
    "uniq": _tool("cdDiuz --count --repeated --unique --ignore-case", "-f -s -w", most=1),
    "cut": _tool(
        "nsz --complement --only-delimited", "-b -c -d -f --bytes --characters --delimiter --fields"
    ),
    "tr": _tool("cCdst --delete --squeeze-repeats --complement", operands="words"),
    "column": _tool("tnxe", "-s -c -o"),
    "paste": _tool("sz", "-d"),
    "join": _tool("iz", "-1 -2 -a -e -j -o -t -v"),
    "comm": _tool("123z --check-order --nocheck-order"),
    "fold": _tool("bs", "-w"),
    "rev": _tool(),
    "diff": _tool(
        "abBcdeEiNnpqrstTuwyZ --brief --recursive --unified --side-by-side --ignore-case --new-file"
        " --color --report-identical-files"
        " --ignore-all-space --ignore-space-change --ignore-blank-lines --suppress-common-lines --minimal",
        "-U -C -W -x -I -L --unified --context --width --exclude --label --color",
    ),
    "cmp": _tool("bls", "-n -i"),
    "file": _tool("bhiLNr --mime --mime-type --mime-encoding --brief"),
    "stat": _tool("Lft --dereference --terse", "-c --format --printf", any_words=True),
    "du": _tool(
        "0abcDhHkLlmsSxX --all --human-readable --summarize --total --apparent-size",
        "-d --max-depth --exclude",
        any_words=True,
    ),
    "basename": _tool("az", "-s", "words"),
    "dirname": _tool("z", "", "words"),
    "realpath": _tool("emsLPqz", "--relative-to --relative-base"),
    "readlink": _tool("femnqsvz"),
    "seq": _tool("w", "-f -s", "words", digits=True),
    "expr": _tool(operands="words"),
    "which": _tool("as", operands="words"),
    "md5sum": _SUMS,
    "sha1sum": _SUMS,
    "sha256sum": _SUMS,
    "sha512sum": _SUMS,
    "cksum": _tool(),
    "strings": _tool("af", "-n -t", digits=True),
    "od": _tool("abcdfhilosxv", "-A -j -N -t -w"),
    "xxd": _tool("abeiupC", "-c -g -l -s", most=1),
    "hexdump": _tool("bcCdovx", "-n -s"),
    "jq": _tool(
        "cCeMnrRsSaj --compact-output --raw-output --raw-input --slurp --null-input --exit-status"
        " --sort-keys --tab"
        " --monochrome-output --color-output --join-output",
        "--indent",
        leading=1,
    ),
}
GIT: Final[dict[str, Tool]] = {
    "status": _tool(
        "sbuzv --short --branch --porcelain --long --ignored --untracked-files --show-stash --ahead-behind"
        " --no-renames",
        "-u --untracked-files --porcelain --ignored --column",
    ),
    "diff": _tool(_DIFF, f"{_DIFF_VALUES} --relative", digits=True),
    "log": _tool(_LOG, _LOG_VALUES, digits=True),
    "show": _tool(_LOG, _LOG_VALUES, digits=True),
    "shortlog": _tool("sne --summary --numbered --email --all --no-merges", "--since --until --author"),
    "blame": _tool("wlseftpnMC --show-email --porcelain --line-porcelain", "-L --since --date -M -C"),
    "branch": _tool(
        "arv -vv --all --remotes --list --show-current --verbose --no-color",
        "--sort --format --contains --no-contains --merged --no-merged --points-at --color",
        "none",
    ),
    "tag": _tool("l --list", "-n --sort --format --contains --points-at --merged", "none"),
    "remote": _tool("v --verbose", "", "none"),
    "rev-parse": _tool(
        "q --show-toplevel --abbrev-ref --short --verify --is-inside-work-tree --git-dir --show-prefix"
        " --symbolic-full-name --show-cdup --is-bare-repository --all --branches --tags",
        "--short --abbrev-ref",
    ),
    "rev-list": _tool(
        "--count --all --no-merges --merges --first-parent --reverse --left-right --objects",
        _LOG_VALUES,
        digits=True,
    ),
    "ls-files": _tool(
        "cdmostukzv --others --modified --deleted --cached --exclude-standard --stage --unmerged --full-name"
        " --error-unmatch --ignored",
        "-x --exclude",
    ),
    "ls-tree": _tool("drtlz --name-only --long --full-tree --full-name --abbrev"),
    "cat-file": _tool("tspe"),
    "describe": _tool(
        "--tags --all --always --dirty --long --exact-match --contains --first-parent",
        "--match --abbrev --dirty",
    ),
    "merge-base": _tool("a --all --is-ancestor --octopus --fork-point"),
    "reflog": _tool("--all --oneline", "-n --date", "none", digits=True),
    "stash list": _tool("", "-n", "none"),
    "worktree list": _tool("v --porcelain", "", "none"),
    "check-ignore": _tool("vnq --verbose --non-matching"),
    "count-objects": _tool("vH", "", "none"),
    "grep": _tool(
        "nilLcwvEFGPhHaIqrp --cached --line-number --ignore-case --count --name-only --word-regexp"
        " --untracked --files-with-matches --heading --break",
        "-e -A -B -C -m --max-depth",
        leading=1,
    ),
}
GIT_FIRST: Final = frozenset({"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs"})
VERSIONS: Final = frozenset(
    "python python3 pip pip3 node npm npx yarn pnpm cargo rustc go java javac gcc g++ clang make cmake"
    " git ruby php perl bash"
    " docker kubectl terraform helm uv ruff mypy pytest black tox poetry tsc deno bun rg fd jq curl".split()
)
"""Programs whose version may be asked."""
_TURNING: Final = frozenset("*?[")
"""How a word begins that the shell may turn into a file's name beginning with a dash."""
_OWN_PATTERN: Final = frozenset({"--regexp", "--files", "--type-list"})
_FIND_FLAGS: Final = frozenset(
    "-print -print0 -empty -prune -not -o -or -a -and -true -false -depth -follow -xdev -mount"
    " -readable -writable"
    " -executable -nouser -nogroup -daystart -ls -L -H -P ! ( ) ,".split()
)
_FIND_VALUES: Final = frozenset(
    "-name -iname -path -ipath -wholename -regex -iregex -regextype -type -xtype -maxdepth -mindepth"
    " -size -mtime -ctime"
    " -atime -mmin -cmin -amin -newermt -perm -links -user -group -printf".split()
)


def misuse(tool: Tool, words: Sequence[PlainWord], places: Sequence[str]) -> str:
    """Say what about a call goes beyond a tool's list; empty where nothing does. `words` are those behind
    its name.
    """
    if tool.operands == "words" and tool.any_words:
        return ""
    at, leading, ended, operands = 0, tool.leading, False, list[PlainWord]()
    while at < len(words):
        word, at = words[at], at + 1
        text = word.text
        if word.globs and text[:1] in _TURNING and not tool.any_words:
            return f"{text} may turn into an option"
        if ended or not text.startswith("-") or text == "-":
            operands.append(word)
        elif text == "--":
            ended = True
        else:
            taken = _option(tool, text)
            if taken is None:
                return f"the option {text} is not on its list"
            if text.partition("=")[0] in _OWN_PATTERN or (text[1] != "-" and "e" in text):
                # It gives the pattern, so none comes first among the operands.
                leading = 0
            if taken and at < len(words):
                if words[at].globs:
                    return f"{words[at].text} stands for names of files"
                at += 1
    if operands and tool.operands == "none":
        return f"it may take no {operands[0].text}"
    if len(operands) > tool.most:
        return "it may write to its last word"
    for word in operands[leading:] if tool.operands == "paths" else ():
        if not lies_inside(word.text, places, globs=word.globs):
            return f"{word.text} lies outside the working folder"
    return ""


def _option(tool: Tool, text: str) -> bool | None:
    """Whether an option takes the next word; `None` where the tool may not have it."""
    if text in tool.flags:
        return False
    name, joined, _ = text.partition("=")
    if name in tool.values:
        return not joined
    if text.startswith("--"):
        return None
    if tool.digits and text[1:].isdigit():
        return False
    for position, letter in enumerate(text[1:], start=1):
        if f"-{letter}" in tool.values:
            return position == len(text) - 1
        if f"-{letter}" not in tool.flags:
            return None
    return False


def misuse_of_find(words: Sequence[PlainWord], places: Sequence[str]) -> str:
    """The same for find, whose options form a sentence."""
    at = 0
    while at < len(words):
        text, at = words[at].text, at + 1
        if text in _FIND_VALUES:
            if at < len(words) and words[at].globs and words[at].text[:1] in _TURNING:
                return f"{words[at].text} may turn into an option"
            at += 1
        elif text in _FIND_FLAGS:
            continue
        elif text.startswith("-"):
            return f"the option {text} is not on its list"
        elif words[at - 1].globs or not lies_inside(text, places):
            return f"{text} lies outside the working folder"
    return ""
