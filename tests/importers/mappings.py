"""Mappings and rows that several tests of the generic format share."""

METRIC = """
format: csv
time: {column: when}
emit:
  - metric: {series: {column: host}, value: {column: load}}
"""
ROWS = "when,host,load\n2024-05-01T00:00:00Z,a,1.5\n2024-05-01T00:00:01Z,b,2\n"

MANY = "when,host,load\n" + "".join(f"2024-05-01,h{n * n},{n}\n" for n in range(3_000))

EVERYTHING = """
format: jsonl
time: {column: t, format: unix_s}
notes: [made up]
emit:
  - when: {column: k, equals: ask}
    proposal:
      proposal_id: {template: "{k}-{row}"}
      agent: {column: who.name}
      capability: {value: heal@1}
      action: {column: do, default: look}
      args_from: extra
      args:
        n: {column: n, type: integer}
        x: {column: x, type: number}
        flag: {column: flag, type: boolean}
        raw: {column: raw, type: json}
        text: {column: n, type: string}
        same: {column: x}
        gone: {column: missing}
        none: {column: missing, empty: "null"}
        kept: {column: missing, empty: keep}
        fixed: {value: [1, 2]}
      episode: {template: "{missing}"}
      environment: {column: env}
      cost_usd: {column: cost}
      files: {value: 2}
      api_calls: {column: n}
      confidence: {column: sure}
      rationale: {column: why}
  - when: {column: k, in: [ok, bad]}
    outcome:
      proposal_id: {value: ask-1}
      agent: {column: who.name}
      capability: {value: heal@1}
      action: {value: look}
      ok: {column: k}
      by: executor
      detail: {column: why}
  - when: {column: k, equals: say}
    message: {episode: {value: e}, source: {column: who.role}, text: {column: why}}
  - when: {column: k, equals: end}
    episode_closed: {episode: {value: e}}
  - when: {column: k, equals: up}
    promoted: {capability: {value: heal@2}, by: {value: ann}, reason: {column: why}}
  - when: {column: k, equals: down}
    demoted: {capability: {value: heal@2}, by: {value: ann}}
  - when: {column: k, equals: hold}
    paused: {capability: {value: heal}, by: {value: ann}}
  - when: {column: k, equals: go}
    resumed: {capability: {value: heal}, by: {value: ann}}
  - when: {column: k, equals: stop}
    kill_switch_set: {scope: {column: scope}, by: {value: ann}, reason: {column: why}}
  - when: [{column: k, equals: clear}, {column: flag, not_in: [false]}]
    kill_switch_cleared: {scope: {value: all}, by: {value: ann}}
  - when: {column: k, equals: ask}
    label:
      proposal_id: {template: "{k}-{row}"}
      unsafe: {column: n, in: [3, 4]}
      benign_episode: {value: true}
  - when: {column: k, equals: end}
    episode_label: {episode: {value: e}, benign: {column: flag}}
"""
LINES = [
    {
        "t": 1,
        "k": "ask",
        "who": {"name": "coder", "role": "agent"},
        "n": 3,
        "x": 2.5,
        "flag": True,
        "raw": '{"a": [1]}',
        "extra": {"base": 1, "n": 9},
        "env": "prod",
        "cost": "0.10",
        "sure": 0.5,
        "why": "because",
    },
    {"t": 2, "k": "ok", "who": {"name": "coder"}, "why": ""},
    {"t": 3, "k": "say", "who": {"role": "tool"}, "why": "text"},
    {"t": 4, "k": "up", "why": "proven"},
    {"t": 5, "k": "down"},
    {"t": 6, "k": "hold"},
    {"t": 7, "k": "go"},
    {"t": 8, "k": "stop", "scope": "agent:coder"},
    {"t": 9, "k": "clear", "flag": "y"},
    {"t": 9, "k": "clear", "flag": False},
    {"t": 9.5, "k": "end", "flag": "no", "do": None, "missing": None},
]

PROPOSAL = """
format: jsonl
time: {column: t, format: unix_s}
infer: true
emit:
  - proposal:
      proposal_id: {template: "{row}"}
      agent: {value: a}
      capability: {value: a@1}
      action: {column: do}
      args_from: args
"""
