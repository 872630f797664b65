"""What is refused in `partitions`, at its place in the file; and what a file of before keeps."""

from collections.abc import Callable

import pytest

from etl.config.pipeline_config import Partitions
from etl.config.tenant_config import fingerprint
from etl.errors import ConfigError
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from tests.config.conftest import Project

pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")  # dbt brings it along


def tenant(*keys: str, more: str = "") -> str:
    lines = "".join(f"      {each}\n" for each in keys)
    return f"id: acme\nassets:\n  pipelines:\n    a:\n      source_table: a\n{lines}{more}"


@pytest.mark.parametrize(
    ("keys", "expected", "place"),
    [
        (("date_column: d", "partitions: {by: weeks}"), "did you mean `week`?", "7:24"),
        (("date_column: d", "partitions: {by: daily}"), "`by: daily` has no `keys`", "7:24"),
        (("date_column: d", "partitions: {by: day, keys: [a]}"), "`keys` beside `by: day`", "7:29"),
        (("date_column: d", "partitions: {by: week, start: 2026-01-06}"), "no week begins on 2026-01-06", "7:37"),
        (("date_column: d", "partitions: {by: month, start: 2026-01-06}"), "no month begins on 2026-01-06", "7:38"),
        (("date_column: d", "partitions: {by: hour, start: 2026-01-06T06:30}"), "no hour begins at", "7:37"),
        (("date_column: d", "partitions: {end: 9999-12-31}"), "`9999-12-31` is too far away", "7:25"),
        (("date_column: d", "partitions: {by: week, start: 9999-W52}"), "`9999-W52` is too far away", "7:37"),
        (("date_column: d", "partitions: {start: 0001-01-01, timezone: Asia/Seoul}"), "is too far away", "7:27"),
        (("date_column: d", "partitions: {start: soon}"), "`soon` is no day: write it as 2026-01-31", "7:27"),
        (
            ("date_column: d", "partitions: {by: hour, start: 2026-01-05T06:00, end: 2026-01-05T05:00}"),
            "the last hour is before the first",
            "7:60",
        ),
        (("date_column: d", "partitions: {by: hour, lookback_days: 1}"), "`lookback_days` with `by: hour`", "7:45"),
        (("date_column: d", "partitions: {lookback: 1, lookback_days: 1}"), "beside `lookback_days`", "7:30"),
        (("partitions: {by: hour}",), "`partitions` without a `date_column`", "6:7"),
        (("partitions: {by: region, keys: []}",), "`by: region` has no `keys`", "6:24"),
        (("partitions: {by: region, keys: [a, b, A]}",), "`A` stands there twice", "6:45"),
        (("partitions: {by: region, keys: [c, a/b]}",), "`a/b` cannot be a partition's key", "6:42"),
        (("partitions: {by: region, keys: ['2026-01']}",), "`2026-01` cannot be a partition's key", "6:39"),
        (("partitions: {by: region, keys: [é]}",), "allowed: letters from a to z, digits, `-`", "6:39"),
        (
            ("partitions: {by: region, keys: [a, 1.5]}",),
            "keys[1]), found `1.5`, did you mean `1_5`? allowed: letters",
            "6:42",
        ),
        (("partitions: {by: region, keys: [a], start: 2026-01-01}",), "`start` beside partitions by `region`", "6:50"),
        (("date_column: d", "partitions: {by: region, keys: [a]}"), "a `date_column` beside partitions", "6:20"),
        (("columns: [id]", "partitions: {by: region, keys: [a]}"), "column `region` is not among", "7:24"),
        (
            ("partitions: {by: region, keys: [a]}", "sla: {freshness: {deadline: 0 9 * * *}}"),
            "a `deadline` for partitions by `region`",
            "7:35",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_at_its_place(
    one_problem: Callable[..., str], keys: tuple[str, ...], expected: str, place: str
) -> None:
    text = one_problem(tenant(*keys))
    assert expected in text
    assert f"config.yaml:{place}" in text


@pytest.mark.parametrize(
    ("query", "partitions", "said"),
    [
        ("SELECT * FROM a WHERE r = :partition", "date_column: d", "only partitions by the values of a column have"),
        ("SELECT * FROM a WHERE d >= :window_start", "partitions: {by: r, keys: [x]}", "its partitions are no time"),
        ("SELECT * FROM a WHERE r = :partitoin", "partitions: {by: r, keys: [x]}", "did you mean `:partition`?"),
        ("SELECT * FROM a WHERE r = :partition", "allow_empty: true", "has no partitions"),
    ],
)
def test_what_a_query_binds(one_problem: Callable[..., str], query: str, partitions: str, said: str) -> None:
    text = f"id: acme\nassets:\n  pipelines:\n    a:\n      query: '{query}'\n      {partitions}\n"
    assert said in one_problem(text)


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ("date_column: d", "date_column: d, partitions: {by: hour}", "by hour, `a` by day: none belongs to another"),
        ("partitions: {by: r, keys: [x, y]}", "partitions: {by: r, keys: [x]}", "`b` has no r y"),
        ("date_column: d, partitions: {by: month, start: 2025-12}",
         "date_column: d, partitions: {by: month, start: 2026-01}", "`b` has no month 2025-12"),
    ],
)  # fmt: skip
def test_an_input_that_is_cut_in_another_way_is_refused(
    project: Project, one_problem: Callable[..., str], own: str, other: str, said: str
) -> None:
    project.transform("a", "def a(b):\n    return b\n")
    transfer = "has_transfer: true, transfer_inputs: [b]"
    text = f"id: acme\nassets:\n  pipelines:\n    a: {{source_table: a, {own}, {transfer}}}\n    b: {{source_table: b, {other}}}\n"
    assert said in one_problem(text)


def test_every_way_is_read(project: Project) -> None:
    lines = {
        "day": "date_column: d",
        "hour": "date_column: d, partitions: {by: hour, start: 2025-10-26, timezone: Europe/Berlin}",
        "week": "date_column: d, partitions: {by: week, start: 2026-W02, end: 2026-02-02}",
        "month": "date_column: d, partitions: {by: month, start: 2026-01, end: 2026-03}",
        "static": "partitions: {by: plant, keys: [100, no, emea]}",
        "whole": "allow_empty: true",
    }
    text = "".join(f"    {name}: {{source_table: t, {each}}}\n" for name, each in lines.items())
    found = project.load(f"id: acme\nassets:\n  pipelines:\n{text}").pipelines
    assert {name: each.scheme for name, each in found.items()} == {
        "day": TimeScheme("day", "2024-01-01"),
        "hour": TimeScheme("hour", "2025-10-25T2200Z", None, "Europe/Berlin"),
        "week": TimeScheme("week", "2026-W02-1", "2026-W06-1"),
        "month": TimeScheme("month", "2026-01", "2026-03"),
        "static": StaticKeys("plant", ("100", "no", "emea")),
        "whole": WholeTable(),
    }
    assert {name for name, each in found.items() if each.partitions is None} == {"whole"}


def test_days_have_the_fingerprint_that_they_had() -> None:
    """It decides whether a journal is gone on with, and what Dagster shows as changed: the text of format 1."""
    said = Partitions.model_validate({"start": "2026-01-01", "end": "2026-01-10", "timezone": "Asia/Seoul"})
    assert said.model_dump(mode="json") == {
        "start": "2026-01-01",
        "end": "2026-01-10",
        "timezone": "Asia/Seoul",
        "lookback_days": 0,
        "in_flight": 1,
        "naive_timezone": None,
    }
    explicit = Partitions.model_validate(
        {"by": "day", "start": "2026-01-01", "end": "2026-01-10", "timezone": "Asia/Seoul"}
    )
    assert fingerprint(explicit) == fingerprint(said)


def test_an_inherited_deadline_is_refused_too(project: Project) -> None:
    text = tenant("partitions: {by: region, keys: [a]}", more="sla: {freshness: {deadline: 0 9 * * *}}\n")
    with pytest.raises(ConfigError, match="of which none is ever due"):
        project.load(text)
