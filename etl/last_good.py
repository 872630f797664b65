"""Keeps the files of a tenant that could be built last, so that they can be served while the present files cannot.

Belongs here: keeping these files, finding them again, and whether the present files still say the same about data. Not
here: serving them, and showing that they are served (`etl.definitions`).

The files are kept below the data folder by the hash of their names and contents; no path of a host is in them. Whoever
has the same data folder, on any host, finds the same configuration. Files that were changed since are not used.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from etl.config.config_loader import CONFIG_FILE, load_text, written_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.formats import check_format
from etl.quality.whole_file import write_whole
from etl.settings import Settings
from etl.trial.trouble import Instead

FORMAT = 1
_FOLDER, _CURRENT = "last_good", "current.json"
_KEPT = frozenset({".py", ".yaml", ".yml", ".sql", ".csv", ".json"})
_FREE = frozenset({"name", "description", "owners", "tags", "group", "sla", "assets", "jobs"})
"""Keys of a tenant that may be other ones in the present file: they do not say which data is read, or who gets it."""
_FREE_OF_PIPELINE = frozenset(
    {"description", "owners", "tags", "quality", "sla", "volume", "allow_empty", "max_shrink", "undated"}
)


@dataclass(frozen=True)
class LastGood:
    """The kept files of one tenant. `folder` is as the tenant's folder was, and has its name."""

    tenant: str
    digest: str
    at: datetime
    folder: Path

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.digest[:12]} of {self.at:%Y-%m-%d %H:%M} UTC"


def kept_place(tenant: str, settings: Settings) -> Path:
    """Return the folder with everything that is kept of a tenant."""
    return settings.data_dir / _FOLDER / tenant


def keep(tenant: str, settings: Settings) -> None:
    """Keep the present files of a tenant, which could be built, in the place of those that were kept before."""
    source, place = settings.tenants_dir / tenant, kept_place(tenant, settings)
    digest = _digest(source)
    with suppress(EtlError):
        if (found := kept(tenant, settings)) is not None and found.digest == digest:
            return
    draft = place / f".{uuid4().hex}" / tenant
    for path in _files(source):
        target = draft / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    try:
        if _digest(draft) != digest:
            return  # a file has changed meanwhile: the next load keeps the new state
        shutil.rmtree(place / digest, ignore_errors=True)
        with suppress(OSError):  # another process has kept the same files
            draft.parent.rename(place / digest)
        says = {"format": FORMAT, "digest": digest, "at": datetime.now(UTC).isoformat()}
        write_whole(place / _CURRENT, json.dumps(says) + "\n")
    finally:
        shutil.rmtree(draft.parent, ignore_errors=True)
    for old in place.iterdir():
        if old.is_dir() and not old.name.startswith(".") and old.name != digest:
            shutil.rmtree(old, ignore_errors=True)


def kept(tenant: str, settings: Settings) -> LastGood | None:
    """Return what is kept of a tenant; None if nothing is. Raises an error if the kept files are not as they were."""
    place = kept_place(tenant, settings)
    path = place / _CURRENT
    try:
        says = json.loads(path.read_text(encoding="utf-8"))
        check_format(says.get("format"), newest=FORMAT, what=f"the last good configuration {path}")
        digest, at = str(says["digest"]), datetime.fromisoformat(says["at"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise EtlError(f"{path} cannot be read: {error}", "remove it: the next good load writes it again") from error
    folder = place / digest / tenant
    if _digest(folder) != digest:
        problem = f"the last good configuration of {tenant}, {folder}, was changed since it was kept"
        raise EtlError(problem, "it is not used; the next good load keeps another one")
    return LastGood(tenant, digest, at, folder)


def served_instead(tenant: str, settings: Settings) -> tuple[LastGood | None, Instead]:
    """Return what a location of several tenants serves of a tenant whose present files cannot be built."""
    try:
        last = kept(tenant, settings)
        why = withdrawn(last, settings) if last is not None else "nothing was kept"
    except EtlError as error:
        last, why = None, error.problem
    if last is None or why is not None:
        return None, Instead(is_served=False, words=why or "", told=why or "")
    return last, Instead(is_served=True, words=str(last), told=str(last))


def kept_config(last: LastGood, settings: Settings) -> TenantConfig:
    """Return the configuration of the kept files."""
    path = last.folder / CONFIG_FILE
    return load_text(last.tenant, path.read_bytes(), path, settings)


def withdrawn(last: LastGood, settings: Settings) -> str | None:
    """Return why the kept files must not be served, or None.

    The kept files never read or write what the present file no longer says, or does not say in a readable way.
    """
    old = _tree(last.folder, last.tenant)
    now = _tree(settings.tenants_dir / last.tenant, last.tenant)
    if now is None or old is None:
        return "the present config.yaml cannot be read, so it is not known what it takes away"
    if other := _differing(old, now, _FREE):
        return f"the present config.yaml says something else about {', '.join(other)}"
    pipelines, present = (_part(_part(each, "assets"), "pipelines") for each in (old, now))
    for what, before, after in (("pipeline", pipelines, present), ("job", _part(old, "jobs"), _part(now, "jobs"))):
        if gone := [each for each in before if each not in after]:
            return f"the present config.yaml has no {what} {', '.join(gone)}"
    for name, pipeline in pipelines.items():
        if other := _differing(pipeline, present[name], _FREE_OF_PIPELINE):
            return f"the present config.yaml says something else about {', '.join(other)} of pipeline {name}"
        shown = [_part(each, "quality").get("safe_columns") for each in (pipeline, present[name])]
        if shown[0] != shown[1]:
            return f"the present config.yaml has other `safe_columns` in pipeline {name}"
    return None


def _differing(old: object, now: object, free: Collection[str]) -> list[str]:
    if not isinstance(old, Mapping) or not isinstance(now, Mapping):
        return [] if old == now else ["everything"]
    return [each for each in sorted(old.keys() | now.keys()) if each not in free and old.get(each) != now.get(each)]


def _part(tree: object, key: str) -> Mapping[str, object]:
    found = tree.get(key) if isinstance(tree, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _tree(folder: Path, tenant: str) -> dict[str, object] | None:
    try:
        return written_tenant((folder / CONFIG_FILE).read_bytes(), tenant)
    except OSError:
        return None


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in _KEPT and "__pycache__" not in path.parts and path.is_file():
            yield path


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
