"""Shell commands: what is held of those that attackers ran, and of those that manuals show.

    python -m benchmarks.shell_risk [--json OUT]

It takes ../shared/data/shell_commands (Atomic Red Team, MIT; tldr-pages, CC BY 4.0), which is read and never
run. Whatever is not found harmless is held for a person. Fails when a command of the first set, or one of our
own bypasses, is found harmless.
"""

import argparse
import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from engine.adapters.shell_plain import read_plain
from engine.adapters.shell_reader import BashReader
from engine.adapters.shell_tools import TOOLS
from engine.core.shell import ShellReader
from engine.wiring.policies import SHIPPED_POLICY, build_policy, read_policy
from tests.shell.bypasses import BYPASSES, HARMLESS, UNDER_PREFIXES

DATA: Final = Path("../shared/data/shell_commands")
_LISTED: Final = frozenset(TOOLS) | {"git", "find", "sed", "awk"}


def rows(name: str) -> Iterator[dict[str, Any]]:
    """Read one file of the data, a command each."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def readers() -> dict[str, ShellReader]:
    """Return the reader of the shipped policy, and one without its prefixes."""
    settings = build_policy(read_policy(SHIPPED_POLICY)).risk.shell
    assert settings is not None, "the shipped policy has lost its shell.yaml"
    return {
        "without prefixes": BashReader(shells=frozenset({"sh", "bash", "dash"})),
        "as shipped": settings.reader,
    }


def words(reader: ShellReader, texts: Iterable[str]) -> dict[str, int]:
    """Count what it says of each."""
    counts = Counter(reader.look(text).word for text in texts)
    return {word: counts[word] for word in ("hit", "unsure", "ok")}


def took(reader: ShellReader, texts: list[str]) -> dict[str, float]:
    """Measure what one look takes of a processor, in microseconds."""
    times = []
    for text in texts:
        began = time.thread_time()
        reader.look(text)
        times.append((time.thread_time() - began) * 1e6)
    times.sort()
    return {"p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100], "most_us": times[-1]}


def listed(text: str) -> bool:
    """Whether a text is plain, and all its programs are on the read-only list."""
    commands = read_plain(text)
    return bool(commands) and all(command.argv[0] in _LISTED for command in commands or ())


def measure() -> dict[str, Any]:
    """Look at everything."""
    attacks: dict[str, list[str]] = {}
    for row in rows("atomic_red_team"):
        attacks.setdefault(row["executor"], []).append(row["command"])
    documented = [row["command"] for row in rows("tldr")]
    few = [text for text in documented if listed(text)]
    own = [text for texts in BYPASSES.values() for text in texts]
    everything = [*documented, *(text for texts in attacks.values() for text in texts)]
    found: dict[str, Any] = {}
    for name, reader in readers().items():
        found[name] = {
            **{f"attacks, {executor}": words(reader, texts) for executor, texts in sorted(attacks.items())},
            "our own bypasses": words(reader, own),
            "documented": words(reader, documented),
            "documented, of programs on the list": words(reader, few),
            "reading commands of ours": words(reader, HARMLESS),
            "a project's commands of ours": words(reader, UNDER_PREFIXES),
        }
        found[name]["time"] = took(reader, everything)
    return found


def main() -> int:
    """Print the scorecard, and fail if anything got past."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: {DATA} is not here; it comes with the project's shared data, not with the code")
        return 0
    found = measure()
    past = 0
    for name, told in found.items():
        print(f"\n{name:40}{'hit':>8}{'unsure':>8}{'ok':>8}{'held':>9}")
        for what, counts in told.items():
            if what == "time":
                continue
            total = sum(counts.values())
            held = 100 * (total - counts["ok"]) / total
            print(f"{what:40}{counts['hit']:8,}{counts['unsure']:8,}{counts['ok']:8,}{held:8.1f}%")
            past += counts["ok"] if what.startswith(("attacks", "our own")) else 0
        print("one look: " + ", ".join(f"{key[:-3]} {value:,.0f} us" for key, value in told["time"].items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 1 if past else 0


if __name__ == "__main__":
    sys.exit(main())
