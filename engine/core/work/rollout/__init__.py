"""The rollout of a capability: how a candidate earns its authority, step by step, and how it loses it.

`candidates` holds what is known, `assignment` says who handles an episode, `episodes` folds what happens in
one, `evidence` weighs it, `steps` says what follows.
"""
