"""How long a test waits for what should come at once: so long that only what hangs is ever late.

A test machine may be ten times as busy as ours, so no limit of a test is a promise of ours about time. Where
a promise is what is tested, the test says so and counts, rather than measures.
"""

PATIENCE_S = 900.0
