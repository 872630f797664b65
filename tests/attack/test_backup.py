"""Attacks on backups: what is no whole copy, or no whole restore, must never be called one."""

import io
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from etl.cli.run import run
from etl.deployment import restore
from etl.deployment.archive import pack
from etl.deployment.backup import being_written, keep_newest, make_backup
from etl.deployment.manifest import FILE, BackupPart, read_manifest, write_manifest
from etl.deployment.restore import examined_backup, restore_backup
from etl.deployment.restore_mark import MARK, write_mark
from etl.deployment.stored import Kept, Stored, elsewhere, stored_in
from etl.errors import EtlError, NothingExamined
from etl.health.finding import Condition
from etl.health.leftovers import examine_leftovers
from etl.settings import Settings, load_settings
from tests.attack.target import Target
from tests.tiny_project import DAYS


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


def restored(backup: Path, folder: Path) -> dict[str, str]:
    """The files of a folder after the restore."""
    emptied(folder)
    restore_backup(
        backup, examined_backup(backup, stored_at(folder), ""), stored_at(folder), password="", tell=lambda _: None
    )
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def test_what_lies_on_a_larger_disk_behind_a_link_is_in_the_backup(data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    write(disk / "lake" / "beta" / "object", "rows of beta")
    write(disk / "beta.duckdb", "tables")
    write(disk / "beta.duckdb.wal", "its log")
    write(disk / "quarantine" / "beta.jsonl", "{}")
    (data / "lake" / "beta").symlink_to(disk / "lake" / "beta")
    (data / "warehouse").mkdir()
    (data / "warehouse" / "beta.duckdb").symlink_to(disk / "beta.duckdb")
    (data / "quarantine").symlink_to(disk / "quarantine")
    (data / "notes").symlink_to(write(tmp_path / "notes", "noted"))
    made = backed_up(stored_at(data), tmp_path / "backups")
    assert restored(made, data) == {
        "lake/acme/object": "rows",
        "lake/beta/object": "rows of beta",
        "notes": "noted",
        "quarantine/beta.jsonl": "{}",
        "warehouse/beta.duckdb": "tables",
        "warehouse/beta.duckdb.wal": "its log",
    }


def test_a_whole_lake_behind_a_link_is_in_the_backup(data: Path, tmp_path: Path) -> None:
    (data / "lake").rename(tmp_path / "disk")
    (data / "lake").symlink_to(tmp_path / "disk")
    assert restored(backed_up(stored_at(data), tmp_path / "backups"), data) == {"lake/acme/object": "rows"}


def test_a_link_from_a_place_to_another_one_in_the_folder_stays_a_link(data: Path, tmp_path: Path) -> None:
    (data / "newest").symlink_to(data / "lake" / "acme")
    restored(backed_up(stored_at(data), tmp_path / "backups"), data)
    assert (data / "newest").readlink() == Path("lake/acme")


def refused(data: Path, out: Path) -> EtlError:
    with pytest.raises(EtlError) as said:
        backed_up(stored_at(data), out)
    assert not list(out.glob("[!.]*"))
    return said.value


@pytest.mark.parametrize("place", ["lake/acme/pipe", "pipe", "quarantine/pipe"])
def test_a_pipe_is_named_and_never_left_out_without_a_word(data: Path, tmp_path: Path, place: str) -> None:
    (data / "quarantine").mkdir()
    os.mkfifo(data / place)
    said = refused(data, tmp_path / "backups")
    assert str(data / place) in said.problem
    assert "remove" in said.hint


@pytest.mark.parametrize(
    ("to", "problem"),
    [("absent", "which is not there"), ("", "which contains it"), ("/proc/self/environ", "no file on a disk")],
)
@pytest.mark.parametrize("place", ["lake/acme/link", "link"])
def test_a_link_that_cannot_be_followed_is_named(data: Path, tmp_path: Path, place: str, to: str, problem: str) -> None:
    (data / place).symlink_to(tmp_path / to)
    said = refused(data, tmp_path / "backups")
    assert str(data / place) in said.problem
    assert problem in said.problem
    assert said.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_link_to_files_of_somebody_else_is_named(data: Path, tmp_path: Path) -> None:
    os.chown(write(tmp_path / "theirs", "secret"), 12345, 12345)
    (data / "link").symlink_to(tmp_path / "theirs")
    said = refused(data, tmp_path / "backups")
    assert "belongs to another user" in said.problem
    assert "chown" in said.hint


def test_a_folder_that_cannot_be_listed_fails_the_backup(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.scandir

    def forbidden(place: Path) -> object:
        if Path(place).name == "acme":
            raise PermissionError(13, "Permission denied", str(place))
        return before(place)

    monkeypatch.setattr("os.scandir", forbidden)
    with pytest.raises(PermissionError):
        pack(data, data, io.BytesIO())


def settings_at(data: Path) -> Settings:
    (data.parent / "tenants").mkdir(exist_ok=True)
    return load_settings({"ETL_PROJECT_DIR": str(data.parent), "ETL_DATA_DIR": str(data)})


def test_dagsters_history_outside_the_data_folder_is_in_the_backup(data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home / "history" / "runs.db", "runs")
    write(home / "run_workers" / "1.lock", "")
    stored = stored_in(settings_at(data), {"DAGSTER_HOME": str(home)})
    made = backed_up(stored, tmp_path / "backups")
    emptied(data)
    emptied(home)
    restore_backup(made, examined_backup(made, stored, ""), stored, password="", tell=lambda _: None)
    assert (home / "history" / "runs.db").read_text() == "runs"
    assert (data / "lake" / "acme" / "object").read_text() == "rows"
    assert not (home / "run_workers").exists()


def test_a_home_around_the_data_folder_is_named(data: Path, tmp_path: Path) -> None:
    environ = {"DAGSTER_HOME": str(data.parent)}
    assert stored_in(settings_at(data), environ) == stored_at(data)
    (said,) = elsewhere(settings_at(data), environ)
    assert f"Dagster's history in {data.parent}" in said


@pytest.mark.parametrize("home", [None, "", "dagster", "."])
def test_a_home_in_the_data_folder_is_no_part_of_its_own(data: Path, home: str | None) -> None:
    environ = {} if home is None else {"DAGSTER_HOME": str(data / home) if home else ""}
    assert stored_in(settings_at(data), environ) == stored_at(data)


def test_a_history_that_a_server_keeps_is_named(data: Path, tmp_path: Path) -> None:
    write(tmp_path / "home" / "dagster.yaml", "storage:\n  postgres:\n    postgres_url: {env: SECRET}\n")
    (said,) = elsewhere(settings_at(data), {"DAGSTER_HOME": str(tmp_path / "home")})
    assert "Dagster's history" in said
    assert "storage" in said


def test_nothing_to_back_up_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "data" / "locks").mkdir(parents=True)
    for folder in (tmp_path / "data", tmp_path / "absent"):
        with pytest.raises(NothingExamined, match="there is nothing to back up"):
            backed_up(stored_at(folder), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_missing_folder_of_a_service_fails_the_backup(data: Path, tmp_path: Path) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    more = Stored((*stored_at(data).folders, Kept("code-b", tmp_path / "b", tmp_path / "b", me)), None)
    with pytest.raises(EtlError, match="is missing"):
        backed_up(more, tmp_path / "out")


@pytest.mark.parametrize("below", ["", "backups", "lake/link"])
def test_a_backup_below_the_data_folder_is_refused(data: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / "link").symlink_to(data)
    for out in (data / below, tmp_path / "link" / below):
        with pytest.raises(EtlError, match="is in the folder that is backed up"):
            backed_up(stored_at(data), out)
    assert [each.name for each in data.iterdir()] == ["lake"]


class Killed(BaseException):
    """Ends the restore where a kill would."""


def killed_in_the_middle(backup: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the first part, and half of it, and end there."""
    before = restore._unpacked

    def half(*arguments: Any) -> None:
        before(*arguments)
        (stored.folders[0].data / "lake" / "acme" / "object").write_text("ro")
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(restore, "_unpacked", half)
        with pytest.raises(Killed):
            again(backup, stored)


def again(backup: Path, stored: Stored) -> None:
    restore_backup(backup, examined_backup(backup, stored, ""), stored, password="", tell=lambda _: None)


def test_a_restore_goes_on_over_its_own_unfinished_work(
    backup: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = stored_at(data)
    killed_in_the_middle(backup, stored, monkeypatch)
    write(data / "sla.sqlite-wal", "of a process that was started in between")
    assert (data / MARK).is_file()
    again(backup, stored)
    assert [(each.name, each.read_text()) for each in data.rglob("*") if each.is_file()] == [("object", "rows")]


def test_a_second_service_that_was_not_begun_is_restored_too(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "b" / "data" / "quarantine", "{}")
    stored = Stored((*stored_at(data).folders, Kept("code-b", tmp_path / "b", tmp_path / "b" / "data", None)), None)
    made = backed_up(stored, tmp_path / "backups")
    emptied(data)
    emptied(tmp_path / "b")
    killed_in_the_middle(made, stored, monkeypatch)
    assert (tmp_path / "b" / "data" / MARK).is_file()
    again(made, stored)
    assert [each.name for each in (tmp_path / "b" / "data").iterdir()] == ["quarantine"]


def test_another_backup_is_not_restored_over_unfinished_work(
    backup: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in_the_middle(backup, stored_at(data), monkeypatch)
    other = write(tmp_path / "other" / "file", "other").parent
    made = backed_up(Stored((Kept("project", other, other, None),), None), tmp_path / "others")
    with pytest.raises(EtlError, match="a restore of another backup"):
        examined_backup(made, stored_at(data), "")


def test_the_mark_stays_until_everything_is_done(backup: Path, data: Path) -> None:
    stored = stored_at(data)
    seen = []

    def last() -> None:
        seen.append((data / MARK).is_file())

    manifest = examined_backup(backup, stored, "")
    restore_backup(backup, manifest, stored, password="", tell=lambda _: None, then=last)
    assert seen == [True]
    assert not (data / MARK).exists()


def test_a_half_restored_folder_is_told_and_not_worked_with(
    backup: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in_the_middle(backup, stored_at(data), monkeypatch)
    (told,) = [each for each in examine_leftovers(settings_at(data)) if each.what == "restore"]
    assert told.state is Condition.BAD
    assert "etl restore" in told.remedy
    with pytest.raises(EtlError, match=r"a restore into .* has not ended"):
        backed_up(stored_at(data), tmp_path / "more")
    monkeypatch.setenv("ETL_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("ETL_DATA_DIR", str(data))
    with pytest.raises(EtlError, match=r"a restore into .* has not ended"):
        run("acme")


@pytest.mark.slow
def test_a_run_from_elsewhere_does_not_work_with_a_half_restored_folder_either(target: Target) -> None:
    write_mark(target.project.data, "0" * 64)
    arguments = ("--select", "*", "--partition", DAYS[0], "-m", "tenants.acme.definitions")
    said = target.dagster("asset", "materialize", *arguments)
    assert said.code != 0
    assert "has not ended" in said.text
    assert target.project.published() == []


def test_what_killed_backups_left_is_removed_by_the_next_one(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "backups"
    write(out / ".unfinished-2020-01-01T000000Z" / "project.tar", "half")
    write(out / ".unfinished-notes" / "file", "of somebody")
    made = backed_up(stored_at(data), out)
    assert sorted(each.name for each in out.iterdir()) == [".unfinished-notes", made.name]


def test_a_backup_that_is_being_written_is_not_removed_by_another_one(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "backups"
    work = write(out / ".unfinished-2020-01-01T000000Z" / "project.tar", "half").parent
    with being_written(work):
        backed_up(stored_at(data), out)
        assert work.is_dir()
    (data / "lake" / "acme" / "pipe").symlink_to("absent")
    with pytest.raises(EtlError):
        backed_up(stored_at(data), out)
    assert not work.exists()


@pytest.mark.parametrize("origin", ["another-machine:/var/lib/etl/web", ""])
def test_what_another_installation_has_backed_up_to_the_same_disk_is_never_removed(
    data: Path, tmp_path: Path, origin: str
) -> None:
    out = tmp_path / "shared"
    theirs = backed_up(stored_at(data), out)
    write_manifest(theirs, read_manifest(theirs).model_copy(update={"origin": origin}))
    theirs = theirs.rename(out / "2020-01-01T000000Z")
    damaged = out / "2020-01-02T000000Z"
    write(damaged / FILE, "{}")
    own = backed_up(stored_at(data), out)
    assert keep_newest(out, 1, stored_at(data)) == ([], [theirs, damaged])
    assert all(each.is_dir() for each in (own, theirs, damaged))


def test_a_backup_of_other_tenants_is_not_restored_without_a_word(data: Path, tmp_path: Path) -> None:
    made = backed_up(stored_at(data)._replace(tenants=("a", "a_b", "shop")), tmp_path / "backups")
    emptied(data)
    with pytest.raises(EtlError, match="is one of other tenants") as refused:
        examined_backup(made, stored_at(data)._replace(tenants=("a_b", "shop", "zzz")), "")
    assert "a is in the backup, and not in this project" in refused.value.problem
    assert "zzz is in this project, and not in the backup" in refused.value.problem
    examined_backup(made, stored_at(data)._replace(tenants=("shop", "a_b", "a")), "")


def test_the_remedy_of_a_missing_folder_is_one_of_this_machine(data: Path, backup: Path) -> None:
    data.rmdir()
    with pytest.raises(EtlError, match="is missing") as refused:
        examined_backup(backup, stored_at(data), "")
    assert refused.value.hint == f"mkdir -p '{data}'"
