"""The `etl` command called in this process, on the tiny project."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl import cli
from etl.definitions import build_all_definitions, build_tenant_definitions
from tests.tiny_project import TinyProject, make_project


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Etl = Callable[..., Said]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(made.root)
    return made


def broke_off(said: Said) -> None:
    """The command ended at the point where `ETL_FAULT` let it fail."""
    assert (said.code, "fault injected at" in said.err) == (2, True), said


@pytest.fixture
def etl(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Etl:
    """Like typing `etl ...`: the exit code, and what appeared on the screen."""
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setattr(sys, "path", list(sys.path))

    def call(*arguments: str) -> Said:
        build_tenant_definitions.cache_clear()
        build_all_definitions.cache_clear()
        for name in [each for each in sys.modules if each == "tenants" or each.startswith("tenants.")]:
            del sys.modules[name]  # another test's project has tenants of the same names
        monkeypatch.setattr(sys, "argv", ["etl", *arguments])
        before = dict(os.environ)
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return call
