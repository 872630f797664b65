"""Attacks on backups: what is no whole copy, or no whole restore, must never be called one."""

import json
from pathlib import Path

import pytest

from etl.deployment.backup import make_backup
from etl.deployment.manifest import FILE, BackupPart
from etl.deployment.restore import examined_backup
from etl.deployment.stored import Kept, Stored
from etl.errors import EtlError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one object of the lake."""
    folder = tmp_path / "data"
    write(folder / "lake" / "acme" / "object", "rows")
    return folder


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def stored_at(folder: Path) -> Stored:
    return Stored((Kept("project", folder, folder, None),), None)


def backed_up(stored: Stored, out: Path) -> Path:
    return make_backup(stored, out, password="", elsewhere=(), tell=lambda _: None)


def emptied(folder: Path) -> None:
    """Move the folder away, and make an empty one, as docs/production.md says."""
    folder.rename(folder.with_name(f"{folder.name}.before"))
    folder.mkdir()


@pytest.fixture
def backup(data: Path, tmp_path: Path) -> Path:
    """A backup of the data folder, which is empty afterwards."""
    made = backed_up(stored_at(data), tmp_path / "backups")
    emptied(data)
    return made


@pytest.mark.parametrize("change", [{"parts": []}, {"elsewhere": ["nothing"]}, {"begun": "2020-01-01T00:00:00Z"}])
def test_a_manifest_that_was_changed_is_refused(backup: Path, data: Path, change: dict[str, object]) -> None:
    found = json.loads((backup / FILE).read_text())
    (backup / FILE).write_text(json.dumps({**found, **change}))
    with pytest.raises(EtlError, match="has changed since it was written"):
        examined_backup(backup, stored_at(data), "")


def test_a_manifest_without_its_own_hash_is_refused(backup: Path, data: Path) -> None:
    found = json.loads((backup / FILE).read_text())
    del found["sha256"]
    (backup / FILE).write_text(json.dumps(found))
    with pytest.raises(EtlError, match="has changed since it was written"):
        examined_backup(backup, stored_at(data), "")


def test_a_file_that_the_manifest_does_not_name_is_no_part_of_a_whole_backup(backup: Path, data: Path) -> None:
    write(backup / "code-b.tar", "of another backup")
    with pytest.raises(EtlError, match=r"is damaged: code-b\.tar is not in the manifest"):
        examined_backup(backup, stored_at(data), "")


def test_a_backup_that_lacks_a_service_of_the_installation_is_refused(backup: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    more = Stored((*stored_at(data).folders, Kept("code-b", tmp_path / "b", tmp_path / "b", None)), None)
    with pytest.raises(EtlError, match="the backup lacks services that this installation has: code-b"):
        examined_backup(backup, more, "")


@pytest.mark.parametrize("file", ["../backups/project.tar", "/etc/passwd", ""])
def test_a_part_is_a_file_in_the_folder_of_the_backup(file: str) -> None:
    with pytest.raises(ValueError, match="file"):
        BackupPart(file=file, sha256="", bytes=0)
