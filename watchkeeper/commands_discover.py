"""`watchkeeper discover`: what agents touched, by their past, and what a policy could say about it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.core.policy import Policy
    from engine.core.vocabulary.ids import AgentId
    from simulator.discovery import Deeds
    from simulator.suggesting import Suggestion
    from simulator.summary import Summary
    from watchkeeper.tables import Part

_FILE = click.Path(path_type=Path)
_MOST_ROWS = 12


@click.command()
@click.argument("source")
@click.option("--policy", type=_FILE, help="Policy folder that is in force. [default: the shipped one]")
@click.option("--mapping", type=_FILE, help="Mapping file for generic: sources.")
@click.option(
    "--write", "target", type=_FILE, metavar="FOLDER", help="Write the suggested policy to a new folder."
)
@click.option("--json", "json_out", type=_FILE, help="Write everything as JSON.")
def discover(
    source: str, policy: Path | None, mapping: Path | None, target: Path | None, json_out: Path | None
) -> None:
    """List what agents touched in SOURCE, and suggest a policy.

    SOURCE is what `watchkeeper replay` takes: a recording, or FORMAT:FILE. Nothing that is in force changes:
    the past is decided again under the present policy and the suggested one, and the difference is shown.
    """
    from engine.adapters.files import atomic_write
    from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
    from simulator.discovery import discover as look
    from simulator.suggesting import must_be_new, suggest, write
    from watchkeeper.commands_replay import open_with_progress, run_replay
    from watchkeeper.home import folder as folder_of
    from watchkeeper.home import must_be_writable
    from watchkeeper.tables import show

    must_be_writable(json_out)
    if target is not None:
        must_be_new(target)
    recording = open_with_progress(source, mapping)
    present = read_policy(policy or SHIPPED_POLICY).with_recorded(recording.header.actions)
    deeds = look(recording, present.actions)
    suggestions = suggest(deeds, present)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-discover-") as scratch:
        folder = Path(scratch) / "suggested"
        write(present, suggestions, folder)
        read_policy(folder / "policies")
        summary = run_replay(
            recording,
            [folder / "policies", policy or SHIPPED_POLICY],
            name=source,
            mapping=mapping,
            results=folder_of("replays") / f"discover-{recording.path.stem}.sqlite",
        )
    _stays_denied(summary)
    show(_parts(deeds, suggestions, summary, build_policy(present)))
    if target is not None:
        write(present, suggestions, target)
        click.echo(
            f"\nwritten: {target}\nlook at it, then: watchkeeper replay {source} --policy {target}/policies"
        )
    if json_out is not None:
        import msgspec

        body = {
            "agents": deeds,
            "suggestions": suggestions,
            "suggested": summary.tracks[0].words,
            "present": summary.tracks[1].words,
        }
        with atomic_write(json_out) as file:
            file.write(msgspec.json.format(msgspec.json.encode(body, order="deterministic")) + b"\n")


def _stays_denied(summary: "Summary") -> None:
    """What is denied now stays denied: anything else would be a defect, and nothing may be built on it."""
    from engine.errors import PolicyError

    changes = summary.differences.words if summary.differences is not None else ()
    if any((change.word, change.other_word) == ("allow", "deny") for change in changes):
        raise PolicyError(
            "the suggestions would allow what is denied now",
            cure="this is a defect in Watchkeeper: please report it with the recording",
        )


def _parts(
    deeds: "Mapping[AgentId, Deeds]",
    suggestions: "Sequence[Suggestion]",
    summary: "Summary",
    policy: "Policy",
) -> "Iterator[Part]":
    """Say all of it in sentences and tables."""
    from simulator.plain import printable
    from watchkeeper.tables import table

    if not deeds:
        yield "No agent proposed anything in this history."
        return
    for agent, did in sorted(
        deeds.items(), key=lambda item: -sum(use.count for use in item[1].actions.values())
    ):
        yield f"\n{printable(agent)}"
        yield from _did(did, policy)
    yield ""
    if not suggestions:
        yield "Nothing to suggest: the policy knows every action, and asks about no command that is a habit."
        return
    yield "Suggested:"
    yield table(
        ["what", "why", "file"], [(printable(each.what, 120), each.why, each.file) for each in suggestions]
    )
    suggested, present = summary.tracks
    rows = [
        (name, f"{track.words.allow:,}", f"{track.words.hold:,}", f"{track.words.deny:,}")
        for name, track in (("as it is", present), ("as suggested", suggested))
    ]
    yield "\nThe same past, decided again:"
    columns = ["policy", "allowed", "held for people", "denied"]
    yield table(columns, rows, numbers=columns[1:])
    if suggested.shadowed:
        yield "  allowed means by the rules: a capability without authority is still only decided and logged"


def _did(did: "Deeds", policy: "Policy") -> "Iterator[Part]":
    """Say what one agent did."""
    from engine.core.vocabulary.units import HOUR_US, MINUTE_US
    from simulator.discovery import folders, protected
    from simulator.plain import printable
    from watchkeeper.tables import table

    rows = [
        (printable(name), f"{use.count:,}", f"{use.failed:,}", f"{use.turned_down:,}")
        for name, use in sorted(did.actions.items(), key=lambda item: (-item[1].count, item[0]))
    ]
    columns = ["action", "times", "failed", "turned down"]
    yield table(columns, rows, numbers=columns[1:])
    for what, files in (("changed", did.written), ("read", did.read)):
        found = [
            (printable(name), f"{count:,}", f"{uses:,}")
            for name, count, uses in folders(files, most=_MOST_ROWS)
        ]
        if found:
            yield table([f"files {what}", "files", "times"], found, numbers=["files", "times"])
    for what, files in (("changed", did.written), ("read", did.read)):
        kept = [
            (printable(path), why, f"{uses:,}")
            for path, why, uses in protected(files, policy.risk)[:_MOST_ROWS]
        ]
        if kept:
            yield table([f"protected, {what}", "why it is protected", "times"], kept, numbers=["times"])
    commands = sorted(did.commands.items(), key=lambda item: (-item[1].count, item[0]))[:_MOST_ROWS]
    if commands:
        ran = [(printable(text), f"{use.count:,}", f"{use.failed:,}") for text, use in commands]
        yield table(["command", "times", "failed"], ran, numbers=["times", "failed"])
    hosts = [(printable(host), f"{uses:,}") for host, uses in did.hosts.most_common(_MOST_ROWS)]
    if hosts:
        yield table(["host", "times"], hosts, numbers=["times"])
    peaks = [
        (what, f"{most:,}", _limit(policy, measure, window_us))
        for what, most, measure, window_us in (
            ("API calls in a minute", did.most_calls, "api_calls", MINUTE_US),
            ("changed files in an hour", did.most_files, "files", HOUR_US),
            ("US dollars in an hour", did.most_cost_usd, "cost_usd", HOUR_US),
        )
    ]
    yield table(["busiest", "at most", "limit"], peaks, numbers=["at most", "limit"])


def _limit(policy: "Policy", measure: str, window_us: int) -> str:
    """Say what one agent may do in such a window."""
    found = [each.most for each in policy.limits if (each.measure, each.window_us) == (measure, window_us)]
    return f"{min(found):,}" if found else "none"
