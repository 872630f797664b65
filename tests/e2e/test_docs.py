"""What the documents tell a stranger to type is typed here, in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.installation import REPOSITORY
from tests.test_docs import blocks


@pytest.mark.timeout(900)
def test_adding_a_tenant_works_as_it_is_written(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("tenants/_template", "tenants/__init__.py", "workspace.yaml", "dagster.yaml", "pyproject.toml"):
        source = REPOSITORY / name
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, project / name)
    (project / "workspace.yaml").write_text(
        "load_from:\n"
    )  # the other tenants need dbt, which is another test's subject
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"ETL_PROJECT_DIR", "ETL_DATA_DIR", "DAGSTER_HOME"}
    }
    environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
        "COLUMNS": "200",
    }
    said: list[str] = []
    for block in blocks(REPOSITORY / "docs" / "adding-a-tenant.md"):
        place = re.fullmatch(r'insert into (?P<path>\S+) after "(?P<line>[^"]+)"', block.order)
        file = re.fullmatch(r"write (?P<path>\S+)", block.order)
        if place:
            path = project / place["path"]
            text = path.read_text(encoding="utf-8")
            assert text.count(f"{place['line']}\n") == 1
            path.write_text(text.replace(f"{place['line']}\n", f"{place['line']}\n{block.text}"), encoding="utf-8")
        elif file:
            (project / file["path"]).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for line in block.text.splitlines():
                done = subprocess.run(
                    shlex.split(line),
                    cwd=project,
                    env=environ,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
                said.append(done.stdout)
        else:
            assert block.language == "", f"nobody checks this block: {block.text}"
    everything = "\n".join(said)
    assert "umbrella" not in everything
    assert "large_order" in everything
    with duckdb.connect(str(project / ".data" / "warehouse" / "acme.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute("FROM shop.large_order").pl()
        (refused,) = warehouse.execute("SELECT count(*) FROM shop.large_order WHERE order_id IS NULL").fetchone() or (
            None,
        )
    assert rows["etl_partition"].n_unique() == 10
    assert refused == 0
    newest = rows.filter(pl.col("etl_partition").cast(str) == "2026-01-10")
    assert newest["vat"].null_count() == 0
    assert rows["vat"].null_count() == rows.height - newest.height
    assert rows["amount"].min() > 4000  # type: ignore[operator]
