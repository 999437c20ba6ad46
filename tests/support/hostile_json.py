"""What a server that means harm, or is broken, may put into its JSON."""

from __future__ import annotations

from hypothesis import strategies as st

# Aware times that exist in some time zones and not in UTC, and the edges of what can be written.
HOSTILE_TIMES = (
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "2026-06-30T23:59:60Z",
)
_NUMBERS = (0, -1, 1, 2**53, -(2**63), 2**64, 10**400, 1e308, -1e308, 5e-324, -0.0)


def json_values() -> st.SearchStrategy[object]:
    """Times and numbers at the edges, texts, and small trees of them."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(HOSTILE_TIMES),
        st.sampled_from(_NUMBERS),
        st.floats(),
        st.text(max_size=8),
    )
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
