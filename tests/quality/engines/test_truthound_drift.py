import json
import math
import random

import numpy as np
import polars as pl
import pytest
from scipy import stats
from truthound.drift.detectors import ChiSquareDetector, JensenShannonDetector, KSTestDetector, PSIDetector

from etl.errors import QualityError
from etl.quality.engines.truthound import TruthoundEngine
from etl.quality.engines.truthound.measures import _beyond_chi_square, _kolmogorov

ENGINE = TruthoundEngine()
DICE = random.Random(7)
BASE = pl.DataFrame(
    {"x": [DICE.gauss(0, 1) for _ in range(400)], "c": [DICE.choice("abc") for _ in range(400)], "n": [1] * 400}
)
LATER = pl.DataFrame(
    {"x": [DICE.gauss(0.2, 1.1) for _ in range(300)], "c": [DICE.choice("abbcd") for _ in range(300)], "n": [1] * 300}
)


@pytest.mark.parametrize(
    ("method", "column", "detector", "exactly"),
    [
        ("psi", "x", PSIDetector, 1e-12),
        ("ks", "x", KSTestDetector, 1e-12),
        ("chi2", "c", ChiSquareDetector, 1e-12),
        ("js", "x", JensenShannonDetector, 1e-3),  # it takes 0.693 for the logarithm of 2
        ("js", "c", JensenShannonDetector, 1e-3),
    ],
)
def test_the_measures_are_the_library_s(method: str, column: str, detector: type, exactly: float) -> None:
    theirs = detector().detect(BASE[column], LATER[column]).statistic
    ours = ENGINE.compare_drift(BASE, LATER, [column], method).columns[0].statistic  # type: ignore[arg-type]
    assert ours == pytest.approx(theirs, rel=exactly)


def test_the_probabilities_are_scipy_s() -> None:
    for statistic, freedom in ((0.1, 1), (3, 2), (50, 40), (500, 400), (1e-9, 3), (300, 3)):
        assert _beyond_chi_square(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-9)
    for distance in (0.1, 0.3, 0.8, 1.36, 2.5):
        assert _kolmogorov(distance) == pytest.approx(stats.kstwobign.sf(distance), abs=1e-9)
    ks = ENGINE.compare_drift(BASE, LATER, ["x"], "ks").columns[0]
    assert ks.statistic == pytest.approx(stats.ks_2samp(BASE["x"], LATER["x"]).statistic)
    table = np.array([[each["c"].eq(value).sum() for value in "abcd"] for each in (BASE, LATER)])
    chi2 = ENGINE.compare_drift(BASE, LATER, ["c"]).columns[0]
    assert chi2.p_value == pytest.approx(stats.chi2_contingency(table, correction=False)[1], rel=1e-9)


def test_what_stays_is_stable() -> None:
    report = ENGINE.compare_drift(BASE.lazy(), BASE)
    assert report.is_stable
    assert [each.state for each in report.columns] == ["stable"] * 3
    assert json.loads(json.dumps(report.to_dict()))["base_rows"] == 400


def test_what_changes_has_drifted() -> None:
    report = ENGINE.compare_drift(BASE, LATER.with_columns(pl.col("x") + 3))
    assert set(report.drifted) == {"x", "c"}
    assert not report.is_stable


def test_a_column_that_one_side_lacks_is_an_error() -> None:
    with pytest.raises(QualityError, match="the current frame has no column `c`"):
        ENGINE.compare_drift(BASE, LATER.drop("c"))
    with pytest.raises(QualityError, match="the base frame has no column `cc`; did you mean `c`"):
        ENGINE.compare_drift(BASE, LATER, ["cc"])
    with pytest.raises(QualityError, match="no column to compare"):
        ENGINE.compare_drift(BASE, LATER, [])
    assert ENGINE.compare_drift(BASE, LATER.drop("c"), ["n"]).is_stable


@pytest.mark.parametrize("method", ["psi", "ks", "js"])
def test_nothing_is_no_evidence(method: str) -> None:
    nothing = BASE.with_columns(x=pl.lit(None, dtype=pl.Float64))
    assert ENGINE.compare_drift(nothing, nothing, ["x"], method).columns[0].state == "unknown"  # type: ignore[arg-type]
    assert ENGINE.compare_drift(BASE, BASE.clear(), ["x"], method).unknown == ("x",)  # type: ignore[arg-type]
    assert ENGINE.compare_drift(BASE, BASE.head(2), ["x"], method).unknown == ("x",)  # type: ignore[arg-type]


def test_missing_values_are_part_of_a_distribution() -> None:
    gone = BASE.with_columns(x=pl.when(pl.int_range(pl.len()) % 5 > 0).then("x"))
    nans = BASE.with_columns(x=pl.when(pl.int_range(pl.len()) % 5 > 0).then("x").otherwise(math.nan))
    for each in (gone, nans):
        found = ENGINE.compare_drift(BASE, each, ["x"]).columns[0]
        assert (found.state, found.method, found.current_null_rate) == ("drifted", "null_rate", 0.2)
        assert ENGINE.compare_drift(each, each, ["x"]).is_stable


def test_another_type_is_a_change() -> None:
    found = ENGINE.compare_drift(BASE, BASE.with_columns(pl.col("n").cast(pl.String)), ["n"]).columns[0]
    assert (found.state, found.method) == ("drifted", "type")
    assert ENGINE.compare_drift(BASE, BASE.with_columns(pl.col("n").cast(pl.Int8)), ["n"]).is_stable


def test_a_list_has_no_distribution() -> None:
    lists = pl.DataFrame({"x": [[1]] * 10})
    assert ENGINE.compare_drift(lists, lists).unknown == ("x",)


def test_infinite_values_are_compared_too() -> None:
    endless = BASE.with_columns(x=pl.lit(math.inf))
    assert ENGINE.compare_drift(BASE, endless, ["x"]).drifted == ("x",)
    assert ENGINE.compare_drift(endless, endless, ["x"]).is_stable
    assert ENGINE.compare_drift(BASE, endless, ["x"], "ks").drifted == ("x",)


def test_what_is_asked_wrongly_is_refused() -> None:
    with pytest.raises(QualityError, match="did you mean `psi`"):
        ENGINE.compare_drift(BASE, LATER, method="psii")  # type: ignore[arg-type]
    with pytest.raises(QualityError, match="compares numbers, and the column `c`"):
        ENGINE.compare_drift(BASE, LATER, ["c"], "ks")
    with pytest.raises(QualityError, match="decides nothing"):
        ENGINE.compare_drift(BASE, LATER, threshold=0)


def test_the_threshold_decides() -> None:
    assert ENGINE.compare_drift(BASE, LATER, ["x"], "psi", threshold=0.01).drifted == ("x",)
    assert ENGINE.compare_drift(BASE, LATER, ["x"], "psi", threshold=0.9).is_stable
