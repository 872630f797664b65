"""The variables of dbt that come from a store: resolved when dbt connects, never while definitions are loaded."""

import shutil
from pathlib import Path

import pytest

from etl.config.config_loader import load_tenant
from etl.config.secrets import named_secrets
from etl.dbt.project import tenant_dbt
from etl.errors import ConfigError
from etl.secrets.cache import versions_read
from etl.settings import load_settings
from tests.servers.openbao import OpenBao
from tests.tiny_project import REPOSITORY, make_project

TRINO = {"type": "trino", "host": "${secret:trino#host}", "username": "${secret:trino#user}"}
CHANGES = {
    "warehouse": {**TRINO, "password": "${secret:trino#password}", "iceberg": {"type": "sql", "uri": "sqlite:///x"}},
    "storage": {
        "bucket": "acme-lake",
        "access_key_id": "${secret:lake#id}",
        "secret_access_key": "${secret:lake#key}",
    },
    "dbt": {"enabled": True, "env": {"ACME_DBT_PASSWORD": "${secret:dbt}"}},
    "assets": {"pipelines": {"orders": {"save_to_trino": False, "trino_output": None}}},
}


def test_dbt_gets_what_it_needs_when_it_connects(
    openbao: OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path, CHANGES)
    folder = project.root / "dbt_projects"
    (folder / "acme").mkdir(parents=True)
    (folder / "acme" / "dbt_project.yml").write_text("name: acme\nprofile: etl\n")
    shutil.copyfile(REPOSITORY / "dbt_projects" / "profiles.yml", folder / "profiles.yml")
    environ = {"ETL_SECRETS": "openbao", "BAO_ADDR": openbao.address, **openbao.role_of("acme")}
    for name, value in {**project.environ, **environ, "AWS_ACCESS_KEY_ID": "platform"}.items():
        monkeypatch.setenv(name, value)
    (project.root / "pyproject.toml").write_text('[tool.etl.secrets]\nauth = "approle"\n')
    openbao.write("tenants/acme/trino", host="t.example", user="u", password="p4ssw0rd")
    openbao.write("tenants/acme/lake", id="own-id", key="own-key")
    openbao.write("tenants/acme/dbt", value="of-dbt")

    config = load_tenant("acme", load_settings())
    made = tenant_dbt(config, load_settings())
    parsing = made.full_environ(connects=False)
    assert versions_read("acme") == {}  # nothing was read until now
    names = ("TRINO_HOST", "TRINO_USER", "TRINO_PASSWORD", "ACME_DBT_PASSWORD")
    names += ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert [parsing[name] for name in names] == [""] * 6
    connecting = made.full_environ()
    assert [connecting[name] for name in names] == ["t.example", "u", "p4ssw0rd", "of-dbt", "own-id", "own-key"]
    assert not any("BAO_" in name for name in connecting)
    assert {each.name for each in named_secrets(config)} == {"trino", "lake", "dbt"}


@pytest.mark.parametrize(("env", "why"), [
    ({"PATH": "x"}, "the variable `PATH` is not the tenant's own"),
    ({"BETA_TOKEN": "${secret:dbt}"}, "the variable `BETA_TOKEN` is not the tenant's own"),
    ({"ACME_TOKEN": "in-clear-text"}, "a secret in clear"),
    ({"ACME_TOKEN": "${BETA_TOKEN}"}, "does not belong to tenant acme"),
])  # fmt: skip
def test_what_a_file_may_not_give_to_dbt(
    env: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path, {"dbt": {"enabled": False, "env": env}})
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=why):
        load_tenant("acme", load_settings())
