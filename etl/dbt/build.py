"""Runs one `dbt build` for some nodes of a tenant's project, and reads the result of each node.

Belongs here: the command, the lock that lasts as long as dbt, and dbt's results. Not here: the process that runs dbt
(`warm`), the meaning of the results in Dagster (`etl.running.dbt_step`), parsing a project (`project`).
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from etl.dbt import window_reads
from etl.dbt.clean import clean_folders
from etl.dbt.project import PARTIAL_PARSE, TenantDbt
from etl.dbt.warm import ended_by, warm_dbt
from etl.errors import DbtError
from etl.locks import exclusive


class NodeResult(BaseModel):
    """dbt's result for one node: a model that it built, or a test that it ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unique_id: str
    status: str
    failures: int | None
    message: str
    seconds: float
    relation: str | None = None
    """The relation that dbt built, as dbt writes its name."""

    @property
    def name(self) -> str:
        """The node's name in the project: the third part of `test.<project>.<name>.<hash>`."""
        return self.unique_id.split(".")[2]

    @property
    def is_good(self) -> bool:
        """Whether the model was built, or the test passed."""
        return self.status in {"success", "pass"}


class BuildResult(BaseModel):
    """One invocation of dbt: the nodes in the order in which they ended, and the reason of a failure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: tuple[NodeResult, ...]
    problem: str | None


def build(
    project: TenantDbt, nodes: Sequence[str], window: Mapping[str, str], run_id: str, say: Callable[[str], None]
) -> BuildResult:
    """Build `nodes` (fully qualified names) in one invocation; `window` are the variables of a range of days."""
    target = project.build_path(days=bool(window))
    target.mkdir(parents=True, exist_ok=True)
    # If the tenant's tables are in another warehouse, dbt makes the tenant's own DuckDB file.
    Path(project.environ["ETL_DUCKDB_PATH"]).parent.mkdir(parents=True, exist_ok=True)
    # If a run is killed, its dbt needs a moment to end. It inherits this lock, so the next run waits for it.
    lock = project.lock_dir / f"{project.tenant}.dbt"
    with exclusive(lock, what=f"dbt of tenant {project.tenant}", run_id=run_id, error=DbtError) as descriptor:
        (target / "run_results.json").unlink(missing_ok=True)
        readers = _reuse_parse(project, target, window)
        # The tests are named one by one, because dbt would otherwise also run tests of models of other steps.
        arguments = ["build", "--select", *(f"fqn:{each}" for each in nodes), "--indirect-selection", "empty"]
        arguments += ["--vars", project.variables_with(**window), "--target-path", str(target)]
        if window:  # microbatch models build the batches of these days, not the batches that dbt would choose
            arguments += ["--event-time-start", window["partition_start"], "--event-time-end", window["partition_end"]]
        code, output = _run(project, arguments, run_id, descriptor, say, readers)
        if readers is not None:  # dbt has parsed files for this window, and does not mark its result so
            (target / PARTIAL_PARSE).unlink(missing_ok=True)
        return _result(target / "run_results.json", code, output, _killed(project, nodes, code))


def source_freshness(
    project: TenantDbt, sources: Mapping[str, str], run_id: str, say: Callable[[str], None]
) -> BuildResult:
    """Let dbt judge the age of each source (id -> `<source>.<table>`). A source that is too old is a failed node."""
    target = project.build_path(days=False)
    target.mkdir(parents=True, exist_ok=True)
    lock = project.lock_dir / f"{project.tenant}.dbt"
    with exclusive(lock, what=f"dbt of tenant {project.tenant}", run_id=run_id, error=DbtError) as descriptor:
        path = target / "sources.json"
        path.unlink(missing_ok=True)
        _reuse_parse(project, target, {})
        arguments = ["source", "freshness", "--select", *(f"source:{each}" for each in sources.values())]
        arguments += ["--vars", project.variables_with(), "--target-path", str(target)]
        code, output = _run(project, arguments, run_id, descriptor, say)
        found = _results(path)
    judged = {each["unique_id"]: each for each in found if "max_loaded_at" in each}
    # dbt leaves out a source that it could not read.
    said = _killed(project, [*sources.values()], code) or "\n".join(output[-20:])
    nodes = tuple(_aged(each, judged[each]) if each in judged else _unasked(each, said) for each in sources)
    return BuildResult(nodes=nodes, problem=None)


def _aged(unique_id: str, result: Mapping[str, Any]) -> NodeResult:
    hours = float(result["max_loaded_at_time_ago_in_s"]) / 3600
    return NodeResult(
        unique_id=unique_id,
        status={"error": "fail"}.get(result["status"], result["status"]),
        failures=None,
        message=f"newest row {result['max_loaded_at']}, {hours:.1f} h old",
        seconds=float(result.get("execution_time") or 0),
    )


def _unasked(unique_id: str, said: str) -> NodeResult:
    return NodeResult(unique_id=unique_id, status="error", failures=None, message=said, seconds=0)


def _reuse_parse(project: TenantDbt, target: Path, window: Mapping[str, str]) -> list[str] | None:
    """Copy the prepared parse, so that dbt does not parse the whole project again.

    Returns the files that dbt has to parse again for the window; None if it parses as it does by itself.
    """
    parsed, here = project.parsed_path, target / PARTIAL_PARSE
    if not parsed.is_file():
        return None
    if window:
        readers = window_reads.readers(project.window_reads_path, parsed)
        if readers is not None:
            shutil.copyfile(parsed, here)
        return readers
    if not here.is_file() or here.stat().st_mtime < parsed.stat().st_mtime:
        shutil.copyfile(parsed, here)
    return None


def _run(
    project: TenantDbt,
    arguments: Sequence[str],
    run_id: str,
    lock: int,
    say: Callable[[str], None],
    readers: list[str] | None = None,
) -> tuple[int, list[str]]:
    try:
        with warm_dbt(project, run_id) as dbt:
            return dbt.run(project, arguments, lock, say, readers)
    finally:
        clean_folders(project.work_dir)  # also removes what a killed run left


def _results(path: Path) -> list[Mapping[str, Any]]:
    """Read dbt's results of each node; empty if dbt wrote no file."""
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_bytes())["results"])
    except (ValueError, TypeError, KeyError):
        raise DbtError(
            f"dbt's results in {path} cannot be read: dbt was cut off while it wrote them",
            "the models may be built or not: run it again, which builds them anew",
        ) from None


def _killed(project: TenantDbt, names: Sequence[str], code: int) -> str | None:
    """Return the problem if dbt did not end by itself."""
    signal_name = ended_by(code)
    if signal_name is None:
        return None
    return (
        f"tenant {project.tenant}: the process of dbt was ended by {signal_name} while it worked on {', '.join(names)};"
        " what of it is built is not known: run it again"
    )


def _result(path: Path, code: int, output: Sequence[str], killed: str | None) -> BuildResult:
    found = _results(path)
    nodes = tuple(
        NodeResult(
            unique_id=each["unique_id"],
            status=each["status"],
            failures=each.get("failures"),
            message=each.get("message") or "",
            seconds=each.get("execution_time") or 0.0,
            relation=each.get("relation_name"),
        )
        for each in found
    )
    bad = [f"{each.name}: {each.status}: {each.message.strip()}" for each in nodes if _is_bad(each)]
    if code == 0 and not bad:
        return BuildResult(nodes=nodes, problem=None)
    problem = killed or "\n".join(bad) or "\n".join(output[-20:]) or f"dbt ended with code {code}"
    return BuildResult(nodes=nodes, problem=problem)


def _is_bad(node: NodeResult) -> bool:
    return not node.is_good and node.status not in {"warn", "skipped", "no-op"}
