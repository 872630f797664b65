"""Which `:names` of a query bind a value, and which colons are something else."""

import pytest

from etl.query_text import binds


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT 1 WHERE a >= :window_start AND a<:window_end", (":window_start", ":window_end")),
        ("SELECT 1 WHERE a=:start OR a IN (:x,:y)", (":start", ":x", ":y")),
        ("SELECT a::date, b :: text, ':no', \":no\", $$ :no $$ -- :no\n FROM t /* :no */", ()),
        ("SELECT arr[1:n], arr[a:b], arr[:n], col:path FROM t", ()),
        ("SELECT '{\"a\":1}'::jsonb", ()),
    ],
)
def test_binds(query: str, found: tuple[str, ...]) -> None:
    assert binds(query) == found
