"""The wheel in empty environments: the lowest and the newest versions that it allows, on every Python that it names.

    python scripts/try_wheel.py [--some]

In each environment `etl init` makes a project in an empty folder outside the repository, `etl demo` runs its tenant by
real Dagster runs, and the rows of lake and warehouse are held against SQL over the source. Besides, the base alone is
installed, without any extra: the engine `polars` judges a frame there. Figures are printed; nothing is left behind but
`.data/wheel`, which is made again by the next call. `--some` leaves out half of the environments with the product.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PLACE = REPOSITORY / ".data" / "wheel"
EXTRAS = "dagster,truthound"
RESOLUTIONS = ("lowest-direct", "highest")
TOGETHER = 2  # as many as the cores

# What has to be loaded, by SQL over the source alone: the latest state of each order, without those that break a rule.
EXPECTED = """
WITH latest AS (
    SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC, version_id DESC) AS place FROM orders
)
SELECT (SELECT count(*) FROM orders),
       count(*) FILTER (WHERE order_id IS NOT NULL AND place = 1 AND amount >= 0)
FROM latest
"""
ROWS = f"""
import sqlite3, duckdb, polars as pl
read, loaded = sqlite3.connect(".data/demo/demo.sqlite").execute({EXPECTED!r}).fetchone()
assert (read, loaded) > (10_000, 9_000), (read, loaded)
lake = {{s: pl.scan_parquet(f".data/lake/demo/{{s}}/orders/*/data.parquet").select(pl.len()).collect().item()
        for s in ("extract", "transfer")}}
table = duckdb.connect(".data/warehouse/demo.duckdb").execute(
    "SELECT count(*), count(DISTINCT order_id), count(DISTINCT etl_partition) FROM shop.orders").fetchone()
assert lake == {{"extract": read, "transfer": loaded}}, (lake, read, loaded)
assert table == (loaded, loaded, 10), (table, loaded)
print(f"{{read:,}} rows read, {{loaded:,}} loaded")
"""
BASE = """
import sys
import polars as pl
import etl.notify, etl.quality, etl.sla
from etl.errors import EtlError
frame = pl.DataFrame({"a": [1, 2, 2, None], "b": [1, 2, 3, 4]})
rules = [{"column": "a", "type": "unique"}, {"column": "a", "type": "not_null"}]
rules.append({"type": "expression", "expression": "b > 0"})
result = etl.quality.check(frame, rules, engine="polars")
assert [each.failed_count for each in result.results] == [2, 1, 0], result
for work in (lambda: etl.quality.check(frame, rules), lambda: __import__("etl").build_tenant_definitions):
    try:
        work()
    except EtlError as error:
        assert "pip install 'tenant-etl[" in error.hint, error
    else:
        raise SystemExit("nothing said that a library is missing")
assert not {"dagster", "duckdb", "pyarrow", "truthound"} & {*sys.modules}
"""


LOWEST = """
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
for each in requires("tenant-etl"):
    extra = re.search(r"extra == '([a-z0-9-]+)'", each)
    if extra and extra[1] not in sys.argv[1].split(","):  # others may need it too
        continue
    name, first = re.match(r"([a-z-]+).*?[>=]=([0-9.]+)", each).groups()
    try:
        found = version(name)
    except PackageNotFoundError:  # of an extra that is not tried
        continue
    assert found == first, f"{each}: {found} is installed"
__import__("sqlglot")  # dagster-dbt brings a compiled part of it, which must be of the same version
"""


@dataclass(frozen=True)
class Trial:
    """One environment."""

    python: str
    resolution: str
    extras: str
    has_dg: bool = False
    """Whether the command `dg` is installed too, and loads the project."""

    @property
    def name(self) -> str:
        return f"{self.python} {self.resolution} {self.extras or 'base alone'}"


def main() -> int:
    """Try all environments, two at a time; say what each took and what each failed with."""
    uv = shutil.which("uv") or str(REPOSITORY / ".venv-uv" / "bin" / "uv")
    began = time.monotonic()
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    run(uv, "build", "--quiet", "--wheel", "--out-dir", PLACE, REPOSITORY, cwd=REPOSITORY)
    (wheel,) = PLACE.glob("*.whl")
    print(f"built {wheel.name} in {time.monotonic() - began:.0f} s", flush=True)
    versions = pythons()
    homes = {version: home_of(uv, version) for version in versions}
    missing = [version for version, home in homes.items() if home is None]
    trials = [Trial(v, r, e) for e in (EXTRAS, "") for v in versions for r in RESOLUTIONS if homes[v]]
    if "--some" in sys.argv:  # the product's demo at the corners, the newest versions in between; the base everywhere
        least = {(versions[0], RESOLUTIONS[1]), *((version, RESOLUTIONS[0]) for version in versions[1:])}
        trials = [each for each in trials if not each.extras or (each.python, each.resolution) not in least]
    trials = [replace(each, has_dg=each == Trial(versions[-1], "highest", EXTRAS)) for each in trials]
    with ThreadPoolExecutor(TOGETHER) as pool:
        results = list(pool.map(lambda each: tried(uv, homes[each.python], each, wheel), trials))
    print(f"{sum(results)} of {len(trials)} environments work; {time.monotonic() - began:.0f} s in all")
    if missing:
        print(f"Python {', '.join(missing)} is not installed here: the wheel was not tried with it")
    # On a person's machine a Python that is missing is told; where CI runs it turns the run red.
    return 0 if all(results) and not (missing and os.environ.get("CI")) else 1


def pythons() -> list[str]:
    """The Pythons that pyproject.toml allows."""
    said = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    first, end = (int(each) for each in re.fullmatch(r">=3\.(\d+),<3\.(\d+)", said).groups())
    return [f"3.{minor}" for minor in range(first, end)]


def home_of(uv: str, version: str) -> str | None:
    """The interpreter of a version: on the path, or where pyenv keeps it. None is downloaded."""
    found = subprocess.run([uv, "python", "find", "--no-project", "--no-python-downloads", version],
                           cwd=PLACE, capture_output=True, text=True, check=False)  # fmt: skip
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    return found.stdout.strip() if found.returncode == 0 else str(kept[-1]) if kept else None


def tried(uv: str, home: str, trial: Trial, wheel: Path) -> bool:
    """Make the environment and try the wheel in it."""
    began = time.monotonic()
    folder = PLACE / trial.name.replace(" ", "_").replace(",", "_")
    python = folder / "bin" / "python"
    said = ""
    try:
        run(uv, "venv", "--quiet", "--no-project", "--python", home, folder, cwd=PLACE)
        # The ranges are given by themselves: as those of a wheel they would not be direct, and never be the lowest.
        extras = [word for extra in trial.extras.split(",") if extra for word in ("--extra", extra)]
        install = [uv, "pip", "install", "--quiet", "--python", python]
        run(*install, "--resolution", trial.resolution, "-r", REPOSITORY / "pyproject.toml", *extras, cwd=PLACE)
        run(*install, "--no-deps", wheel, cwd=PLACE)
        run(uv, "pip", "check", "--quiet", "--python", python, cwd=PLACE)
        if trial.resolution == "lowest-direct":
            run(python, "-c", LOWEST, trial.extras, cwd=PLACE)
        installed = time.monotonic() - began
        with tempfile.TemporaryDirectory(prefix="etl-wheel-") as outside:
            if not trial.extras:
                run(python, "-c", BASE, cwd=outside)
            else:
                run(folder / "bin" / "etl", "init", "shop", cwd=outside)
                project = Path(outside) / "shop"
                run(folder / "bin" / "etl", "check", cwd=project)
                run(folder / "bin" / "etl", "demo", cwd=project)
                said = run(python, "-c", ROWS, cwd=project).strip()
                if trial.has_dg:
                    run(uv, "pip", "install", "--quiet", "--python", python, "-e", ".", cwd=project)
                    run(folder / "bin" / "dg", "check", "defs", cwd=project)
                    said += ", dg loads it"
    except subprocess.CalledProcessError as error:
        said = f"{' '.join(error.cmd)[:200]}\n{error.stdout[-3000:]}\n{error.stderr[-3000:]}"
        print(f"FAILED  {trial.name}: {said}", flush=True)
        return False
    took = time.monotonic() - began
    print(f"works   {trial.name}: installed in {installed:.0f} s, tried in {took - installed:.0f} s {said}", flush=True)
    shutil.rmtree(folder)
    return True


def run(*command: str | Path, cwd: str | Path) -> str:
    """Run a command as on a fresh machine: nothing of this project's environment reaches it."""
    own = ("ETL_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environ |= {"PYTHONWARNINGS": "ignore", "COLUMNS": "200"}
    line = [str(each) for each in command]
    if line[0].startswith(str(PLACE)):
        environ["PATH"] = f"{Path(line[0]).parent}{os.pathsep}{environ['PATH']}"  # dagster's and dbt's commands
    return subprocess.run(line, cwd=cwd, env=environ, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
