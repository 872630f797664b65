"""`etl secrets`: what a tenant's file names, where it is, and whether it can be read; never a value."""

import pytest

from tests.tiny_project import TinyProject

from .conftest import Etl

CANARY = "Sperling-1-value"


def test_a_tenant_without_secrets_is_nothing_to_examine(project: TinyProject, etl: Etl) -> None:
    for command in ("list", "check"):
        said = etl("secrets", command, "acme")
        assert said.code == 3
        assert "names no secret" in said.err


def test_secrets_are_listed_and_checked_without_a_value(
    project: TinyProject, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_tenant({
        "source_database": {"username": "${secret:db#user}", "password": "${secret:db#password}"},
        "notifications": [{"type": "slack", "url": "${secret:chat}"}],
    })  # fmt: skip
    folder = project.root / "kept" / "acme"
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "user").write_text("reader")
    (folder / "db" / "password").write_text(CANARY)
    monkeypatch.setenv("ETL_SECRETS", "files")
    monkeypatch.setenv("ETL_SECRETS_PATH", "kept")
    listed = etl("secrets", "list", "acme")
    assert listed.code == 0, listed.err
    assert "place in files" in listed.out
    assert f"{folder}/db/password" in listed.out
    assert "source_database.password" in listed.out
    checked = etl("secrets", "check", "acme")
    assert checked.code == 1
    assert f"cannot be read from files ({folder}/chat/value): No such file or directory" in checked.out
    (folder / "chat").write_text("https://chat.example/x")
    checked = etl("secrets", "check", "acme")
    assert checked.code == 0, checked.out
    assert checked.out.count("yes") == 3
    monkeypatch.setenv("ETL_SECRETS", "openbao")
    monkeypatch.setenv("BAO_ADDR", "http://127.0.0.1:9")
    monkeypatch.setenv("BAO_TOKEN", "t")
    away = etl("secrets", "check", "acme")
    assert away.code == 3
    assert "not known" in away.out
    assert away.out.count("the server cannot be reached") == 1
    assert not any(CANARY in text for said in (listed, checked, away) for text in (said.out, said.err))
