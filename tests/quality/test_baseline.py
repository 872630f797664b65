"""Named baselines: learned once, kept as files, judged by later checks; never from the data that is judged."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import EtlError, QualityError
from etl.quality import (
    Baseline,
    CheckStatus,
    PolarsEngine,
    acheck,
    check,
    check_batches,
    learn_baseline,
    load_baseline,
)
from etl.quality.baseline import FORMAT
from tests.quality.realistic import table

GOOD = pl.DataFrame({"id": range(100), "grade": ["a", "b", "b", "a"] * 25, "share": [0.1, 0.2, 0.3, 0.4, 0.5] * 20})
BAD = pl.DataFrame({"id": [1, 1, None], "grade": ["a", "x", "b"], "share": [0.1, 99.0, 0.2]})


def learn(folder: Path, data: Any = GOOD, name: str = "orders", **options: Any) -> Baseline:
    return learn_baseline(name, data, store=folder, **({"engine": "polars"} | options))


def judge(data: Any, folder: Path, *rules: Any, **options: Any) -> Any:
    return check(data, rules, engine="polars", auto_schema="orders", baselines=folder, **options)


def test_a_baseline_judges_later_data(tmp_path: Path) -> None:
    learned = learn(tmp_path)
    assert judge(GOOD, tmp_path).status is CheckStatus.PASSED
    result = judge(BAD, tmp_path)
    failed = {each.check_name for each in result.results if each.status == "failed"}
    assert {"not_null__id", "unique__id", "in_set__grade", "in_range__share"} <= failed
    assert len(result.results) == len(learned.rules)
    assert "baseline orders" in (result.results[0].rule.description or "")


def test_it_is_added_to_the_rules_of_the_check(tmp_path: Path) -> None:
    learned = learn(tmp_path)
    own = {"type": "row_count", "min": 1}
    names = [each.check_name for each in judge(GOOD, tmp_path, own, {"column": "id", "type": "not_null"}).results]
    assert names[:2] == ["row_count", "not_null__id"]
    assert len(names) == len(learned.rules) + 1, "a rule that is there already is judged once"
    with PolarsEngine() as engine:
        assert engine.check(BAD, auto_schema="orders", baselines=tmp_path).status is CheckStatus.FAILED
    assert check(BAD, engine="polars", auto_schema=learned).status is CheckStatus.FAILED


def test_every_way_to_check_takes_a_baseline(tmp_path: Path) -> None:
    learn(tmp_path)
    options: dict[str, Any] = {"engine": "polars", "auto_schema": "orders", "baselines": tmp_path}
    expected = check(BAD, **options).results
    assert check_batches((BAD.slice(place, 1) for place in range(3)), **options).results == expected
    assert asyncio.run(acheck(BAD, **options)).results == expected
    own = [{"column": "id", "type": "not_null"}]
    assert len(check_batches([BAD], own, **options).results) == len(expected)
    with pytest.raises(QualityError, match="no rule could ever fail"):
        check_batches([BAD], own, engine="polars", auto_schema=True)


def test_a_column_that_is_gone_is_an_error(tmp_path: Path) -> None:
    learn(tmp_path)
    assert judge(GOOD.drop("grade"), tmp_path).status is CheckStatus.ERROR


def test_what_is_kept_is_what_is_read(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    learned = learn(tmp_path / "deep" / "store", table("orders", 1, 800), strictness="strict")
    kept = json.loads((tmp_path / "deep" / "store" / "orders.json").read_text(encoding="utf-8"))
    assert (kept["format"], kept["name"]) == (FORMAT, "orders")
    assert (kept["learned"]["row_count"], kept["learned"]["strictness"]) == (800, "strict")
    assert before <= datetime.fromisoformat(kept["learned"]["timestamp"]) <= datetime.now(UTC)
    read = load_baseline("orders", store=tmp_path / "deep" / "store")
    assert read.to_dict() == learned.to_dict()
    data = table("orders", 1, 800)
    assert check(data, read.rules, engine="polars").results == check(data, learned.rules, engine="polars").results
    assert [path.name for path in (tmp_path / "deep" / "store").iterdir()] == ["orders.json"]


def test_learning_again_replaces(tmp_path: Path) -> None:
    learn(tmp_path)
    learn(tmp_path, GOOD.head(50))
    assert load_baseline("orders", store=tmp_path).learned.row_count == 50


def test_learning_from_the_data_that_is_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="no rule could ever fail") as raised:
        check(GOOD, auto_schema=True, engine="polars")
    assert "learn_baseline" in raised.value.hint
    with pytest.raises(QualityError, match="there are no rules"):
        check(GOOD, auto_schema=False, engine="polars")
    assert not [*tmp_path.iterdir()]


def test_a_baseline_that_is_not_there_names_the_call_that_learns_it(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="there is no baseline `orders`") as raised:
        judge(GOOD, tmp_path, {"column": "id", "type": "not_null"})
    assert 'etl.quality.learn_baseline("orders", data, store=' in raised.value.hint
    with pytest.raises(QualityError, match="nothing says where the baseline `orders` is"):
        check(GOOD, auto_schema="orders", engine="polars")


@pytest.mark.parametrize("name", ["", "../orders", "a/b", ".hidden", "a b", "x" * 101, "a\n"])
def test_a_name_is_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="cannot be the name of a baseline"):
        learn(tmp_path, name=name)
    with pytest.raises(QualityError, match="cannot be the name of a baseline"):
        check(GOOD, auto_schema=name, baselines=tmp_path, engine="polars")


@pytest.mark.parametrize("data", [GOOD.clear(), pl.DataFrame({"x": [[1]]})], ids=["no rows", "no rules"])
def test_data_that_teaches_nothing_is_refused(data: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="which is no baseline"):
        learn(tmp_path, data.select(pl.col("x").filter(pl.lit(value=False))) if "x" in data.columns else data)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: "{", "is no JSON"),
        (lambda _: "[]", "is no baseline"),
        (lambda kept: json.dumps(kept | {"format": FORMAT + 1}), "this release reads formats"),
        (lambda kept: json.dumps(kept | {"learned": kept["learned"] | {"rules": []}}), "suggest 0 rules"),
        (lambda kept: json.dumps(kept | {"learned": kept["learned"] | {"row_count": 0}}), "0 rows suggest"),
        (
            lambda kept: json.dumps(kept | {"learned": kept["learned"] | {"rules": [{"type": "odd"}]}}),
            "cannot be read: learned.rules",
        ),
        (lambda kept: json.dumps(kept | {"name": "other"}), "was learned as `other`"),
    ],
)
def test_a_damaged_baseline_is_an_error(change: Any, said: str, tmp_path: Path) -> None:
    learn(tmp_path)
    path = tmp_path / "orders.json"
    path.write_text(change(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    with pytest.raises(EtlError, match=said):
        judge(GOOD, tmp_path)


def test_a_writer_that_fails_leaves_the_old_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etl.quality.whole_file.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        learn(tmp_path, GOOD.head(50))
    assert load_baseline("orders", store=tmp_path).learned.row_count == 100
    assert [path.name for path in tmp_path.iterdir()] == ["orders.json"]


def test_writers_at_the_same_time_leave_one_whole_baseline(tmp_path: Path) -> None:
    learn(tmp_path)
    stop, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.add(load_baseline("orders", store=tmp_path).learned.row_count)
            except EtlError as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [
        threading.Thread(target=lambda rows=rows: [learn(tmp_path, GOOD.head(rows)) for _ in range(8)])
        for rows in (20, 40, 60)
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    stop.set()
    reader.join()
    assert wrong == []
    assert seen <= {20, 40, 60, 100}
    assert load_baseline("orders", store=tmp_path).learned.row_count in {20, 40, 60}
    assert [path.name for path in tmp_path.iterdir()] == ["orders.json"]
