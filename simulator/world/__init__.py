"""The made-up world: one seed decides everything in it.

`stories` and `characters` say who is in it and what they are like, `incidents` what happens whoever deals
with it, `running` lets it run, and a `sink` is where it tells what happened: a real engine, or a recording.
`week` makes the bundled recording of the first demo.
"""
