"""Keys that are judged share by share get the verdict of all keys at once."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.quality import check
from etl.quality.engines import large_keys
from etl.quality.rules import Unique
from tests.conformance.cases import make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import expect
from tests.conformance.test_conformance import ENGINES, differences

pytestmark = pytest.mark.slow  # generated frames of every type, judged share by share


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_keys, "ROWS_OF_A_SHARE", 3)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ["polars", "truthound"])
def test_every_type_of_key_gets_the_oracles_verdict(engine: str, kind: str, tmp_path: Path) -> None:
    for seed in range(3):
        frame = make_frame(kind, seed)
        places = [tmp_path / f"{seed}-{part}.parquet" for part in range(2)]
        frame[: frame.height // 2].write_parquet(places[0])
        frame[frame.height // 2 :].write_parquet(places[1])
        names = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
        rules: list[Any] = [Unique(column=name) for name in names]
        rules += [Unique(columns=tuple(pair)) for pair in pairwise(names)]
        rules += [Unique(column=name, where="x > 0") for name in names]
        rules += make_rules(f"{kind} {seed}", ENGINES[0].rules)[:20]
        found = differences(
            engine,
            f"{tmp_path}/{seed}-*.parquet",
            frame.schema,
            rules,
            expect(frame, rules, NOW, TABLES),
            TABLES,
            NOW,
        )
        assert not found, "\n".join(found[:10])


@pytest.mark.usefixtures("few_rows")
def test_the_rows_of_a_sample_are_rows_that_broke_the_rule(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [*range(30), 7, 21, 7], "b": range(33)})
    frame.write_parquet(tmp_path / "a.parquet")
    (found,) = check(
        tmp_path / "a.parquet", [{"column": "a", "type": "unique"}], engine="polars", key_columns=["b"]
    ).results
    assert (found.failed_count, found.total_count) == (5, 33)
    assert found.rows
    assert {*found.rows} <= {7, 21, 30, 31, 32}
    assert [each["b"] for each in found.sample] == [*found.rows]


@pytest.mark.usefixtures("few_rows")
def test_rows_that_vanish_between_two_shares_are_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.parquet"
    pl.DataFrame({"a": range(30)}).write_parquet(place)
    whole = large_keys.share

    def losing(data: pl.LazyFrame, rule: Any, number: int, shares: int) -> pl.LazyFrame:
        return whole(data, rule, number, shares).filter(pl.col("a") != 5)

    monkeypatch.setattr("etl.quality.engines.polars.share", losing)
    rules = [{"column": "a", "type": "unique"}, {"column": "a", "type": "not_null"}]
    found = check(place, rules, engine="polars")
    assert [each.status for each in found.results] == ["error", "passed"]
    assert found.results[0].message == large_keys.CHANGED


def test_a_table_that_fits_is_judged_in_one_query(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    assert large_keys.shares_of(pl.scan_parquet(tmp_path / "a.parquet"), [Unique(column="a")]) == 1
    assert large_keys.shares_of(pl.LazyFrame({"a": range(5_000_000)}), [Unique(column="a")]) == 3
