"""The suite as somebody else's engine runs it: by the option, or in a test module of one's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from etl.errors import QualityError
from etl.quality import PolarsEngine
from etl.quality.testing.conformance import find_engine

ENGINES = """
from etl.quality import Capabilities, EngineReport, PolarsEngine

class Right(PolarsEngine):
    name = "right"

class Wrong(PolarsEngine):
    name = "wrong"

    def judge(self, data, rules, context):
        return super().judge(data.lazy().filter(True).head(5), rules, context)

class Idle(PolarsEngine):
    name = "idle"
    capabilities = Capabilities(rules=frozenset())

class Coy(PolarsEngine):
    name = "coy"
    capabilities = Capabilities(rules=frozenset({"not_null"}), lazy=True, unsupported=lambda rule, schema: "not today")
"""
BLOCKED = "import sys; sys.modules.update(dict.fromkeys(['dagster', 'duckdb', 'pyarrow', 'truthound']))\n"


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    (folder / "their_engines.py").write_text(ENGINES, encoding="utf-8")
    (folder / "conftest.py").write_text(BLOCKED, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "etl.quality.testing.conformance",
            *arguments,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_right_engine_passes(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--engine", "their_engines:Right")
    assert code == 0, said
    assert "50 passed" in said


def test_a_wrong_engine_fails_and_the_report_says_where(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--engine", "their_engines:Wrong", "-k", "dirty and frame")
    assert code == 1
    assert "is passed (" in said or "is failed (" in said
    assert "1 failed" in said


@pytest.mark.parametrize(
    ("engine", "why"), [("Idle", "nothing was judged"), ("Coy", "refuses every rule of these types: not_null")]
)
def test_an_engine_that_judges_nothing_does_not_pass(engine: str, why: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, "--engine", f"their_engines:{engine}", "-k", "claims or empty")
    assert code == 1
    assert why in said


def test_the_suite_runs_in_a_test_module_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import pytest\nfrom their_engines import Right\nfrom etl.quality.testing.suite import *\n\n"
        "@pytest.fixture\ndef quality_engine():\n    return Right()\n",
        encoding="utf-8",
    )
    code, said = run(tmp_path, "-k", "clean and lazy")
    assert code == 0, said
    assert "1 passed" in said


def test_without_an_engine_the_suite_does_not_pass(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("from etl.quality.testing.suite import *\n", encoding="utf-8")
    code, said = run(tmp_path, "-k", "clean and lazy")
    assert code == 1
    assert "no engine is named" in said


def test_an_engine_is_found_by_its_name_or_its_place() -> None:
    assert find_engine("polars").name == "polars"
    assert isinstance(find_engine("etl.quality.engines.polars:PolarsEngine"), PolarsEngine)
    for wrong in ("no.such.module:Engine", "etl.quality:NoEngine"):
        with pytest.raises(QualityError, match="there is no engine"):
            find_engine(wrong)
