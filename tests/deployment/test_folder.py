"""What a person has changed in a folder of written files stays; what nobody has changed follows the tenants."""

from pathlib import Path

import pytest

from etl.deployment.folder import FileChange, changes, write
from etl.errors import ConfigError, EtlError


def test_files_are_written_changed_and_removed(tmp_path: Path) -> None:
    assert write(tmp_path, {"a": "1", "b/c": "2"}) == {"a": FileChange.NEW, "b/c": FileChange.NEW}
    assert write(tmp_path, {"a": "1", "b/c": "3"}) == {"a": FileChange.SAME, "b/c": FileChange.CHANGED}
    assert (tmp_path / "b" / "c").read_text() == "3"
    assert changes(tmp_path, {"a": "4"}) == {"a": FileChange.CHANGED, "b/c": FileChange.REMOVED}
    assert (tmp_path / "b" / "c").is_file(), "only looked at"
    assert write(tmp_path, {"a": "4"}) == {"a": FileChange.CHANGED, "b/c": FileChange.REMOVED}
    assert not (tmp_path / "b" / "c").exists()


def test_what_a_person_has_changed_is_written_over_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path, {"a": "1", "b": "2"})
    (tmp_path / "a").write_text("mine")
    with pytest.raises(EtlError, match=r"^a in .* was changed by hand") as told:
        write(tmp_path, {"a": "5", "b": "6"})
    assert "--overwrite" in told.value.hint
    assert (tmp_path / "b").read_text() == "2", "nothing is written if one file cannot be"
    assert write(tmp_path, {"b": "2"}) == {"b": FileChange.SAME, "a": FileChange.KEPT}
    assert (tmp_path / "a").read_text() == "mine"
    with pytest.raises(EtlError, match="changed by hand, or is not this command's"):
        write(tmp_path, {"a": "5", "b": "2"})
    assert write(tmp_path, {"a": "5", "b": "2"}, overwrite=True)["a"] is FileChange.CHANGED
    assert (tmp_path / "a").read_text() == "5"


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"a": "1"})
    (tmp_path / ".written.json").write_text('{"format": 2}')
    with pytest.raises(ConfigError, match="cannot be read"):
        write(tmp_path, {"a": "1"})
