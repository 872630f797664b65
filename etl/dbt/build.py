"""One `dbt build` of some nodes of a tenant's project, as a process, and what it says of each node.

Belongs here: starting dbt so that it cannot outlive its lock, its results. Does not: what they mean in Dagster
(`etl.running.dbt_step`), parsing a project (`dbt_project`).
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from etl.dbt.clean import clean_folders
from etl.dbt.project import TenantDbt, dbt_command
from etl.errors import DbtError
from etl.faults import reach
from etl.locks import exclusive
from etl.secrets.scrub import scrub

_PARTIAL_PARSE = "partial_parse.msgpack"
_SECONDS_TO_STOP = 30.0


class NodeResult(BaseModel):
    """What dbt says of one node: a model that it built, a test that it ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unique_id: str
    status: str
    failures: int | None
    message: str
    seconds: float
    relation: str | None = None
    """Where dbt built it, as dbt writes it."""

    @property
    def name(self) -> str:
        """As it is called in the project: the third part of `test.<project>.<name>.<hash>`."""
        return self.unique_id.split(".")[2]

    @property
    def is_good(self) -> bool:
        """A model was built, a test passed."""
        return self.status in {"success", "pass"}


class BuildResult(BaseModel):
    """One invocation: the nodes in the order in which they ended, and why it failed if it did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: tuple[NodeResult, ...]
    problem: str | None


def build(
    project: TenantDbt, nodes: Sequence[str], window: Mapping[str, str], run_id: str, say: Callable[[str], None]
) -> BuildResult:
    """Build `nodes` (fully qualified names) in one invocation; `window` are the variables of a range of days."""
    target = project.build_path(days=bool(window))
    target.mkdir(parents=True, exist_ok=True)
    # The tenant's own DuckDB file is made by dbt where the tenant's tables are in another warehouse.
    Path(project.environ["ETL_DUCKDB_PATH"]).parent.mkdir(parents=True, exist_ok=True)
    # A dbt whose run was killed goes on alone for a while. It inherits this lock: the next run waits for its end.
    lock = project.lock_dir / f"{project.tenant}.dbt"
    with exclusive(lock, what=f"dbt of tenant {project.tenant}", run_id=run_id, error=DbtError) as descriptor:
        (target / "run_results.json").unlink(missing_ok=True)
        if not window:
            _reuse_parse(project, target)
        # The tests are named one by one: dbt would otherwise also run those of models that another step builds.
        arguments = ["build", "--select", *(f"fqn:{each}" for each in nodes), "--indirect-selection", "empty"]
        arguments += ["--vars", project.variables_with(**window), "--target-path", str(target)]
        if window:  # models by microbatch build the batches of these days, not those that dbt would choose
            arguments += ["--event-time-start", window["partition_start"], "--event-time-end", window["partition_end"]]
        code, output = _run(project, arguments, descriptor, say)
        return _result(target / "run_results.json", code, output)


def source_freshness(
    project: TenantDbt, sources: Mapping[str, str], run_id: str, say: Callable[[str], None]
) -> BuildResult:
    """How old each source (id -> `<source>.<table>`) is, as dbt judges it; one that is too old is a failed node."""
    target = project.build_path(days=False)
    target.mkdir(parents=True, exist_ok=True)
    lock = project.lock_dir / f"{project.tenant}.dbt"
    with exclusive(lock, what=f"dbt of tenant {project.tenant}", run_id=run_id, error=DbtError) as descriptor:
        path = target / "sources.json"
        path.unlink(missing_ok=True)
        _reuse_parse(project, target)
        arguments = ["source", "freshness", "--select", *(f"source:{each}" for each in sources.values())]
        arguments += ["--vars", project.variables_with(), "--target-path", str(target)]
        _, output = _run(project, arguments, descriptor, say)
        found = _results(path)
    judged = {each["unique_id"]: each for each in found if "max_loaded_at" in each}
    said = "\n".join(output[-20:])  # dbt leaves out a source that it could not ask
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


def _reuse_parse(project: TenantDbt, target: Path) -> None:
    """What `dbt parse` left has the same variables: dbt then need not parse again."""
    parsed, here = project.target_path / _PARTIAL_PARSE, target / _PARTIAL_PARSE
    if parsed.is_file() and (not here.is_file() or here.stat().st_mtime < parsed.stat().st_mtime):
        shutil.copyfile(parsed, here)


def _run(project: TenantDbt, arguments: Sequence[str], lock: int, say: Callable[[str], None]) -> tuple[int, list[str]]:
    process = subprocess.Popen(  # noqa: S603
        dbt_command(project, arguments),
        env={**project.full_environ(), "PYTHONUNBUFFERED": "1"},
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=(lock,),
    )
    output: list[str] = []
    try:
        with process:
            try:
                reach("dbt.started")
                for line in process.stdout or ():
                    text = scrub(line.rstrip())
                    if text and " START " not in text:
                        say(text)
                        output.append(text)
            except BaseException:  # the run was cancelled; leaving the block would wait until dbt has ended by itself
                _stop(process)
                raise
    finally:
        clean_folders(project.work_dir)  # what a killed run left goes with the next one
    return process.returncode, output


def _stop(process: "subprocess.Popen[str]") -> None:
    # dbt takes its queries back on SIGINT; a process that was started with it ignored (nohup) hands that on.
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _results(path: Path) -> list[Mapping[str, Any]]:
    """What dbt wrote about each node; nothing where it wrote no file."""
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_bytes())["results"])
    except (ValueError, TypeError, KeyError):
        raise DbtError(
            f"dbt's results in {path} cannot be read: dbt was cut off while it wrote them",
            "the models may be built or not: run it again, which builds them anew",
        ) from None


def _result(path: Path, code: int, output: Sequence[str]) -> BuildResult:
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
    return BuildResult(nodes=nodes, problem="\n".join(bad) or "\n".join(output[-20:]) or f"dbt ended with code {code}")


def _is_bad(node: NodeResult) -> bool:
    return not node.is_good and node.status not in {"warn", "skipped", "no-op"}
