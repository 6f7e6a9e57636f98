"""Whatever is wrong with a policy folder, one line says where it is, what it is, and what to do about it."""

import os
import re

import pytest

from engine.core.gates.rules import RULE_FACTS
from engine.errors import InputError, PolicyError
from engine.wiring import read_policy

# (file, text to replace, replacement, line that must be named (found by this text), what must be said)
ONE_THING_WRONG = {
    "unknown key": (
        "limits",
        "  files: 10 ",
        "  fles: 10 ",
        "fles",
        "unknown key 'blast.fles' (known here: api_calls, cost_usd, files)",
    ),
    "unknown key at the top": (
        "thresholds",
        "memory:\n",
        "memroy:\n",
        "memroy",
        "unknown key 'memroy' (known here: consensus, escalation, memory)",
    ),
    "unknown key in a list": (
        "rules",
        "    reason: it reads",
        "    because: it reads",
        "because",
        "unknown key 'rules.2.because' (known here: id, mode, owner, reason, role, ruling, when)",
    ),
    "unknown key of an action": (
        "actions",
        "parameters: {path: {type: path}}",
        "parameters: {path: {type: path, secret: true}}",
        "secret",
        "unknown key 'actions.file.read.parameters.path.secret' "
        "(known here: choices, items, nullable, required, type)",
    ),
    "missing key": (
        "limits",
        "  trials: 1 ",
        "# ",
        "breaker:",
        "'breaker.trials' is missing (add it; every key is explained in the shipped file)",
    ),
    "missing key in a list": (
        "risk",
        "    why: it holds secrets\n",
        "",
        "- id: secrets",
        "'protected.0.why' is missing (add it; every key is explained in the shipped file)",
    ),
    "a word for a number": (
        "limits",
        "files: 10 ",
        "files: ten ",
        "files: ten",
        "blast.files: Input should be a valid integer, not 'ten'",
    ),
    "a fraction for a count": (
        "limits",
        "files: 10 ",
        "files: 1.5 ",
        "files: 1.5",
        "blast.files: Input should be a valid integer, not 1.5",
    ),
    "a truth for a count": (
        "limits",
        "files: 10 ",
        "files: true ",
        "files: true",
        "blast.files: Input should be a valid integer, not True",
    ),
    "a truth for an amount": (
        "limits",
        "cost_usd: 100 ",
        "cost_usd: true ",
        "cost_usd: true",
        "blast.cost_usd: give an amount in US dollars, not True",
    ),
    "a number in quotes for a count": (
        "limits",
        "files: 10 ",
        "files: '10' ",
        "files: '10'",
        "blast.files: Input should be a valid integer, not '10'",
    ),
    "a truth for a time": (
        "thresholds",
        "hold_s: 86400 ",
        "hold_s: true ",
        "hold_s: true",
        "memory.hold_s: Input should be a valid number, not True",
    ),
    "a negative amount": (
        "limits",
        "cost_usd: 100 ",
        "cost_usd: -1 ",
        "cost_usd: -1",
        "blast.cost_usd: Input should be greater than or equal to 0, not -1",
    ),
    "too fine an amount": (
        "limits",
        "cost_usd: 100 ",
        "cost_usd: '0.0000000000001' ",
        "0.0000000000001",
        "blast.cost_usd: Decimal input should have no more than 12 decimal places, not '0.0000000000001'",
    ),
    "not a number": (
        "limits",
        "cost_usd: 100 ",
        "cost_usd: .nan ",
        ".nan",
        "blast.cost_usd: Input should be a finite number, not nan",
    ),
    "endless time": (
        "limits",
        "open_s: 60 ",
        "open_s: .inf ",
        ".inf",
        "breaker.open_s: Input should be less than or equal to 31622400, not inf",
    ),
    "no time at all": (
        "limits",
        "window_s: 300 ",
        "window_s: 0 ",
        "window_s: 0",
        "breaker.window_s: Input should be greater than or equal to 0.000001, not 0",
    ),
    "less than a microsecond": (
        "limits",
        "window_s: 300 ",
        "window_s: 0.0000001 ",
        "window_s: 0.0000001",
        "breaker.window_s: Input should be greater than or equal to 0.000001, not 1e-07",
    ),
    "nothing where something belongs": (
        "limits",
        "owner: captain",
        "owner:",
        "owner:",
        "owner: Input should be 'viewer', 'responder' or 'captain', not None",
    ),
    "an unknown role": (
        "risk",
        "role: responder",
        "role: boss",
        "role: boss",
        "role: Input should be 'viewer', 'responder' or 'captain', not 'boss'",
    ),
    "a value for a section": (
        "limits",
        "blast:\n",
        "blast: 5\nblst:\n",
        "blst",
        "unknown key 'blst' (known here: blast, breaker, owner, windows)",
    ),
    "a list for a section": (
        "limits",
        "blast:\n  cost_usd: 100      # US dollars\n  files: 10          # files changed\n  api_calls: 1000 ",
        "blast: [] ",
        "blast: []",
        "blast: Input should be a valid dictionary or instance of BlastSection, not []",
    ),
    "an unknown ruling": (
        "rules",
        "ruling: deny",
        "ruling: forbid",
        "ruling: forbid",
        "rules.1.ruling: Input should be 'allow', 'escalate', 'consensus' or 'deny', not 'forbid'",
    ),
    "an empty reason": (
        "rules",
        "reason: it reads a protected place",
        "reason: ''",
        "reason: ''",
        "rules.2.reason: String should have at least 1 character, not ''",
    ),
    "a name with a space": (
        "rules",
        "id: reading-secrets",
        "id: reading secrets",
        "id: reading secrets",
        "rules.2.id: String should match pattern '^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}$', not 'reading secrets'",
    ),
    "an unknown type": (
        "actions",
        "{path: {type: path}}",
        "{path: {type: file}}",
        "type: file}",
        "actions.file.read.parameters.path.type: Input should be 'string', 'integer', 'number', 'boolean', 'path', "
        "'command', 'email', 'url', 'list', 'object' or 'any', not 'file'",
    ),
    "items of what is no list": (
        "actions",
        "{path: {type: path}}",
        "{path: {type: path, items: path}}",
        "items: path}}",
        "actions.file.read.parameters.path: `items` is for lists; this is a path",
    ),
    "a key twice": (
        "thresholds",
        "  votes: 3 ",
        "  votes: 3\n  votes: 4 ",
        "votes: 4",
        'not valid YAML: found duplicate key "votes" with value "4" (original value: "3") '
        "(each key may stand once)",
    ),
    "a bracket left open": (
        "risk",
        "[production, prod, live]",
        "[production, prod, live",
        "levels:",
        "not valid YAML: expected ',' or ']', but got '?' (check indentation and quotes)",
    ),
    "a tab": (
        "thresholds",
        "  votes: 3 ",
        "\tvotes: 3 ",
        "\tvotes",
        "not valid YAML: found character '\\t' that cannot start any token (check indentation and quotes)",
    ),
    "an alias of nothing": (
        "limits",
        "files: 10 ",
        "files: *ten ",
        "*ten",
        "not valid YAML: found undefined alias 'ten' (check indentation and quotes)",
    ),
    "CEL: unfinished": (
        "rules",
        'when: kind == "read" && protected',
        "when: files >=",
        "when: files >=",
        "rule reading-secrets: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', "
        "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}, at column 9 of "
        "`files >=` (see the CEL language definition)",
    ),
    "CEL: unknown name": (
        "rules",
        "&& protected",
        "&& protectd",
        "protectd",
        "rule reading-secrets: undeclared reference to 'protectd', at column 19 of `kind == \"read\" && protectd` "
        f"(known facts: {', '.join(sorted(RULE_FACTS))})",
    ),
    "CEL: whole number for a double": (
        "rules",
        "cost_usd > 25.0",
        "cost_usd > 25",
        "cost_usd > 25",
        "rule costly-and-irreversible: found no matching overload for '_>_' applied to '(double, int)', at column "
        '64 of `kind == "write" && !reversible && confidence < 0.9 && cost_usd > 25` '
        "(write whole amounts of a double with a point: 50.0)",
    ),
    "CEL: text compared with a number": (
        "rules",
        "&& protected",
        "&& risk > 3",
        "risk > 3",
        "rule reading-secrets: found no matching overload for '_>_' applied to '(string, int)', at column 24 of "
        '`kind == "read" && risk > 3` (compare values of one type)',
    ),
    "CEL: not a truth": (
        "rules",
        'when: kind == "read" && protected',
        "when: files + 1",
        "files + 1",
        "rule reading-secrets: `files + 1` gives INT, not true or false (compare it with something)",
    ),
    "CEL: over several lines": (
        "rules",
        'when: kind == "read" && protected',
        "when: |\n      files >\n      0.0",
        "when: |",
        "rule reading-secrets: found no matching overload for '_>_' applied to '(int, double)', at column 7 of "
        "`files > 0.0` (write whole amounts of a double with a point: 50.0)",
    ),
    "CEL: empty": (
        "rules",
        'when: kind == "read" && protected',
        "when: ''",
        "when: ''",
        "rules.2.when: String should have at least 1 character, not ''",
    ),
    "pattern: unfinished": (
        "risk",
        "'\\brm\\s+(?:-\\S+\\s+)*-\\S*[rR]'",
        "'rm ('",
        "'rm ('",
        "not a regular expression: missing ): rm ( (RE2 syntax: no look-around)",
    ),
    "pattern: looks around": (
        "risk",
        "'\\brm\\s+(?:-\\S+\\s+)*-\\S*[rR]'",
        "'rm (?!-i)'",
        "(?!-i)",
        "not a regular expression: invalid perl operator: (?! (RE2 syntax: no look-around)",
    ),
    "pattern: empty": (
        "risk",
        "'\\brm\\s+(?:-\\S+\\s+)*-\\S*[rR]'",
        "''",
        "pattern: ''",
        "destructive.0.pattern: String should have at least 1 character, not ''",
    ),
    "path: protects nothing": (
        "risk",
        "path: '**/.env*'",
        "path: '!.env'",
        "path: '!.env'",
        "'!.env' protects nothing (remove the leading # or !)",
    ),
    "path: a comment": (
        "risk",
        "path: '**/.env*'",
        "path: '# .env'",
        "path: '# .env'",
        "'# .env' protects nothing (remove the leading # or !)",
    ),
    "path: not a pattern": (
        "risk",
        "path: '**/.env*'",
        "path: '\\'",
        "path: '\\'",
        "not a path pattern: '\\\\' (as in .gitignore)",
    ),
    "path: a range backwards": (
        "risk",
        "path: '**/.env*'",
        "path: '[z-a]'",
        "path: '[z-a]'",
        "not a regular expression: invalid character class range: z-a (RE2 syntax: no look-around)",
    ),
    "more votes than voters": (
        "thresholds",
        "votes: 3 ",
        "votes: 6 ",
        "consensus:",
        "consensus: 6 votes can never come from 5 voters",
    ),
    "an agent may use more than all": (
        "limits",
        "    most: 10\n    window_s: 3600\n    per: agent",
        "    most: 11\n    window_s: 3600\n    per: agent",
        "",
        "the file: cost_per_hour_and_agent lets one agent use 11 cost_usd while cost_per_hour lets all agents "
        "together use only 10; lower the first or raise the second",
    ),
    "a limit twice": (
        "limits",
        "id: files_per_hour\n",
        "id: cost_per_hour\n",
        "",
        "the file: windows: id 'cost_per_hour' stands 2 times; each must be its own",
    ),
    "a rule twice": (
        "rules",
        "id: reading-secrets",
        "id: untrusted-target",
        "",
        "the file: rules: id 'untrusted-target' stands 2 times; each must be its own",
    ),
    "a pattern twice": (
        "risk",
        "id: rm-root",
        "id: rm-recursive",
        "",
        "the file: destructive: id 'rm-recursive' stands 2 times; each must be its own",
    ),
    "a place twice": (
        "risk",
        "id: keys",
        "id: secrets",
        "",
        "the file: protected: id 'secrets' stands 2 times; each must be its own",
    ),
    "one condition, two rulings": (
        "rules",
        'when: kind == "read" && protected',
        'when: kind ==  "write"   && untrusted_targets > 0\n    role: captain',
        "",
        "the file: untrusted-target and reading-secrets have the same condition but rule escalate and escalate; "
        "keep one",
    ),
    "levels out of order": (
        "risk",
        "  MEDIUM: 30\n",
        "  MEDIUM: 10\n",
        "",
        "the file: levels: begin with SAFE: 0 and let every level begin at a higher score than the last",
    ),
    "levels that do not begin": (
        "risk",
        "  SAFE: 0\n  LOW: 10",
        "  SAFE: 1\n  LOW: 10",
        "",
        "the file: levels: begin with SAFE: 0 and let every level begin at a higher score than the last",
    ),
    "a level without a score": (
        "risk",
        "  MEDIUM: 30\n",
        "",
        "",
        "the file: levels: give a value for MEDIUM too",
    ),
    "a level without points": (
        "risk",
        "    HIGH: 55\n    CRITICAL: 75\n",
        "",
        "",
        "the file: points.declared: give a value for HIGH, CRITICAL too",
    ),
    "a level without a ruling": (
        "risk",
        "  DESTRUCTIVE: deny\n",
        "",
        "",
        "the file: rulings: give a value for DESTRUCTIVE too",
    ),
    "rulings out of order": (
        "risk",
        "  LOW: allow\n",
        "  LOW: deny\n",
        "",
        "the file: rulings: a higher level is ruled less strictly than a lower one",
    ),
    "risk cannot ask for votes": (
        "risk",
        "  HIGH: escalate\n",
        "  HIGH: consensus\n",
        "  HIGH: consensus",
        "rulings.HIGH: Input should be 'allow', 'escalate' or 'deny', not 'consensus'",
    ),
    "an undo that does not exist": (
        "actions",
        "undo: git.revert",
        "undo: git.unrevert",
        "",
        "the file: git.commit: its undo 'git.unrevert' is not in the registry; add it or remove `undo`",
    ),
    "a read that is critical": (
        "actions",
        "    risk: SAFE",
        "    risk: CRITICAL",
        "file.read:",
        "actions.file.read: an action that only reads cannot be CRITICAL; say `kind: write`",
    ),
}


@pytest.mark.parametrize(
    ("name", "old", "new", "named", "said"), ONE_THING_WRONG.values(), ids=ONE_THING_WRONG
)
def test_one_wrong_thing_is_named_with_its_line_and_cure(folder, name, old, new, named, said):
    folder.edit(name, old, new)
    line = folder.line_of(name, named) if named else 1
    assert folder.complaint() == f"{name}.yaml:{line}: {said}"


CONTRADICTIONS = {
    "votes that are never asked for, cost": (
        "from_cost_usd: 50 ",
        "from_cost_usd: 100.01 ",
        "policies: thresholds: consensus.from_cost_usd is 100.01, but limits: blast.cost_usd denies everything over "
        "100, so no vote would ever be held; lower the first or raise the second",
    ),
    "votes that are never asked for, files": (
        "from_files: 5 ",
        "from_files: 11 ",
        "policies: thresholds: consensus.from_files is 11, but limits: blast.files denies everything over 10, so no "
        "vote would ever be held; lower the first or raise the second",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_files_that_contradict_each_other_are_named_with_both_values(folder, old, new, said):
    assert folder.edit("thresholds", old, new).complaint() == said


def test_a_threshold_exactly_at_the_cap_is_no_contradiction(folder):
    folder.edit("thresholds", "from_cost_usd: 50 ", "from_cost_usd: 100 ")
    assert folder.edit("thresholds", "from_files: 5 ", "from_files: 10 ").read()


def test_one_condition_may_be_tried_in_shadow_beside_its_enforced_twin(folder):
    twin = 'when: kind ==  "write" && untrusted_targets > 0\n    mode: shadow'
    assert folder.edit("rules", 'when: kind == "read" && protected', twin).read()


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
UNREADABLE = {
    "nothing": ("", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "a comment": ("# later\n", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "a list": ("- rules\n", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "a word": ("rules\n", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "two documents": (
        "rules: []\n---\nrules: []\n",
        "rules.yaml:2: not valid YAML: but found another document (check indentation and quotes)",
    ),
    "aliases that explode": (BOMB, "rules.yaml: more than 100000 values (remove the nested aliases)"),
    "a list in itself": ("rules: &a [*a]\n", None),
    "a megabyte": ("# " + "x" * 1_000_000, "rules.yaml: larger than 1000000 bytes (split it)"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff", "rules.yaml: not UTF-8 text (save it as UTF-8)"),
    "zero bytes": (
        b"rules: \0\n",
        "rules.yaml: not valid YAML: unacceptable character #x0000: special characters are not allowed "
        "(check indentation and quotes)",
    ),
    "brackets without end": ("rules: " + "[" * 1000, "rules.yaml: nested too deeply (flatten it)"),
    "a day that does not exist": (
        "rules: 2020-13-45\n",
        "rules.yaml: not valid YAML: month must be in 1..12 (check indentation and quotes)",
    ),
    "a number without end": (f"rules: {'1' * 5000}\n", None),
    "a tag that lies": ("rules: !!int x\n", None),
    "a truth that lies": ("rules: !!bool x\n", None),
    "somebody's object": (
        "rules: !!python/object:os.system x\n",
        "rules.yaml:1: rules.0: Input should be a valid dictionary or instance of RuleEntry, not 'x'",
    ),
    "a list as a key": ("? [a, b]\n: c\nrules: []\n", None),
    "a number as a key": ("5: c\nrules: []\n", "rules.yaml:1: 5: Keys should be strings, not 5"),
    "a date as a key": ("2020-01-01: c\nrules: []\n", None),
    "a set": ("rules: !!set {a, b}\n", None),
    "half a letter": ('rules: "\\ud800"\n', None),
}


@pytest.mark.parametrize(("body", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_policy_at_all_is_refused_in_one_line(folder, body, said):
    complaint = folder.write("rules", body).complaint()
    assert complaint.startswith("rules.yaml")
    assert len(complaint) < 400
    assert said is None or complaint == said


def test_an_anchor_may_be_used_again_without_a_warning(folder):
    folder.edit("limits", "files: 10 ", "files: &n 10 ").edit("limits", "trials: 1 ", "trials: &n 1 ")
    assert folder.read().settings.limits.breaker.trials == 1


def test_merging_keys_counts_as_writing_them(folder):
    folder.edit("thresholds", "  hold_s: 86400 ", "  <<: {hold_s: 5, episode_idle_s: 7}\n# ")
    folder.edit("thresholds", "  episode_idle_s: 86400 ", "# ")
    assert folder.read().settings.thresholds.memory.hold_s == 5


@pytest.mark.parametrize("name", ["limits", "risk", "thresholds", "rules", "actions"])
def test_a_missing_file_is_named(folder, name):
    folder.file(name).unlink()
    assert folder.complaint() == f"{name}.yaml: no such file (copy it from the shipped config and adapt it)"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError) as refused:
        read_policy(tmp_path / "nowhere")
    assert str(refused.value) == (
        f"{tmp_path}/nowhere: no such policy folder (give a folder with limits.yaml and its companions)"
    )
    assert refused.value.place == f"{tmp_path}/nowhere"
    assert refused.value.cure == "give a folder with limits.yaml and its companions"


def test_a_file_is_no_folder(folder):
    with pytest.raises(InputError, match="no such policy folder"):
        read_policy(folder.file("limits"))


def test_a_folder_is_no_file(folder):
    folder.file("rules").unlink()
    folder.file("rules").mkdir()
    assert (
        folder.complaint()
        == "rules.yaml: cannot be read: Is a directory (check the path and its permissions)"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_we_may_not_read_is_named(folder):
    folder.file("rules").chmod(0)
    assert re.match("rules.yaml: cannot be read: Permission denied", folder.complaint())


def test_what_is_wrong_is_kept_as_data(folder):
    folder.edit("limits", "files: 10 ", "fles: 10 ")
    with pytest.raises(PolicyError) as refused:
        folder.read()
    assert refused.value.message == "unknown key 'blast.fles'"
    assert refused.value.cure == "known here: api_calls, cost_usd, files"
    assert refused.value.place == f"{folder.file('limits')}:{folder.line_of('limits', 'fles')}"


def test_the_complaint_about_a_large_value_stays_short(folder):
    folder.write("rules", "rules: {" + ", ".join(f"key{n}: {n}" for n in range(5000)) + "}\n")
    assert len(folder.complaint()) < 250
