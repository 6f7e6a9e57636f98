"""Sequential statistics: evidence that may be looked at after every event, and still bounds its errors.

Every process here is a bet against a claim, its null. Its value starts at 1 and, while the claim is true,
cannot be expected to grow, however the past is used to place the next bet. So the probability that it ever
reaches 1/alpha is at most alpha (Ville 1939), and looking at it after every event costs nothing.

State is a plain list of floats, changed in place. Only + - * / and comparisons touch it, in a written
order, so IEEE 754 gives the same bytes on every machine. The builtin `sum` is not used on floats: since
Python 3.12 it compensates its rounding, and gives other bytes than 3.11. What is
only shown to people, and never kept, may use logarithms: `intervals`, for one.
"""
