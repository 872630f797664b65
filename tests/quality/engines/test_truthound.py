import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.quality import check, parse_rules
from etl.quality.engine import CheckContext
from etl.quality.engines.truthound import TruthoundEngine
from etl.quality.engines.truthound.fused import check_all
from etl.quality.engines.truthound.library import ValidationRun, library
from etl.quality.frames import is_scan

FRAME = pl.DataFrame({"id": [1, 2, 2, None], "s": ["a", "b", None, "c"], "x": [0.5, -1.0, 2.0, float("nan")]})
RULES: list[dict[str, Any]] = [
    {"column": "id", "type": "not_null"},
    {"column": "id", "type": "unique"},
    {"column": "s", "type": "in_set", "values": ["a", "b"]},
    {"column": "x", "type": "in_range", "min": 0},
    {"column": "x", "type": "positive", "where": "id = 1"},
    {"column": "id", "type": "mean_between", "min": 5},
    {"type": "row_count", "min": 1},
    {"column": "s", "type": "regex", "pattern": "^[ab]$", "mostly": 0.5},
]


def counts(data: Any, engine: str, **arguments: Any) -> list[tuple[Any, ...]]:
    return [
        (each.check_name, each.status, each.failed_count, each.total_count, each.actual, each.sample)
        for each in check(data, RULES, engine=engine, key_columns=["id"], **arguments).results
    ]


@pytest.mark.parametrize("data", [FRAME, FRAME.lazy(), FRAME.clear(), FRAME.lazy().filter(pl.col("id") > 1)])
def test_the_vocabulary_is_judged_as_the_reference_judges_it(data: Any) -> None:
    assert counts(data, "truthound") == counts(data, "polars")


def test_a_file_is_judged_as_the_frame_is(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "data.parquet")
    assert counts(tmp_path / "data.parquet", "truthound") == counts(FRAME, "truthound")


def test_the_data_are_read_once(tmp_path: Path) -> None:
    reads: list[int] = []

    def seen(frame: pl.DataFrame) -> pl.DataFrame:
        reads.append(frame.height)
        return frame

    lazy = FRAME.lazy().map_batches(seen, streamable=False, schema=FRAME.schema)
    assert check(lazy, RULES, engine="truthound").row_count == 4
    assert len(reads) == 1
    reads.clear()
    check(
        lazy,
        [
            *RULES,
            {"truthound": "between", "columns": ["id"], "min_value": 0},
            {"truthound": "duplicate", "subset": ["s"]},
        ],
    )
    assert len(reads) == 1, "with validators of the library too"


def test_what_only_reads_is_recognised(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "data.parquet")
    scan = pl.scan_parquet(tmp_path / "data.parquet")
    assert is_scan(scan)
    assert is_scan(FRAME.lazy())
    assert not is_scan(scan.filter(pl.col("id") > 0))
    assert not is_scan(scan.with_columns(y=1))


SCRIPT = """
import polars as pl
from etl.quality import check
from etl.quality.engines.truthound import TruthoundEngine
frame = pl.DataFrame({"id": [1, None], "mail": ["a@b.co", "x"]})
rules = [{"column": "id", "type": "not_null"}, {"truthound": "null", "columns": ["id"]},
         {"truthound": "column_ratio", "columns": ["id", "mail"]}, {"truthound": "latitude", "column": "mail"},
         {"truthound": "in_set", "columns": ["mail"], "allowed_values": [1]}]
assert not check(frame, rules, key_columns=["id"]).is_success
engine = TruthoundEngine()
engine.profile(frame)
engine.learn(frame)
engine.scan_pii(frame)
engine.compare_drift(frame, frame)
"""


def run_in(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *flags, "-c", SCRIPT]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_nothing_is_written_and_nothing_is_printed(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    done = run_in(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [*tmp_path.rglob("*")] == [tmp_path / ".git"]


def test_warnings_may_be_errors(tmp_path: Path) -> None:
    done = run_in(tmp_path, "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    tmp_path.chmod(0o555)
    try:
        assert run_in(tmp_path).returncode == 0
    finally:
        tmp_path.chmod(0o755)


def test_importing_the_engine_does_not_import_the_library() -> None:
    script = (
        "import sys, etl.quality, etl.quality.engines.truthound as engine; engine.TruthoundEngine()\n"
        "assert not {'truthound', 'numpy', 'scipy', 'pandas'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_level_that_somebody_set_stays() -> None:
    script = (
        "import logging; logging.getLogger('truthound').setLevel(logging.INFO)\n"
        "from etl.quality.engines.truthound.library import library; library()\n"
        "assert logging.getLogger('truthound').level == logging.INFO"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_library_is_silent_about_values(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    library()
    with caplog.at_level(logging.DEBUG):
        result = check(
            pl.DataFrame({"s": ["secret"]}), [{"truthound": "in_set", "columns": ["s"], "allowed_values": [1]}]
        )
    assert result.results[0].status == "error"
    assert "secret" not in result.describe() + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (ValidationRun({}, {}), "reported 0 failing rows where 1 were found"),
        (ValidationRun({"etl_rule_0": 2}, {}), "reported 2 failing rows where 1 were found"),
        (ValidationRun({"etl_rule_0": 1}, {"etl_rules": "it broke"}), "it broke"),
    ],
)
def test_a_verdict_counts_only_if_the_library_reports_it(
    run: ValidationRun, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = library()

    def altered(data: pl.LazyFrame, tasks: Any) -> ValidationRun:
        real.run(data, tasks)
        return run

    monkeypatch.setattr("etl.quality.engines.truthound.fused.library", lambda: type(real)(altered, real.issue))
    result = check(FRAME, RULES[:1], engine="truthound").results[0]
    assert result.status == "error"
    assert problem in result.message


def test_a_validator_that_never_ran_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = library()
    idle = type(real)(lambda _data, _tasks: ValidationRun({}, {}), real.issue)
    monkeypatch.setattr("etl.quality.engines.truthound.fused.library", lambda: idle)
    assert {each.status for each in check(FRAME, RULES, engine="truthound").results} == {"error"}


def test_a_rule_that_breaks_harms_no_other() -> None:
    def broken(frame: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("the plan is broken")

    lazy = FRAME.lazy().map_batches(broken, schema=FRAME.schema)
    assert {each.status for each in check(lazy, RULES, engine="truthound").results} == {"error"}


def test_many_threads_at_once() -> None:
    frames = [FRAME.with_columns(id=pl.lit(number)) for number in range(8)]
    rules = [*RULES, {"truthound": "between", "columns": ["id"], "max_value": 3}]
    found: dict[int, str] = {}

    def work(number: int) -> None:
        for _ in range(5):
            found[number] = check(frames[number], rules).results[-1].status

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == {number: "passed" if number <= 3 else "failed" for number in range(8)}


def test_every_rule_of_the_vocabulary_is_supported() -> None:
    engine = TruthoundEngine()
    for rule in parse_rules(RULES):
        assert engine.capabilities.refusal(rule, FRAME.schema) is None


def test_no_rules_is_a_run_too() -> None:
    report = check_all(FRAME, [], CheckContext(FRAME.schema, datetime.now(UTC)))
    assert (report.row_count, [*report.outcomes]) == (4, [])
