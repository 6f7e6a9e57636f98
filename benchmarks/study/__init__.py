"""The study behind earned authority: how often each rule is wrong, how soon it is right, and what that costs.

    python -m benchmarks.study [--quick] [--seed N] [--workers N] [--out FOLDER]

`worlds` says when things fail, `product` is our rule over many canaries at once (its constants and factors
are read from engine/core/statistics), `peers` are the rules of other tools as their documentation describes
them, `ramps`, `clusters`, `lateness`, `shadow` and `points` put them to the test, `exact` and `machine` show
that the rule over many canaries is the product's, `page` and `charts` write docs/why/earned-authority.md.
"""
