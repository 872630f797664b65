"""`etl doctor`: what it says of a sound installation, of a broken one, and what `--fix` mends."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.tiny_project import DAYS, TinyProject

from .conftest import Etl

pytestmark = pytest.mark.usefixtures("project")


def findings(etl: Etl, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    said = etl("doctor", "--format", "json", *options)
    return {(each["place"], each["what"]): each for each in json.loads(said.out)}


def test_a_sound_installation_has_only_the_daemon_to_tell(etl: Etl) -> None:
    found = findings(etl)
    wrong = {key for key, each in found.items() if each["state"] != "good" and not key[1].startswith("disk")}
    assert wrong == {("dagster", "daemon")}
    assert {"machine", "libraries", "data", "dagster", "acme"} == {place for place, _ in found}
    said = etl("doctor")
    assert said.code == 0, said
    assert "promises are not watched" in " ".join(said.out.split()).replace("│ ", "")


def test_a_tenant_that_cannot_be_loaded_is_wrong_and_the_others_are_examined(etl: Etl, project: TinyProject) -> None:
    project.write_tenant(tenant="bobs")
    (project.root / "tenants" / "acme" / "config.yaml").write_text("tenant: {id: acme, nmae: x}\n")
    said = etl("doctor", "--format", "json")
    assert said.code == 1, said
    found = {(each["place"], each["what"]): each["state"] for each in json.loads(said.out)}
    assert found["acme", "configuration"] == "bad"
    assert found["bobs", "objects"] == "good"


def test_dagsters_settings_that_a_home_lacks_are_named(etl: Etl, project: TinyProject) -> None:
    (project.data / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    found = [each for key, each in findings(etl).items() if key == ("dagster", "settings")]
    assert [each["state"] for each in found] == ["warning"]


def test_a_file_full_of_holes_is_written_again_with_the_same_rows(etl: Etl, project: TinyProject) -> None:
    assert etl("run", "acme", "--from", DAYS[0], "--to", DAYS[-1]).code == 0
    path = project.data / "warehouse" / "acme.duckdb"
    with duckdb.connect(path) as db:
        db.execute("CREATE TABLE gone AS SELECT n, hash(n + k) AS h FROM range(6000000) t(n), range(2) u(k)")
        db.execute("CREATE TABLE last AS SELECT range AS n FROM range(100000)")
        db.execute("CREATE VIEW seen AS SELECT order_id FROM shop.orders")
    with duckdb.connect(path) as db:
        db.execute("DROP TABLE gone")
    before, rows = path.stat().st_size, contents(path)
    assert findings(etl)["acme", "warehouse"]["state"] == "warning"
    fixed = findings(etl, "--fix")["acme", "warehouse"]
    assert fixed["state"] == "good"
    assert fixed["said"].startswith("wrote the file again")
    assert path.stat().st_size < before / 3
    assert contents(path) == rows
    assert etl("verify", "acme").code == 0
    assert sorted(each.name for each in path.parent.iterdir()) == ["acme.duckdb"]


def contents(path: Path) -> list[Any]:
    with duckdb.connect(path, read_only=True) as db:
        return [db.execute(f"SELECT * FROM {each} ORDER BY ALL").fetchall() for each in ("shop.orders", "seen", "last")]
