"""A package called `dbt` whose command is a few lines of Python, so that a test needs no second for importing dbt."""

from pathlib import Path

from etl.dbt.project import TenantDbt


def fake_dbt(folder: Path, cli: str) -> dict[str, str]:
    """Write the package, whose command runs the statements `cli`, and return the environment that has it."""
    for name in ("", "cli", "task"):
        (folder / "dbt" / name).mkdir(parents=True, exist_ok=True)
        (folder / "dbt" / name / "__init__.py").touch()
    (folder / "dbt" / "task" / "build.py").touch()
    body = "\n".join(f"    {line}" for line in cli.strip().splitlines())
    (folder / "dbt" / "cli" / "main.py").write_text(f"def cli():\n{body}\n")
    return {"PYTHONPATH": str(folder)}


def fake_project(folder: Path, cli: str, tenants: tuple[str, ...] = ("acme",)) -> TenantDbt:
    """A project of the tenant `acme`, whose dbt runs the statements `cli`."""
    return TenantDbt(
        tenant="acme",
        folder=folder,
        profiles_dir=folder,
        work_dir=folder / "work",
        lock_dir=folder / "locks",
        target="dev",
        variables={},
        environ={"ETL_DUCKDB_PATH": str(folder / "warehouse" / "acme.duckdb"), **fake_dbt(folder / "fake", cli)},
        tenants=tenants,
    )
