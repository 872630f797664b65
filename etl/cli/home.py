"""DAGSTER_HOME: the folder with Dagster's own storage and its settings, `dagster.yaml`.

Belongs here: making the folder, copying the project's `dagster.yaml`, naming settings that a person's own file lacks,
opening Dagster's storage in the folder, and the command `etl home`. Not here: the use of the folder by Dagster.

If the home has no file, the project's file is copied. An unchanged copy is replaced when the project's file changes.
Any other file belongs to a person and is never changed.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path

import yaml
from dagster import DagsterInstance
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from etl.errors import EtlError, NothingExamined
from etl.locks import exclusive
from etl.secrets.scrub import scrub
from etl.settings import Settings, load_settings

FILE = "dagster.yaml"

# The file beside it with the digest of the copied file. It shows whether a person has changed the copy.
WRITTEN = ".dagster.yaml.from_project"

# The lock under which Dagster's storage is opened.
OPENING = ".opening.lock"

# The digests of files of releases that wrote no digest beside them.
EARLIER = {
    "e903fe21bd1b10e1f3dacdec2ea4cbfd473e1ffb04261afd851a485d5a3af68e",
    "1c33fde46939409a7cb878c8373a65d1a0374fe9aa23f7eae31fe87c98ca805f",
    "c0dd1fac9ac0c70d4a8b664f5bff9c2e713bc931d9943d1779dd7c7973eaa85a",
}


_PATIENCE = "max_user_code_failure_retries"
_TENANT_QUEUE = "module: etl.resources.run_queue, class: TenantRunCoordinator"
_KNOWN_QUEUES = ("TenantRunCoordinator", "DefaultRunCoordinator")  # without a queue, no run waits for another


def home() -> None:
    """Prepare Dagster's home and say what its dagster.yaml lacks: `etl home`. `make dev` does this first."""
    folder = prepare_dagster_home(load_settings())
    if _can_start(folder / FILE):
        with _open(folder):
            pass  # creates the storage: `dagster dev` opens it several times at once, and fails if it is new
    Console().print(str(folder), soft_wrap=True, markup=False, highlight=False)


@contextmanager
def opened_instance(settings: Settings) -> Iterator[DagsterInstance]:
    """Prepare Dagster's home and open the instance in it."""
    with _open(prepare_dagster_home(settings)) as instance:
        yield instance


@contextmanager
def _open(folder: Path) -> Iterator[DagsterInstance]:
    """Open the instance in this home, one process at a time.

    The first opening makes Dagster's databases, and Dagster raises an error if two processes do so at the same moment.
    """
    with ExitStack() as stack, _storage_errors(folder):
        is_writable = os.access(folder, os.W_OK)  # in production it is not, and the storage is a server's
        lock = exclusive(folder / OPENING, what=f"the opening of Dagster's storage in {folder}", error=EtlError)
        with lock if is_writable else nullcontext():
            instance = stack.enter_context(DagsterInstance.get())
        yield instance


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Explain an error of Dagster's own database: a full disk, a folder that was moved or may not be written."""
    try:
        yield
    except DBAPIError as error:
        raise NothingExamined(
            f"Dagster's storage ({folder}, or the database that dagster.yaml names) failed: {scrub(str(error.orig))}",
            "see whether the disk is full, and whether the folder is there and may be written. A run that was started"
            " may still be at work; what it published stays. Then run the same command again",
        ) from error


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME and give it the project's `dagster.yaml`, unless a person keeps a file of their own there."""
    folder = Path(os.environ.get("DAGSTER_HOME") or settings.data_dir / "dagster")
    if not folder.is_absolute():  # each process of Dagster would look for it below another folder
        raise EtlError(f"DAGSTER_HOME is `{folder}`, which is no whole path", f"set it to {folder.absolute()}")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(folder)
    source, target = settings.project_dir / FILE, folder / FILE
    if source.is_file() and not _is_own_file(target, source):
        _write(source.read_bytes(), target)
    elif target.is_file():
        _warn(target)
    return folder


def _is_own_file(target: Path, source: Path) -> bool:
    """Whether the file in the home is a person's: it is neither the copied file nor the project's present file."""
    if not target.is_file():
        return False
    if target.samefile(source):
        return True
    digest = _digest(target.read_bytes())
    note = target.with_name(WRITTEN)
    written = note.read_text(encoding="ascii").strip() if note.is_file() else ""
    return digest not in {written, _digest(source.read_bytes()), *EARLIER}


def _write(content: bytes, target: Path) -> None:
    """Copy the project's file in one step, with its digest beside it, because other commands may do the same."""
    note = target.with_name(WRITTEN)
    for path, new in ((target, content), (note, f"{_digest(content)}\n".encode())):
        if path.is_file() and path.read_bytes() == new:
            continue
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        unfinished.write_bytes(new)
        unfinished.replace(path)


def _can_start(path: Path) -> bool:
    """Whether Dagster can read its settings. If it cannot, `missing_settings` has warned."""
    return not path.is_file() or isinstance(_settings_in(path), Mapping)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _warn(path: Path) -> None:
    """Write the missing settings to the error stream, once. The command goes on."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for problem, snippet in missing_settings(path):
        console.print(f"[bold yellow]warning:[/] {escape(str(path))}: {escape(problem)}")
        console.print(f"[green]  ->[/] add: {escape(snippet)}")


def missing_settings(path: Path) -> list[tuple[str, str]]:
    """Return the settings that the product needs and the file lacks: what happens without it, and the line to add."""
    found = _settings_in(path)
    if not isinstance(found, Mapping):
        return [("it is no YAML mapping, so Dagster cannot start with it", "a mapping, as in the project's file")]
    problems = [
        (
            ["run_launcher"],
            "no `run_launcher`: Dagster does not notice that a run's process was killed",
            "run_launcher: {module: etl.resources.run_worker, class: LocalRunLauncher}",
        ),
        (
            ["run_monitoring", "enabled"],
            "`run_monitoring` is not enabled: a run whose process was killed stays started and keeps its pools",
            "run_monitoring: {enabled: true, start_timeout_seconds: 900, free_slots_after_run_end_seconds: 5}",
        ),
        (
            ["concurrency", "pools", "default_limit"],
            "no limit for pools: any number of runs read a tenant's source and write its warehouse at one time",
            "concurrency: {pools: {granularity: op, default_limit: 1}}",
        ),
    ]
    missing = [(problem, snippet) for keys, problem, snippet in problems if not _value(found, keys)]
    if not (_value(found, ["run_queue", _PATIENCE]) or _value(found, ["run_coordinator", "config", _PATIENCE])):
        missing.append(
            (
                "the run queue does not wait for a code server that does not answer: its queued runs fail at once",
                f"run_coordinator: {{{_TENANT_QUEUE}, config: {{{_PATIENCE}: 60, user_code_failure_retry_delay: 30}}}}",
            )
        )
    elif _value(found, ["run_coordinator", "class"]) not in _KNOWN_QUEUES:
        missing.append(
            (
                "the run queue does not know tenants: the runs of one tenant can take all places",
                f"run_coordinator: {{{_TENANT_QUEUE}, config: ...}}, with the settings of `run_queue` as its config",
            )
        )
    return missing


def _settings_in(path: Path) -> object:
    """Read the file's content; None if it is no YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _value(found: object, keys: Sequence[str]) -> object:
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
