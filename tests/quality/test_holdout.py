"""Rules that were learned from one half of a table, on the other half: over many tables, seeds and sizes."""

import importlib.util
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import LearnResult, check, get_engine
from etl.quality.engine import Strictness
from etl.quality.rules import InRange, NotNull
from tests.installation import REPOSITORY
from tests.quality.realistic import TABLES, table

pytestmark = pytest.mark.slow  # rules are learned on many data sets

ENGINE = get_engine("polars")
SIZES, SEEDS = (200, 1000, 6000), range(4)
MOST = 0.03
MOST_OF_A_TABLE = 0.05


def halves(frame: pl.DataFrame, split: str, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Any half and the rest, or the first rows and those that came later."""
    rows = frame if split == "by time" else frame.sample(fraction=1, shuffle=True, seed=seed)
    return rows.head(rows.height // 2), rows.slice(rows.height // 2)


def broken(split: str, strictness: Strictness, holdout: float | None = None) -> tuple[Counter[str], Counter[str]]:
    """How many rules of each table the other half breaks, and how many were learned."""
    bad: Counter[str] = Counter()
    learned: Counter[str] = Counter()
    for name in TABLES:
        for rows in SIZES:
            for seed in SEEDS:
                known, unknown = halves(table(name, seed, rows), split, seed)
                rules = ENGINE.learn(known, strictness, holdout=holdout).rules
                results = check(unknown, rules, engine="polars").results
                learned[name] += len(results)
                bad[name] += sum(each.status != "passed" for each in results)
    return bad, learned


@pytest.mark.parametrize("split", ["at random", "by time"])
def test_the_other_half_breaks_few_of_the_moderate_rules(split: str) -> None:
    bad, learned = broken(split, "moderate")
    assert learned.total() > 1500
    assert bad.total() <= MOST * learned.total(), f"{bad.total()} of {learned.total()}"
    worst = max(bad, key=lambda name: bad[name] / learned[name])
    assert bad[worst] <= MOST_OF_A_TABLE * learned[worst], f"{worst}: {bad[worst]} of {learned[worst]}"
    untried, of = broken(split, "moderate", holdout=0)
    assert untried.total() > MOST * of.total(), "the tables are easy, so the bar shows nothing"
    assert learned.total() > 0.9 * of.total(), "few rules break because few are learned"


@pytest.mark.parametrize("split", ["at random", "by time"])
def test_the_other_half_breaks_still_fewer_of_the_lenient_rules(split: str) -> None:
    bad, learned = broken(split, "lenient")
    assert bad.total() <= 0.01 * learned.total(), f"{bad.total()} of {learned.total()}"


def demo_tables(folder: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    for script in sorted((REPOSITORY / "tenants").glob("*/demo/generate.py")):
        spec = importlib.util.spec_from_file_location(f"demo_{script.parts[-3]}", script)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        path = folder / f"{script.parts[-3]}.sqlite"
        module.make_demo(path)
        connection = sqlite3.connect(path)
        try:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found = connection.execute(f'SELECT * FROM "{name}"')
                columns = [each[0] for each in found.description]
                rows = found.fetchall()
                yield (
                    f"{script.parts[-3]}.{name}",
                    pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None),
                )
        finally:
            connection.close()


def test_the_tables_of_the_demo_keep_the_bar_too(tmp_path: Path) -> None:
    bad = learned = tables = 0
    for _, frame in demo_tables(tmp_path):
        tables += 1
        for split in ("at random", "by time"):
            known, unknown = halves(frame, split, 1)
            results = check(unknown, rules, engine="polars").results if (rules := ENGINE.learn(known).rules) else ()
            learned += len(results)
            bad += sum(each.status != "passed" for each in results)
    assert tables >= 3
    assert bad <= MOST * learned, f"{bad} of {learned}"


LONG = 1000


def learn(frame: pl.DataFrame, strictness: Strictness = "moderate", **options: Any) -> LearnResult:
    return ENGINE.learn(frame, strictness, **options)


def test_a_range_that_grows_keeps_only_the_end_that_holds() -> None:
    result = learn(pl.DataFrame({"id": range(LONG)}))
    (rule,) = [each for each in result.rules if isinstance(each, InRange)]
    assert (rule.min, rule.max) == (0, None)
    assert "in_range__id" in result.widened
    assert result.holdout == 0.5


def test_a_rule_that_few_rows_break_allows_a_few() -> None:
    values = [100] * LONG
    values[7] = 10_000
    result = learn(pl.DataFrame({"x": [float(each) for each in values]}))
    (rule,) = [each for each in result.rules if isinstance(each, InRange)]
    assert rule.mostly == 0.99
    assert result.widened == ("in_range__x",)


def test_a_rule_that_many_rows_break_is_left_out() -> None:
    first, last = ["a", "b"] * (LONG // 4), ["c", "d"] * (LONG // 4)
    result = learn(pl.DataFrame({"kind": [*first, *last]}))
    assert [rule.type for rule in result.rules] == ["dtype", "not_null"]
    assert result.left_out == ("in_set__kind",)


def test_rules_that_hold_stay_as_they_are() -> None:
    frame = pl.DataFrame({"grade": ["a", "b", "c", "a"] * 250, "x": [*range(10)] * 100})
    tried, untried = learn(frame), learn(frame, holdout=0)
    assert (tried.rules, tried.widened, tried.left_out) == (untried.rules, (), ())
    assert untried.holdout == 0


def test_strict_describes_the_data_and_tries_nothing() -> None:
    result = learn(pl.DataFrame({"id": range(LONG)}), "strict")
    assert (result.holdout, result.widened, result.left_out) == (0, (), ())
    assert learn(pl.DataFrame({"id": range(LONG)}), "strict", holdout=0.5).widened == ("in_range__id",)


def test_nulls_may_be_a_little_more_than_in_few_rows() -> None:
    (rule,) = [each for each in learn(pl.DataFrame({"x": [None] + [1.5] * 99})).rules if isinstance(each, NotNull)]
    assert rule.mostly == 0.96  # of 100 rows one is null; the next 100 may have up to 4


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_a_handful_of_rows_cannot_be_divided(rows: int) -> None:
    assert learn(pl.DataFrame({"x": [1.5] * rows})).holdout == 0


@pytest.mark.parametrize("holdout", [-0.1, 0.6, float("nan")])
def test_a_holdout_is_a_share(holdout: float) -> None:
    with pytest.raises(QualityError, match="is not a share from 0 to"):
        learn(pl.DataFrame({"x": [1]}), holdout=holdout)


def test_a_file_gives_the_same_rules_as_its_frame(tmp_path: Path) -> None:
    frame = table("trips", 1, 500)
    frame.write_parquet(tmp_path / "trips.parquet")
    result, lazy = learn(frame), ENGINE.learn(tmp_path / "trips.parquet")
    assert (result.rules, result.widened, result.left_out) == (lazy.rules, lazy.widened, lazy.left_out)
    assert LearnResult.from_dict(result.to_dict()) == result


def test_a_column_may_have_the_name_that_numbers_the_rows() -> None:
    result = learn(pl.DataFrame({"row": [1, 2] * 50, "_row": [1, 2] * 50}))
    assert {rule.check_name for rule in result.rules} >= {"in_range__row", "in_range___row"}


def test_a_key_of_a_few_rows_is_no_key_yet() -> None:
    few, many = (learn(pl.DataFrame({"id": [f"k{each}" for each in range(rows)]})) for rows in (30, 100))
    assert "unique__id" in few.left_out
    assert "unique__id" in {rule.check_name for rule in many.rules}
