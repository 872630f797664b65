"""What is concluded from the rows of a table, on rows whose answer is known because they were made for it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from etl.onboarding.cutting import TimeSpan, cut, first_key
from etl.onboarding.dates import DateChoice, choose_date
from etl.onboarding.keys import Key
from etl.onboarding.lateness import measure_lateness
from etl.onboarding.moments import date_columns, epoch_unit
from etl.onboarding.naming import is_allowed, pipeline_names, place_of, plain_name
from etl.onboarding.personal import personal_columns
from etl.onboarding.promise import promise_of
from etl.onboarding.rhythm import Rhythm, counts_of, measure_rhythm
from etl.onboarding.rules import learned_rules
from etl.onboarding.sampling import TableSample
from etl.source.contract import CatalogueColumn, CatalogueForeignKey, CatalogueTable

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE = datetime(2026, 3, 2, 12)  # noqa: DTZ001
START = datetime(2025, 9, 1)  # noqa: DTZ001
KEY = ("id",)


def sample(frame: pl.DataFrame, name: str = "orders", **more: Any) -> TableSample:
    columns = tuple(CatalogueColumn(name=each, type="", nullable=True) for each in frame.columns)
    table = CatalogueTable(schema_name=None, name=name, is_view=False, columns=columns, **more)
    return TableSample(table, frame, frame.height, counted=True)


def moments(*hours: float) -> list[datetime]:
    return [START + timedelta(hours=each) for each in hours]


def choice(zone: str = "UTC", key: tuple[str, ...] = KEY, **columns: Any) -> DateChoice:
    frame = pl.DataFrame({"id": range(len(next(iter(columns.values())))), **columns})
    return choose_date(sample(frame), date_columns(frame, zone, NOW), key)


HOURLY = moments(*range(2400))
CHANGED = [each + timedelta(days=2 if n % 10 == 0 else 0) for n, each in enumerate(HOURLY)]


def test_a_row_that_came_is_preferred_to_a_row_that_is_due() -> None:
    found = choice(due_date=HOURLY, order_date=HOURLY, birth_date=HOURLY)
    assert found.column is not None
    assert (found.column.name, found.moves) == ("order_date", False)


def test_a_row_that_changes_is_found_by_its_last_change() -> None:
    found = choice(created_at=HOURLY, updated_at=CHANGED)
    assert found.column is not None
    assert (found.column.name, found.moves) == ("updated_at", True)
    assert "10% of the rows" in found.why


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"created_at": HOURLY, "updated_at": HOURLY}, KEY),  # no row was ever changed
        (
            {"created_at": HOURLY, "last_update": [START + timedelta(days=n % 3) for n in range(2400)]},
            KEY,
        ),  # set in bulk
        ({"created_at": HOURLY, "updated_at": CHANGED}, ()),  # without a key, the earlier rows could not be replaced
    ],
)
def test_a_last_change_that_tells_nothing_is_not_used(columns: dict[str, Any], key: tuple[str, ...]) -> None:
    found = choice(key=key, **columns)
    assert found.column is not None
    assert (found.column.name, found.moves) == ("created_at", False)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([None, *HOURLY[1:]], "`order_date` is empty in 1 of 2,400 rows"),
        ([None] * 1200 + HOURLY[1200:], "`order_date` is empty in 1,200 of 2,400 rows"),
        ([each + timedelta(days=365) for each in HOURLY], "lies in the future in 100% of the rows"),
        (HOURLY[:2] * 1200, "has only 1 different day"),
        ([1_750_000_000 + n for n in range(2400)], "looks like seconds since 1970"),
        ([f"{n % 28 + 1:02d}.01.2026" for n in range(2400)], "the table has no column of dates"),
    ],
)  # fmt: skip
def test_a_column_that_cannot_divide_the_rows_is_refused_with_the_reason(values: list[Any], why: str) -> None:
    found = choice(order_date=values)
    assert found.column is None
    assert why in found.why


def test_text_of_dates_is_a_column_of_dates() -> None:
    for text in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"):
        found = choice(created=[each.strftime(text) for each in HOURLY])
        assert found.column is not None
        assert (found.column.kind, found.column.first.date(), found.column.days) == ("text", date(2025, 9, 1), 100)


def test_moments_are_of_the_day_that_they_have_in_the_zone() -> None:
    aware = pl.Series([datetime(2025, 12, 31, 15, tzinfo=UTC), datetime(2026, 3, 29, 0, 30, tzinfo=UTC)])
    frame = pl.DataFrame({"created_at": aware})
    assert [each.date() for each in date_columns(frame, "Asia/Seoul", NOW)["created_at"].moments] == [
        date(2026, 1, 1), date(2026, 3, 29),
    ]  # fmt: skip
    berlin = date_columns(frame, "Europe/Berlin", NOW)["created_at"].moments  # the night in which 02:00 does not exist
    assert [each.hour for each in berlin] == [16, 1]


@pytest.mark.parametrize(
    ("late", "days"),
    [([], 1), ([3.0] * 1, 1), ([3.0] * 12, 3), ([9.0] * 12, 9), ([200.0] * 12, 31)],
)
def test_lateness_is_measured_by_the_order_of_a_counted_key(late: list[float], days: int) -> None:
    """Of 2,400 rows, twelve are more than one in a thousand, and one is not."""
    values = list(HOURLY)
    for place, by in enumerate(late):
        values[1000 + 100 * place] -= timedelta(days=by)
    frame = pl.DataFrame({"id": range(2400), "created_at": values})
    dates = date_columns(frame, "UTC", NOW)
    found = measure_lateness(sample(frame), DateChoice(dates["created_at"], ""), dates, KEY)
    assert found.days == days
    assert "in the order of `id`" in found.why


def test_lateness_is_measured_by_a_date_that_is_filled_later() -> None:
    shipped = [None if n > 2300 else each + timedelta(days=n % 12) for n, each in enumerate(HOURLY)]
    frame = pl.DataFrame({"id": range(2400), "order_date": HOURLY, "shipped_date": shipped})
    dates = date_columns(frame, "UTC", NOW)
    found = measure_lateness(sample(frame), DateChoice(dates["order_date"], ""), dates, KEY)
    assert (found.days, "rows change until `shipped_date`" in found.why) == (11, True)


def test_lateness_is_called_a_guess_if_nothing_tells_it() -> None:
    frame = pl.DataFrame({"id": [f"{n * 7919 % 2400}" for n in range(2400)], "created_at": HOURLY})
    dates = date_columns(frame, "UTC", NOW)
    found = measure_lateness(sample(frame), DateChoice(dates["created_at"], ""), dates, KEY)
    assert (found.days, found.why.startswith("a guess")) == (1, True)


def days(*offsets: int, last: date = date(2026, 3, 1), rows: int = 10) -> list[tuple[date, int]]:
    return [(last - timedelta(days=each), rows) for each in sorted(offsets, reverse=True)]


WORKING = [n for n in range(100) if (date(2026, 3, 1) - timedelta(days=n)).weekday() < 5]


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        (days(*range(60)), "daily"),
        (days(*range(1, 60)), "daily"),  # today is not over, and yesterday has rows
        (days(*WORKING), "working days"),
        (days(*range(0, 60, 4)), "none"),
        (days(*range(5)), "unknown"),
        (days(*range(400, 500)), "ended"),
        ([], "unknown"),
    ],
)
def test_the_rhythm_is_that_of_the_days(counts: list[tuple[date, int]], kind: str) -> None:
    assert measure_rhythm(counts, HERE, truncated=False).kind == kind


def test_the_first_day_does_not_count_where_not_all_of_its_rows_were_read() -> None:
    counts = [(date(2026, 1, 20), 1), *days(*range(30))]
    assert measure_rhythm(counts[1:], HERE, truncated=False).fewest == 10
    assert measure_rhythm([(date(2026, 1, 30), 1), *counts[2:]], HERE, truncated=True).fewest == 10


def test_days_are_counted() -> None:
    assert counts_of(pl.Series("x", [*moments(0, 1, 30), None])) == [(date(2025, 9, 1), 2), (date(2025, 9, 2), 1)]


def test_a_promise_needs_a_rhythm() -> None:
    daily = Rhythm("daily", "", 40)
    assert promise_of(daily, "day", "UTC", moves=False).values == {
        "freshness": {"deadline": "0 9 * * *", "timezone": "UTC"}, "min_row_count": 20,
    }  # fmt: skip
    assert "min_row_count" not in (promise_of(daily, "day", "UTC", moves=True).values or {})
    assert promise_of(Rhythm("none", "why"), "day", "UTC", moves=False).values is None


@pytest.mark.parametrize(("rows", "by"), [(50_000, "day"), (1000, "week"), (100, "month")])
def test_a_table_is_cut_by_its_volume(rows: int, by: str) -> None:
    assert cut(TimeSpan(START, START + timedelta(days=364), rows)).by == by


def test_the_first_partition_is_one_that_has_the_first_row() -> None:
    moment = datetime(2026, 1, 1, 23, 59)  # noqa: DTZ001  a Thursday
    assert [first_key(by, moment) for by in ("day", "week", "month")] == ["2026-01-01", "2025-12-29", "2026-01"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Order Details", "order_details"), ("InvoiceLine", "invoice_line"), ("HTTPLog", "http_log"), ("class", "class_table"),
        ("2024_sales", "table_2024_sales"), ("주문", "table"), ("Größe", "grosse"), ("a__b--c", "a_b_c"), ("x" * 99, "x" * 59),
    ],
)  # fmt: skip
def test_a_pipeline_has_a_plain_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_no_two_pipelines_have_one_name() -> None:
    places = [("a", "orders"), ("b", "Orders"), ("b", "b_orders"), (None, "주문"), (None, "고객")]
    tables = [CatalogueTable(schema_name=schema, name=name, is_view=False, columns=()) for schema, name in places]
    found = pipeline_names(tables, taken={"table"})
    assert [found[place_of(each)] for each in tables] == ["a_orders", "b_orders", "b_b_orders", "table_2", "table_3"]
    assert is_allowed("Order Details")
    assert not is_allowed("a;b")


@pytest.mark.parametrize(
    ("table", "column", "personal"),
    [
        ("orders", "customer_name", True), ("orders", "ship_address", True), ("orders", "address_id", False),
        ("orders", "status", False), ("products", "name", False), ("customer", "name", True), ("products", "picture", False),
        ("staff", "picture", True), ("users", "passwordHash", True), ("visits", "ip", True), ("shops", "latitude", False),
        ("people", "DateOfBirth", True), ("orders", "created_by", True), ("orders", "description", False),
        ("kunden", "이름", True), ("orders", "company", False), ("accounts", "iban", True), ("orders", "shipped", False),
    ],
)  # fmt: skip
def test_a_column_is_personal_by_its_name(table: str, column: str, personal: bool) -> None:
    frame = pl.DataFrame({"id": range(30), column: [f"value {n}" for n in range(30)]})
    assert (column in personal_columns(sample(frame, table))) == personal


def test_a_column_is_personal_by_its_values_and_the_reason_quotes_none() -> None:
    frame = pl.DataFrame({"memo": [f"person{n}@example.org" for n in range(30)]})
    found = personal_columns(sample(frame))
    assert "30 of 30 values" in found["memo"]
    assert "example.org" not in found["memo"]


def test_rules_about_persons_have_no_values() -> None:
    frame = pl.DataFrame(
        {
            "id": range(300),
            "grade": [("gold", "silver")[n % 2] for n in range(300)],
            "salary": [1000 + n for n in range(300)],
            "nurse": [("Mary Ann Smith", "Olga Petrova", "Jo Li")[n % 3] for n in range(300)],  # not known as personal
            "size": [n % 50 for n in range(300)],
        }
    )
    found = learned_rules(sample(frame), Key(KEY, ""), personal_columns(sample(frame)))
    told = {(each.rule["column"], each.rule["type"]) for each in found.rules}
    assert ("grade", "in_set") in told
    assert ("size", "in_range") in told
    assert ("salary", "not_null") in told
    assert not {("salary", "in_range"), ("nurse", "in_set"), ("id", "in_range")} & told
    assert all(each.rule["severity"] == "warning" for each in found.rules)


def test_a_key_of_another_table_has_no_range() -> None:
    frame = pl.DataFrame({"id": range(300), "shop_id": [n % 40 for n in range(300)]})
    key = CatalogueForeignKey(columns=("shop_id",), schema_name=None, table="shop", referred_columns=("id",))
    found = learned_rules(sample(frame, foreign_keys=(key,)), Key(KEY, ""), ())
    assert [each.rule["type"] for each in found.rules] == ["not_null"]


def test_numbers_that_are_moments_are_told_by_their_unit() -> None:
    assert [epoch_unit(pl.Series([1_750_000_000 * 10**power])) for power in (0, 3, 6)] == [
        "seconds", "milliseconds", "microseconds",
    ]  # fmt: skip
    assert epoch_unit(pl.Series([5, 6])) == ""
