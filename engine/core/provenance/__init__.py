"""Provenance: where the values an agent acts on come from, its person or something a tool returned.

An agent that sends money to an account it only ever saw inside a fetched document is following the document,
not its person. That is how most prompt injections show, whatever their wording. So nothing here looks for
wording: `wanted` takes the identifying values out of a proposal, `reading` says what a text names and in
which way, and `heard` remembers that for each episode and compares.
"""
