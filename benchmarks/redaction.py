"""Looking through facts: what it costs beside what journaling costs anyway, what is found, and what falsely.

    python -m benchmarks.redaction [--rounds N] [--data DIR]

The floor is what the journal does with the same fact in any case: canonical JSON and its SHA-256. Both take
turns within one loop, for the machine's speed drifts. Planted secrets are made up in the shapes that services
publish; what is found in this project's own files, where there are none, and in recorded tool calls of other
agents is a false alarm or personal data, and is listed by kind. Times are of the processor, not of the clock.
"""

import argparse
import base64
import csv
import gzip
import hashlib
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.adapters.leak_rules import read_rules
from engine.adapters.leaks import Scanner
from engine.core.vocabulary.facts import Fact, ProposalReceived, encode
from engine.core.vocabulary.proposals import Option, Proposal
from engine.wiring.privacy import make_scrubber
from tests.privacy.planting import Planter, core_of

_ROOT = Path(__file__).resolve().parents[1]
_DATA = _ROOT.parent / "shared" / "data"
_EACH = 20

_CARRIERS = {
    "alone": "{}",
    "prose": "please use {} for the deploy, it expires on Monday",
    "json": '{{"service": "web", "options": {{"value": "{}"}}}}',
    "diff": "+++ b/settings.py\n-VALUE = None\n+VALUE = '{}'\n",
    "shell": "curl -s -H 'X-Auth: {}' https://example.com/v1/things | jq .",
    "file name": "backups/{}.tar.gz",
}


def proposed(**values: Any) -> ProposalReceived:
    """Make a proposal."""
    given: dict[str, Any] = {
        "proposal_id": "coder-1:0123456789abcdef0123456789abcdef",
        "agent": "coder-1",
        "capability": "edit@3",
        "action": "file.write",
        "episode": "ticket-17",
        "environment": "staging",
    }
    return ProposalReceived(at_us=1_800_000_000_000_000, proposal=Proposal(**given | values))


def diff() -> str:
    """400 lines of this project's own history, or of its files where there is no history."""
    told = subprocess.run(
        ["git", "log", "-p", "--no-merges", "-n", "40", "--", "engine"],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    lines = [line for line in told.splitlines() if not line.startswith(("Author:", "Date:", "commit "))]
    if len(lines) < 400:
        lines = (_ROOT / "engine" / "core" / "decide.py").read_text().splitlines()
    return "\n".join(lines[:400])


def costs(rounds: int) -> None:
    """Print what a proposal costs, by size."""
    scrubber = make_scrubber()
    options = (Option(name="restart it"), Option(name="wait", why_not="customers see stale pages"))
    facts: dict[str, ProposalReceived] = {
        "small": proposed(args={"service": "web"}, rationale="the pages are stale since noon"),
        "typical": proposed(
            args={"path": "src/app/settings.py", "content": "TIMEOUT_S = 30\nRETRIES = 3\n" * 20},
            rationale="the upstream takes up to 25 s since its move to the new region, so 10 s was too short",
            options=options,
        ),
        "400-line diff": proposed(args={"path": "change.diff", "content": diff()}),
    }
    print(f"{'':>16}{'bytes':>9}{'looking p50':>14}{'p99':>9}{'floor p50':>12}{'times':>8}")
    for name, fact in facts.items():
        turns = rounds if name == "small" else max(20, rounds // (4 if name == "typical" else 50))
        ours, floor = [], []
        for _ in range(turns):
            ours.append(_took_us(lambda fact=fact: _scrub(scrubber, fact)))
            floor.append(_took_us(lambda fact=fact: hashlib.sha256(encode(fact)).hexdigest()))
        ours.sort()
        floor.sort()
        half, most, least = ours[turns // 2], ours[turns * 99 // 100], floor[turns // 2]
        size = len(encode(fact))
        print(f"{name:>16}{size:>9,}{half:>11.1f} us{most:>6.0f} us{least:>9.1f} us{half / least:>8.1f}")


def _scrub(scrubber: Any, fact: Fact) -> None:
    done = scrubber.scrub("key", fact)
    if callable(done):
        done()


def _took_us(work: Any) -> float:
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1000


def finding(scanner: Scanner) -> None:
    """Print how many of the planted are found, by what carries them."""
    planter = Planter(2026)
    secrets = [secret for _ in range(_EACH) for secret in planter.each()]
    forms = {
        "clear": str,
        "base64": lambda text: base64.b64encode(text.encode()).decode(),
        "percent": lambda text: quote(text, safe=""),
        "hex": lambda text: text.encode().hex(),
    }
    print(f"\nplanted: {len(secrets)} secrets of {len(planter.long_kinds)} shapes; found, of 100")
    print(f"{'':>16}" + "".join(f"{form:>10}" for form in forms))
    for carrier, template in _CARRIERS.items():
        shares = []
        for form in forms.values():
            found = 0
            for secret in secrets:
                text = template.format(form(secret) if carrier != "json" else json.dumps(form(secret))[1:-1])
                data = text.encode()
                left = b"".join(_left(data, [(hit.start, hit.end) for hit in scanner.secrets(data)]))
                found += form(core_of(secret)).encode()[:16] not in left if form is str else left != data
            shares.append(100 * found / len(secrets))
        print(f"{carrier:>16}" + "".join(f"{share:>10.1f}" for share in shares))


def _left(data: bytes, gone: list[tuple[int, int]]) -> Iterator[bytes]:
    past = 0
    for start, end in gone:
        yield data[past:start]
        past = end
    yield data[past:]


def alarms(scanner: Scanner, texts: Iterable[str], what: str, *, show: int = 5) -> None:
    """Print what is found where no secret is."""
    found: Counter[str] = Counter()
    lines = with_secret = 0
    examples: list[str] = []
    for text in texts:
        lines += 1
        data = text.encode(errors="replace")
        hits = scanner.hits(data)
        found.update(f"{hit.kind}: {hit.name}" if hit.kind == "secret" else hit.kind for hit in hits)
        secret = [hit for hit in hits if hit.kind == "secret"]
        with_secret += bool(secret)
        examples += [data[max(0, hit.start - 20) : hit.end][:70].decode(errors="replace") for hit in secret]
    print(f"\n{what}: {lines:,} texts, {with_secret} with what looks like a secret")
    for name, count in found.most_common():
        print(f"{count:>8}  {name}")
    for example in examples[:show]:
        print(f"          … {' '.join(example.split())}")


def own_lines() -> Iterator[str]:
    """Give every line of the project's own text and code, but of what is about secrets."""
    for folder in ("engine", "bot", "simulator", "notifiers", "watchkeeper", "docs", "config"):
        for path in sorted((_ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".md", ".yaml"} and path.name not in {"privacy.md", "redaction.py"}:
                yield from path.read_text().splitlines()


def recorded_calls(data: Path) -> Iterator[str]:
    """Give the recorded tool calls of AgentDojo, a call each."""
    with gzip.open(data / "agentdojo" / "agentdojo_actions.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            yield json.dumps(row)


def main() -> None:
    """Measure and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4_000)
    parser.add_argument("--data", type=Path, default=_DATA, help="the folder with recorded data sets")
    given = parser.parse_args()
    costs(given.rounds)
    scanner = Scanner(read_rules())
    finding(scanner)
    alarms(scanner, own_lines(), "this project's own lines")
    if (given.data / "agentdojo").is_dir():
        alarms(scanner, recorded_calls(given.data), "tool calls of AgentDojo, an accounts' and mails' world")
    else:
        print(f"\nno {given.data / 'agentdojo'}: recorded calls were not looked through")


if __name__ == "__main__":
    main()
