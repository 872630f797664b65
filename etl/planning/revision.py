"""Describes what the tenants define in a revision of git, in a process of its own.

Belongs here: taking the files of the revision into a temporary folder, and asking that process. Not here: the process's
side (`revision_process`).

The person's working tree and index are only read. The other process uses this release, and the files of the revision:
two versions of a tenant's Python never meet in one process.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from etl.errors import NothingExamined
from etl.planning.code import imported
from etl.planning.description import Description
from etl.secrets.scrub import scrub
from etl.settings import Settings

FILES = ("tenants", "dbt_projects", "pyproject.toml", "workspace.yaml")
"""What of a project says what its tenants define."""
PATIENCE = 600


class RevisionAnswer(BaseModel):
    """What the other process found: a description of each tenant, or why there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    descriptions: dict[str, Description] = {}
    problems: dict[str, str] = {}
    """Tenants of the revision that could not be loaded, with the reason."""


def describe_revision(revision: str, tenants: Sequence[str], settings: Settings) -> RevisionAnswer:
    """Return what these tenants define in the revision; all tenants of the revision if none is named."""
    commit = _commit(revision, settings.project_dir)
    with TemporaryDirectory(prefix="etl-plan-") as folder:
        root = Path(folder).resolve()
        project = root / "project"
        project.mkdir()
        _take(commit, revision, settings.project_dir, project)
        answer = root / "answer.json"
        _ask(project, root / "data", answer, tenants, revision)
        return RevisionAnswer.model_validate_json(answer.read_bytes())


def _commit(revision: str, project: Path) -> str:
    found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.decode().strip()
    if _git(project, "rev-parse", "--git-dir").returncode != 0:
        raise NothingExamined(
            f"{project} is no working tree of git, so there is no revision `{revision}`",
            "compare with what was applied: leave `--against` out",
        )
    raise NothingExamined(
        f"git knows no revision `{revision}`",
        "name a branch, a tag or a commit that is here; a CI job often has only the newest commit: `git fetch`",
    )


def _take(commit: str, revision: str, project: Path, into: Path) -> None:
    """Write the revision's files of the project below `into`."""
    prefix = _git(project, "rev-parse", "--show-prefix").stdout.decode().strip()
    tree = f"{commit}:{prefix}"
    listed = _git(project, "ls-tree", "--name-only", "--full-tree", tree)
    there = set(listed.stdout.decode().splitlines())
    wanted = [each for each in (*FILES, *sorted(_imported_from(project))) if each in there]
    if "tenants" not in wanted:
        raise NothingExamined(
            f"the revision `{revision}` has no folder {prefix}tenants", "name one in which the project is there"
        )
    top = Path(_git(project, "rev-parse", "--show-toplevel").stdout.decode().strip())
    archive = _git(top, "archive", "--format=tar", tree, "--", *wanted)
    if archive.returncode != 0:
        raise NothingExamined(f"git cannot give the files of `{revision}`: {_said(archive.stderr)}", "see `git fsck`")
    try:
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(into, filter="data")
    except (tarfile.TarError, OSError) as error:
        problem = f"the files of `{revision}` cannot be written to a temporary folder: {error}"
        raise NothingExamined(problem, "a link that leads out of the project is refused") from error


def _imported_from(project: Path) -> frozenset[str]:
    """Return the other files and folders of the project that the tenants' code imports from."""
    root = project.resolve()
    found = imported(root.glob("tenants/*/transforms/*.py"), root)
    return frozenset(each.relative_to(root).parts[0] for each in found) - {*FILES}


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("git")
    if program is None:
        raise NothingExamined("git is not installed, so no revision can be compared with", "install git")
    return subprocess.run([program, "-C", str(folder), *arguments], capture_output=True, check=False)  # noqa: S603  no shell


def _ask(project: Path, data: Path, answer: Path, tenants: Sequence[str], revision: str) -> None:
    command = [sys.executable, "-P", "-m", "etl.planning.revision_process", str(answer), *tenants]
    try:
        ended = subprocess.run(  # noqa: S603  no shell
            command,
            cwd=project,
            env={**os.environ, **_places(project, data)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        problem = f"the revision `{revision}` was not described within {PATIENCE} s"
        raise NothingExamined(problem, "check it out and see `etl check`") from error
    if ended.returncode != 0 or not answer.is_file():
        raise NothingExamined(
            f"the revision `{revision}` cannot be described: {_said(ended.stderr)}",
            "check it out and see `etl check`, or compare with another revision",
        )


def _places(project: Path, data: Path) -> Mapping[str, str]:
    return {"ETL_PROJECT_DIR": str(project), "ETL_DATA_DIR": str(data), "DAGSTER_HOME": str(data)}


def _said(text: bytes) -> str:
    lines = [each for each in text.decode(errors="replace").splitlines() if each.strip()]
    return scrub(lines[-1].strip())[:300] if lines else "it gave no reason"
