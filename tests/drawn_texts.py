"""What Hypothesis draws texts and arguments from."""

from hypothesis import strategies as st

TEXTS = (
    "ann@example.com",
    "pay GB29NWBK60161331926819",
    "see https://x.org/a.",
    "nothing",
    "rm -rf /",
    ".env",
)

# Whole text is cheap to draw and rarely hits anything; half of it is what patterns and provenance look for.
texts = st.sampled_from(TEXTS) | st.text(max_size=20)
json_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from(TEXTS)
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
json_args = st.dictionaries(
    st.sampled_from(["path", "paths", "command", "service", "to", "amount"]) | st.text(max_size=5),
    json_values,
    max_size=4,
)
