"""Pages tell the truth: commands that exist, links that lead somewhere, a version with its changes."""

import itertools
import re

import click

from tests.house.checks import command_lines, dead_links
from tests.house.tree import PYPROJECT, ROOT, hold, project_files

PAGES = [path for path in project_files() if path.suffix == ".md"]
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def unknown_to_make(words: list[str]) -> list[str]:
    """Name each target of a `make` line that the Makefile has not."""
    targets = [word for word in words if "=" not in word and not word.startswith("-")]
    return [target for target in targets if target not in MAKE_TARGETS]


def unknown_to_click(words: list[str], command: click.Command) -> list[str]:
    """Name the first subcommand, or each option, of a command line that the program has not."""
    options = {"--help"}
    rest = list(words)
    while True:
        options |= {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
        if not isinstance(command, click.Group):
            break
        # What a shell does with the output is no word of ours.
        ours = itertools.takewhile(lambda word: not re.match(r"\d?[<>|&]", word), rest)
        subcommand = next((word for word in ours if not word.startswith("-")), None)
        if subcommand is None:
            break
        # Asked for by name: our own group imports a command when it is called, and lists none before.
        inner = command.get_command(click.Context(command), subcommand)
        if inner is None:
            return [subcommand]
        rest.remove(subcommand)
        command = inner
    used = [word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
    return [option for option in used if option not in options]


def test_pages_name_only_commands_that_exist():
    from watchkeeper.cli import main

    found = []
    for path in PAGES:
        page, name = path.read_text(), path.relative_to(ROOT).as_posix()
        for words in command_lines(page, "make"):
            found += [f"{name}: make {word}" for word in unknown_to_make(words)]
        for words in command_lines(page, "watchkeeper"):
            found += [
                f"{name}: {word} in watchkeeper {' '.join(words)}" for word in unknown_to_click(words, main)
            ]
    hold(found, "A newcomer will paste this line: correct the page, or build what it promises.")


def test_links_lead_somewhere():
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {target}"
        for path in PAGES
        for target in dead_links(path.read_text(), lambda target, path=path: (path.parent / target).exists())
    ]
    hold(found, "A reader who follows this link ends nowhere.")


def test_the_readme_shows_the_two_commands():
    shown = [words for words in command_lines((ROOT / "README.md").read_text(), "make") if words]
    assert {"demo", "test"} <= {words[0] for words in shown}, (
        "the README's first promise: make demo, make test"
    )


def test_the_changelog_knows_this_version():
    version = PYPROJECT["project"]["version"]
    entry = rf"^## \[?{re.escape(version)}\]?(?: |$).*?(?=^## |\Z)"
    found = re.search(entry, (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"CHANGELOG.md has no entry for {version}: say what changes for those who use it"
    assert re.search(r"^- ", found.group(), re.MULTILINE), f"the entry for {version} in CHANGELOG.md is empty"


def test_every_adr_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    adrs = [path.name for path in PAGES if path.parent.name == "adr"]
    hold((name for name in adrs if f"adr/{name}" not in index), "A decision nobody finds decides nothing.")


def test_the_command_check_can_fail():
    page = "```console\n$ HEADLESS=1 make demo && make tset WORKERS=1\n"
    page += "$ watchkeeper a --x=1 \\\n    f | grep make\n```"
    assert [unknown_to_make(words) for words in command_lines(page, "make")] == [[], ["tset"]]
    assert command_lines(page, "watchkeeper") == [["a", "--x=1", "f"]]


def test_the_click_check_can_fail():
    leaf = click.Command("verify", params=[click.Option(["--json"])])
    main = click.Group("main", commands=[click.Group("journal", commands=[leaf])])
    assert unknown_to_click(["journal", "verify", "file", "--json"], main) == []
    assert unknown_to_click(["journal", "mend"], main) == ["mend"]
    assert unknown_to_click(["journal", "verify", "--fast"], main) == ["--fast"]


def test_the_link_check_can_fail():
    page = "[a](there.md#part) [b](missing.md) [c](https://example.org) [d](#part)"
    assert dead_links(page, lambda target: target == "there.md") == ["missing.md"]
