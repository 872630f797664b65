"""dbt as a person types it, in a process and a target folder of its own, to compare with what the product does.

The processes are forks of one that has imported dbt and nothing else; it is the tests' own, not the product's warm one.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from etl.dbt.build import build
from etl.dbt.project import TenantDbt, dbt_arguments
from tests.attack.warm import forks

Window = Mapping[str, str]
_OF_THE_RUN = {"created_at", "build_path", "compiled_path", "root_path", "compiled", "patch_path"}
_TIMES = {"dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_scd_id"}


@dataclass(frozen=True)
class Built:
    """What one build left: the result of each node, the nodes of the manifest, the rows of each relation."""

    statuses: dict[str, tuple[str, int | None]]
    nodes: dict[str, Any]
    disabled: set[str]
    rows: dict[str, pl.DataFrame]
    artifacts: set[str]


def names_of(project: TenantDbt) -> list[str]:
    """All nodes that a build can select, in the prepared manifest."""
    manifest = json.loads(project.manifest_path.read_bytes())
    return sorted(".".join(each["fqn"]) for each in (*manifest["nodes"].values(), *manifest["unit_tests"].values()))


def by_product(project: TenantDbt, names: Sequence[str], window: Window, run_id: str = "run") -> Built:
    """Build as a step does."""
    build(project, names, window, run_id, lambda _line: None)
    return _built(project, project.build_path(days=bool(window)))


def typed(project: TenantDbt, names: Sequence[str], window: Window) -> Built:
    """`dbt build` without anything that was parsed before. `project` has a warehouse file of its own."""
    target = project.work_dir / "typed"
    shutil.rmtree(target, ignore_errors=True)
    Path(project.environ["ETL_DUCKDB_PATH"]).parent.mkdir(parents=True, exist_ok=True)
    arguments = ["build", "--no-partial-parse", "--select", *(f"fqn:{each}" for each in names)]
    arguments += ["--indirect-selection", "empty", "--target-path", str(target)]
    arguments += ["--vars", project.variables_with(**window)]
    if window:
        arguments += ["--event-time-start", window["partition_start"], "--event-time-end", window["partition_end"]]
    said = forks("dbt").run(dbt_arguments(project, arguments), project.folder, project.full_environ())
    assert (target / "run_results.json").is_file(), said
    return _built(project, target)


def apart(project: TenantDbt, root: Path) -> TenantDbt:
    """The same project with other folders for what it makes; the file of the warehouse is copied."""
    own = Path(project.environ["ETL_DUCKDB_PATH"])
    other = root / own.name  # the name of the database is that of its file
    root.mkdir(parents=True, exist_ok=True)
    if own.is_file():
        shutil.copyfile(own, other)
    environ = {**project.environ, "ETL_DUCKDB_PATH": str(other)}
    return project.model_copy(update={"work_dir": root, "environ": environ})


def assert_same(ours: Built, theirs: Built) -> None:
    assert ours.statuses == theirs.statuses
    assert len(ours.statuses) > 0
    assert ours.nodes.keys() == theirs.nodes.keys()
    for unique_id, node in ours.nodes.items():
        assert node == theirs.nodes[unique_id], unique_id
    assert ours.disabled == theirs.disabled
    assert ours.artifacts == theirs.artifacts
    assert ours.rows.keys() == theirs.rows.keys()
    for name, frame in ours.rows.items():
        assert frame.equals(theirs.rows[name]), name


def _built(project: TenantDbt, target: Path) -> Built:
    results = json.loads((target / "run_results.json").read_bytes())["results"]
    manifest = json.loads((target / "manifest.json").read_bytes())
    kinds = ("nodes", "sources", "exposures", "unit_tests")
    nodes = {
        unique_id: {key: value for key, value in node.items() if key not in _OF_THE_RUN}
        for kind in kinds
        for unique_id, node in manifest[kind].items()
    }
    compiled = {str(each.relative_to(target)) for each in target.rglob("*") if each.suffix in {".sql", ".json"}}
    return Built(
        statuses={each["unique_id"]: (each["status"], each["failures"]) for each in results},
        nodes=nodes,
        disabled=set(manifest["disabled"]),
        rows=_rows(Path(project.environ["ETL_DUCKDB_PATH"])),
        artifacts=compiled,
    )


def _rows(path: Path) -> dict[str, pl.DataFrame]:
    found = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT LIKE 'etl%'"
        ).fetchall()
        for schema, table in sorted(tables):
            frame = connection.execute(f'SELECT * FROM "{schema}"."{table}"').pl()
            own = [each for each in frame.columns if each not in _TIMES]
            found[f"{schema}.{table}"] = frame.select(own).sort(own)
    return found
