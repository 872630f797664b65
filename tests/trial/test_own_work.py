"""What is a tenant's own work, and what a library does by itself; and what a tenant's Python leaves behind."""

import time
from pathlib import Path

import pytest

from etl.definitions import tried_out
from etl.settings import load_settings
from tests.factories.test_building import project
from tests.tiny_project import TinyProject
from tests.trial.ways import WAYS, python

__all__ = ["project"]
LIBRARY = "import csv\n\ncsv.unix_dialect = type('Other', (csv.Dialect,), {})\n\n\ndef patch():\n    csv.excel = csv.Dialect\n"


@pytest.fixture
def library(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed library that replaces something of Python's when it is imported."""
    folder = project.root / "site-packages"
    folder.mkdir()
    (folder / "patching_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(folder))
    return project.root / "tenants" / "acme"


def said() -> str:
    return "".join(map(str, tried_out(["acme"], load_settings()).values()))


def test_what_a_library_changes_when_it_is_imported_is_no_tenants_work(library: Path) -> None:
    python("import patching_library", "").change(library)
    assert said() == ""


def test_what_a_tenant_lets_a_library_change_is_its_work(library: Path) -> None:
    python("import patching_library\npatching_library.patch()", "").change(library)
    assert "replaces csv.excel" in said()
    assert "unix_dialect" not in said()


def test_an_error_after_a_library_has_changed_something_is_named(library: Path) -> None:
    python("import patching_library\nraise RuntimeError('my own mistake')", "").change(library)
    assert said().startswith("tenants/acme/definitions.py:2: RuntimeError: my own mistake")


def test_an_error_and_a_change_are_both_named(library: Path) -> None:
    python("import os\nos.chdir('/')\nraise RuntimeError('my own mistake')", "").change(library)
    text = said()
    assert "tenants/acme/definitions.py:3: RuntimeError: my own mistake" in text
    assert "the working directory: /" in text


def test_a_process_in_a_session_of_its_own_ends_with_the_trial(library: Path) -> None:
    WAYS["starts_a_session"].change(library)
    assert "processes that it started" in said()
    until = time.monotonic() + 5
    while sleeping() and time.monotonic() < until:
        time.sleep(0.05)
    assert sleeping() == []


def sleeping() -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"3611" in words and (each.parent / "stat").read_text().split()[2] != "Z":
            found.append(str(each))
    return found


@pytest.mark.parametrize(("code", "is_good"), [
    ("import atexit, time\natexit.register(time.sleep, 3600)", False),
    ("import atexit\n\n\n@atexit.register\ndef end(): ...", False),
    ("import logging.handlers, concurrent.futures, tempfile, weakref", True),
])  # fmt: skip
def test_what_would_run_at_the_end_of_all_tenants_is_seen(library: Path, code: str, is_good: bool) -> None:
    python(code, "").change(library)
    assert ("atexit" not in said()) is is_good
