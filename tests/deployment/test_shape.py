"""The shape: which services there are, as whom, and with which variables."""

from pathlib import Path
from typing import Any

import pytest

from etl.deployment.instance import instance_settings
from etl.deployment.shape import Shape, dns_name, shape_of
from etl.deployment.systemd import files
from etl.errors import ConfigError, NothingExamined
from etl.settings import Settings, load_settings
from tests.tiny_project import TinyProject, make_project

OWN = ("ACME_DB_HOST", "ACME_DB_NAME", "ACME_DB_PASSWORD", "ACME_DB_USER")


def project_with(root: Path, changes: dict[str, Any], platform: str = "") -> Settings:
    project = make_project(root, changes)
    (project.root / "pyproject.toml").write_text(f"[tool.etl]\n{platform}")
    return settings_of(project)


def settings_of(project: TinyProject) -> Settings:
    return load_settings(project.environ)


def test_every_service_has_its_own_user_and_only_its_own_variables(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write_tenant(tenant="acme_eu")
    shape = shape_of(settings_of(project))
    assert [each.name for each in shape.services] == ["web", "daemon", "code-acme", "code-acme-eu"]
    users = [each.user for each in shape.services]
    assert len(set(users)) == len(users)
    assert shape.web.variables == shape.daemon.variables == ("DAGSTER_PG_PASSWORD",)
    acme, other = shape.code_servers
    assert acme.variables == ("DAGSTER_PG_PASSWORD", *OWN)
    assert other.variables == ("DAGSTER_PG_PASSWORD", *(each.replace("ACME_", "ACME_EU_") for each in OWN))
    assert not {*acme.writes} & {*other.writes}
    assert len({each.port for each in shape.services if each.port}) == 3


@pytest.mark.parametrize(
    ("platform", "secret", "needed", "taken"),
    [
        ("", "${secret:db#password}", {"ACME_SECRET_DB__PASSWORD"}, set()),
        ('secrets = {store = "files", path = "/run/secrets"}', "${secret:db}", set(), set()),
        (
            'secrets = {store = "openbao", auth = "approle"}',
            "${secret:db}",
            {"ACME_BAO_ROLE_ID", "ACME_BAO_SECRET_ID", "BAO_ADDR"},
            {"BAO_CACERT", "BAO_NAMESPACE"},
        ),
        (
            'secrets = {store = "openbao", address = "https://bao.example.com"}',
            "${secret:db}",
            {"ACME_BAO_TOKEN"},
            {"BAO_ADDR", "BAO_CACERT", "BAO_NAMESPACE"},
        ),
        (
            'secrets = {store = "azure"}',
            "${secret:db}",
            {"AZURE_KEYVAULT_URL"},
            {"ACME_AZURE_CLIENT_ID", "ACME_AZURE_TENANT_ID", "ACME_AZURE_CLIENT_SECRET"},
        ),
        ('secrets = {store = "sops", path = "s.yaml"}', "${secret:db}", {"ACME_SOPS_AGE_KEY_FILE"}, set()),
        (
            'secrets = {store = "aws"}',
            "${secret:db}",
            set(),
            {"AWS_REGION", "ACME_AWS_ACCESS_KEY_ID", "ACME_AWS_SECRET_ACCESS_KEY"},
        ),
    ],
    ids=["env", "files", "openbao", "openbao at an address", "azure", "sops", "aws"],
)
def test_a_secret_needs_the_login_of_its_store(
    tmp_path: Path, platform: str, secret: str, needed: set[str], taken: set[str]
) -> None:
    shape = shape_of(project_with(tmp_path, {"source_database": {"password": secret}}, platform))
    (code,) = shape.code_servers
    assert {*code.variables} == {"DAGSTER_PG_PASSWORD", *OWN} - {"ACME_DB_PASSWORD"} | needed
    assert {*code.optional} == taken


def test_a_variable_with_a_default_is_taken_if_it_is_set(tmp_path: Path) -> None:
    (code,) = shape_of(project_with(tmp_path, {"source_database": {"port": "${ACME_DB_PORT:-5432}"}})).code_servers
    assert code.optional == ("ACME_DB_PORT",)
    assert "ACME_DB_PORT" not in code.variables


def test_a_bucket_and_a_cluster_of_the_platform_are_taken_if_they_are_set(tmp_path: Path) -> None:
    changes = {"storage": {"bucket": "lake"}, "warehouse": {"type": "trino"}}
    (code,) = shape_of(project_with(tmp_path, changes)).code_servers
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_ENDPOINT_URL", "TRINO_HOST"} <= {*code.optional}


def test_tenants_can_share_a_code_server(tmp_path: Path) -> None:
    settings = project_with(tmp_path, {}, "shards = 2\n")
    project = TinyProject(settings.project_dir, settings.data_dir)
    for each in ("b", "c", "d"):
        project.write_tenant(tenant=each)
    together = shape_of(settings, "all")
    assert [each.tenants for each in together.code_servers] == [("acme", "b", "c", "d")]
    assert together.code_servers[0].command[3:7] == ("--module-name", "etl.all", "--attribute", "defs")
    shards = shape_of(settings, "shard").code_servers
    assert sorted(tenant for each in shards for tenant in each.tenants) == ["acme", "b", "c", "d"]
    assert {each.location for each in shards} <= {"shard_1", "shard_2"}


def test_names_are_names_of_hosts_and_users_and_never_the_same() -> None:
    ids = ["a", "a_b", "a__b", "a_", "a_b_", "x" * 63, "x" * 62 + "y", "shard_1", "a" * 23, "a" * 24]
    names = [dns_name(each) for each in ids]
    assert len(set(names)) == len(ids)
    for each in names:
        assert len(f"etl-code-{each}") <= 32
        assert each.strip("-") == each
        assert each.replace("-", "").isalnum()


def test_a_shape_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    shape = shape_of(settings_of(make_project(tmp_path)))
    assert Shape.model_validate_json(shape.model_dump_json()) == shape


def test_without_tenants_or_with_a_broken_one_there_is_no_shape(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write_pipeline({"source_tabel": "orders"})
    with pytest.raises(ConfigError, match="source_table"):
        shape_of(settings_of(project))
    (project.root / "tenants" / "acme" / "config.yaml").unlink()
    with pytest.raises(NothingExamined, match="no tenant"):
        shape_of(settings_of(project))


def test_the_project_keeps_its_own_limits_and_no_secret_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    path = project.root / "dagster.yaml"
    path.write_text(path.read_text().replace("max_concurrent_runs: 4", "max_concurrent_runs: 7"))
    for name in (*OWN, "DAGSTER_PG_PASSWORD"):
        monkeypatch.setenv(name, "canary-value")
    settings = settings_of(project)
    shape = shape_of(settings)
    text = instance_settings(shape, settings)
    assert "max_concurrent_runs: 7" in text
    assert "postgresql+psycopg2" in text
    written = files(shape, settings, "etl.example.com")
    assert not [name for name, content in written.items() if "canary-value" in content]
    assert written["etc/etl/variables/code-acme.env"].count("=\n") == 5
