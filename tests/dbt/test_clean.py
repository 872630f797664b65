"""dbt's folders hold no secret afterwards, however dbt ended."""

import json
from pathlib import Path

import pytest

from etl.dbt import build as dbt_build
from etl.dbt.clean import clean_folders
from etl.dbt.project import TenantDbt
from etl.secrets.scrub import forget_everything, learn
from tests.dbt.fake_dbt import fake_project

SECRET = "Goldammer-7-token"
SHORT = "dev7"
WRITES = """
import os, pathlib, sys, time
target = sys.argv[sys.argv.index("--target-path") + 1]
for name in ("manifest.json", "cache.msgpack"):
    binary = b"\\xff" if name.endswith("msgpack") else b""
    pathlib.Path(target, name).write_bytes(binary + os.environ["ACME_TOKEN"].encode())
print("written", flush=True)
time.sleep(float(os.environ["ETL_TEST_SECONDS"]))
pathlib.Path(target, "ended_by_itself").touch()
"""


class Interrupted(BaseException):
    """As Dagster raises when a run is cancelled."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TenantDbt:
    monkeypatch.setenv("ACME_TOKEN", SECRET)
    forget_everything()
    return fake_project(tmp_path, WRITES)


def build(
    project: TenantDbt, monkeypatch: pytest.MonkeyPatch, seconds: float, cancel: type[BaseException] | None = None
) -> None:
    monkeypatch.setenv("ETL_TEST_SECONDS", str(seconds))

    def say(line: str) -> None:
        if cancel:
            raise cancel(line)

    dbt_build.build(project, ["acme.told"], {}, "run", say)


def holds_secret(project: TenantDbt) -> list[str]:
    files = (path for path in project.work_dir.rglob("*") if path.is_file())
    return [path.name for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("cancel", [KeyboardInterrupt, Interrupted])
def test_a_cancelled_run_leaves_no_secret_and_does_not_wait_for_dbt(
    project: TenantDbt, monkeypatch: pytest.MonkeyPatch, cancel: type[BaseException]
) -> None:
    with pytest.raises(cancel, match="written"):
        build(project, monkeypatch, 20, cancel)
    folder = project.build_path(days=False)
    assert (folder / "manifest.json").read_text() == "***"
    assert not (folder / "ended_by_itself").exists()
    assert holds_secret(project) == []


def test_what_a_killed_run_left_goes_with_the_next(project: TenantDbt, monkeypatch: pytest.MonkeyPatch) -> None:
    left = project.build_path(days=True) / "compiled" / "told.sql"
    left.parent.mkdir(parents=True)
    left.write_text(f"select '{SECRET}'")
    assert holds_secret(project) == ["told.sql"]
    build(project, monkeypatch, 0)
    assert holds_secret(project) == []


def test_a_short_secret_is_hidden_and_names_that_are_spelled_like_it_stay(tmp_path: Path) -> None:
    forget_everything()
    learn(SHORT, SECRET)
    node = {
        "unique_id": "model.acme.dev7", "name": "dev7", "schema": "dev7", "relation_name": '"x"."dev7"."dev7"',
        "depends_on": {"nodes": ["model.acme.dev7"], "macros": []}, "compiled_code": "select 'dev7' as pin, 'dev77' as no",
        "description": "the pin is dev7", "meta": {"pin": "dev7", SECRET: 1}, "alias": f"a_{SECRET}",
    }  # fmt: skip
    manifest = {"nodes": {"model.acme.dev7": node}, "parent_map": {"model.acme.dev7": ["model.acme.dev7"]}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "torn.json").write_text(json.dumps(manifest)[:-40])
    (tmp_path / "told.sql").write_text("select 'dev7'")
    (tmp_path / "dbt.log").write_text("pin dev7 and password=z and postgresql://me:q@h/d\n")
    (tmp_path / "partial_parse.msgpack").write_bytes(b"\xa4dev7")
    clean_folders(tmp_path)
    node |= {"compiled_code": "select '***' as pin, 'dev77' as no", "description": "the pin is ***"}
    node |= {"meta": {"pin": "***", "***": 1}, "alias": "a_***"}
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert "'dev7'" not in (tmp_path / "torn.json").read_text()
    assert (tmp_path / "told.sql").read_text() == "select '***'"
    assert (tmp_path / "dbt.log").read_text() == "pin *** and password=*** and postgresql://me:***@h/d\n"
    assert not (tmp_path / "partial_parse.msgpack").exists()
