"""What a stranger found in the files of `etl deploy`, and in ids that YAML reads as another kind of value."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.deployment.compose import compose, files as compose_files
from etl.deployment.compose_runs import run_places
from etl.deployment.dockerfile import image_source
from etl.deployment.helm import files as helm_files
from etl.deployment.shape import DATABASE, Database, Shape, shape_of
from etl.deployment.systemd import files as systemd_files
from etl.deployment.yaml_text import yaml_text
from etl.settings import load_settings
from tests.cli.conftest import Etl, etl, project  # noqa: F401  the command, in this process, on the tiny project
from tests.deployment.conftest import written as in_folder
from tests.deployment.readers import READERS
from tests.tiny_project import TinyProject

HOST = "etl.example.com"
WORDS = ("no", "on", "y", "null", "true")
"""Ids that are text only for some readers of YAML."""


def shape_now() -> Shape:
    return shape_of(load_settings(), database=Database(host=DATABASE))


def written(target: str, out: Path, runs: Any = "process") -> dict[str, str]:
    """The files of one target, for the environment and the project of this test."""
    settings, shape = load_settings(), shape_now()
    source = image_source(settings.project_dir, out)
    if target == "compose":
        return compose_files(shape, settings, source, HOST, runs)
    return helm_files(shape, settings, source, HOST) if target == "helm" else systemd_files(shape, settings, HOST)


# The web server, which asks nobody for a password.


@pytest.mark.parametrize("runs", ["process", "container"])
def test_a_tenants_container_reaches_only_services_that_ask_for_a_password(
    project: TinyProject,  # noqa: F811
    runs: Any,
) -> None:
    project.write_tenant(tenant="beta")
    shape = shape_now()
    made = compose(shape, image_source(project.root, project.root / "deploy"), runs)
    services = made["services"]
    web = services["web"]
    listens = web["command"][web["command"].index("--host") + 1]
    named = {
        network
        for service in services.values()
        if isinstance(service.get("networks"), dict)
        for network, settings in service["networks"].items()
        if listens in settings.get("aliases", ())
    }
    assert named == {"front"}, (
        f"the web server listens at {listens}, which is not an address of the login's network only"
    )
    assert [name for name, each in services.items() if "front" in each.get("networks", ())] == ["web", "proxy"]
    assert f"http://{listens}:3000/server_info" in web["healthcheck"]["test"]
    proxy = compose_files(shape, load_settings(), image_source(project.root, project.root), HOST, runs)
    assert f"server {listens}:3000;" in proxy["proxy/conf.d/etl.conf"]
    for name in services:
        if name.startswith("code-"):
            others = {other for other, each in services.items() if name in each.get("networks", ()) and other != name}
            assert others == {"web", "daemon", "postgres"}
    assert "--port" not in services["daemon"]["command"]


@pytest.mark.parametrize("target", ["compose", "helm"])
def test_the_password_that_every_tenant_has_is_no_superusers(project: TinyProject, target: str) -> None:  # noqa: F811
    """A superuser of PostgreSQL executes programs: in the container that is in the networks of all code servers."""
    found = written(target, project.root / "deploy")
    if target == "compose":
        database = yaml.safe_load(found["compose.yaml"])["services"]["postgres"]
        assert database["environment"]["POSTGRES_USER"] == "postgres"
        (script,) = [each.partition(":")[0] for each in database["volumes"] if "initdb.d" in each]
        text = found[script.removeprefix("./")]
    else:
        text = found["chart/files/database.sql"]
    assert 'CREATE ROLE "dagster" LOGIN' in text
    assert "SUPERUSER" not in text
    assert "ALTER ROLE postgres PASSWORD NULL" in text


# Ids that are words of YAML.


@pytest.mark.parametrize("word", WORDS)
def test_a_new_tenant_whose_id_is_a_word_of_yaml(etl: Etl, project: TinyProject, word: str) -> None:  # noqa: F811
    template = Path(__file__).parents[2] / "tenants" / "_template"
    (project.root / "tenants" / "_template").symlink_to(template)
    assert etl("new", word).code == 0
    for reader in READERS:
        content = yaml.load((project.root / "workspace.yaml").read_text(), Loader=reader)
        assert [each["python_module"]["location_name"] for each in content["load_from"]] == ["acme", word]
        tenant = yaml.load((project.root / "tenants" / word / "config.yaml").read_text(), Loader=reader)
        assert tenant["tenant"]["id"] == word
    assert isinstance(tenant["tenant"]["name"], str)


@pytest.mark.parametrize("word", WORDS)
def test_a_remedy_written_word_for_word_is_right(etl: Etl, project: TinyProject, word: str) -> None:  # noqa: F811
    project.write_tenant(tenant=word)
    said = etl("check", word)
    texts = re.findall(r"`(location_name: [^`]+)`", said.out + said.err)
    assert texts, said
    for text in texts:
        for reader in READERS:
            assert yaml.load(text, Loader=reader) == {"location_name": word}


def test_a_wrong_entry_of_workspace_yaml_is_named_with_its_line(etl: Etl, project: TinyProject) -> None:  # noqa: F811
    with (project.root / "workspace.yaml").open("a") as file:
        file.write(
            "  - python_module:\n      module_name: tenants.acme.definitions\n      attribute: defs\n      location_name: no\n"
        )
    said = etl("run", "acme")
    assert said.code == 2
    words = " ".join(said.err.split())
    assert "workspace.yaml:10" in words
    assert 'location_name: "no"' in words


@pytest.mark.parametrize("word", WORDS)
def test_every_written_text_is_text_for_every_reader(word: str) -> None:
    content = {word: word, "list": [word, "a"], "block": f"{word}\nb\n"}
    for reader in READERS:
        assert yaml.load(yaml_text(content), Loader=reader) == content


@pytest.mark.parametrize("word", WORDS)
def test_the_files_of_such_a_tenant(project: TinyProject, word: str) -> None:  # noqa: F811
    project.write_tenant(tenant=word)
    compose_ = written("compose", project.root / "deploy", "container")
    helm = written("helm", project.root / "deploy")
    for reader in READERS:

        def read(text: str, loader: type[yaml.SafeLoader] = reader) -> Any:
            return yaml.load(text, Loader=loader)

        assert set(read(compose_["dagster/runs.yaml"])["locations"]) == {"acme", word}
        for workspace in (compose_["dagster/workspace.yaml"], helm["chart/files/workspace.yaml"]):
            names = {each["grpc_server"]["location_name"] for each in read(workspace)["load_from"]}
            assert names == {"acme", word}
        assert read(helm["chart/values.yaml"])["codeServers"][f"code-{word}"]["location"] == word


# Settings of the platform that came from a variable.


@pytest.mark.parametrize("target", ["compose", "helm", "systemd"])
def test_a_store_that_a_variable_names_is_written_down(
    project: TinyProject,  # noqa: F811
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.write_tenant({"notifications": [{"type": "slack", "url": "${secret:slack}"}]})
    monkeypatch.setenv("ETL_SECRETS", "openbao")
    monkeypatch.setenv("ETL_SECRETS_PATH", "secret/eu/{tenant}")
    found = written(target, project.root / "deploy")
    where = {"compose": "compose.yaml", "helm": "chart/values.yaml"}
    names = [where[target]] if target in where else [each for each in found if each.endswith("code-acme.service")]
    for name in names:
        assert "openbao" in found[name]
        assert "secret/eu/{tenant}" in found[name]
    if target == "compose":
        for service in ("web", "daemon", "code-acme"):
            environment = yaml.safe_load(found["compose.yaml"])["services"][service]["environment"]
            assert environment["ETL_SECRETS"] == "openbao"
        given = run_places(shape_now())["locations"]["acme"]["context"]["env_vars"]
        assert {"ETL_SECRETS=openbao", "ETL_SECRETS_PATH=secret/eu/{tenant}"} <= set(given)


def test_a_store_of_the_file_needs_no_variable(project: TinyProject) -> None:  # noqa: F811
    (project.root / "pyproject.toml").write_text('[tool.etl.secrets]\nstore = "openbao"\n')
    assert "ETL_SECRETS" not in json.dumps(shape_now().settings)


# Secrets that are files.


def with_files(project: TinyProject, path: str) -> None:  # noqa: F811
    for tenant in ("acme", "beta"):
        project.write_tenant({"notifications": [{"type": "slack", "url": "${secret:chat/slack#url}"}]}, tenant)
    (project.root / "pyproject.toml").write_text(f'[tool.etl.secrets]\nstore = "files"\npath = "{path}"\n')


PLACES = [
    ("tenants/{tenant}/secrets", "/opt/etl/project/tenants/%s/secrets", "../tenants/%s/secrets"),
    ("keys", "/opt/etl/project/keys/%s", "../keys/%s"),
    ("/run/secrets/{tenant}", "/run/secrets/%s", "/run/secrets/%s"),
]


@pytest.mark.parametrize(("path", "place", "source"), PLACES)
@pytest.mark.parametrize("runs", ["process", "container"])
def test_files_of_secrets_reach_their_own_container_only(
    project: TinyProject,  # noqa: F811
    path: str,
    place: str,
    source: str,
    runs: Any,
) -> None:
    with_files(project, path)
    found = written("compose", project.root / "deploy", runs)
    made = yaml.safe_load(found["compose.yaml"])
    for tenant, other in (("acme", "beta"), ("beta", "acme")):
        service = made["services"][f"code-{tenant}"]
        assert service["environment"]["ETL_SECRETS"] == "files"
        looked = service["environment"]["ETL_SECRETS_PATH"]
        assert (looked if "{tenant}" in looked else f"{looked}/{{tenant}}") == (place % "{tenant}")
        assert (place % other) not in str(service["volumes"])
        if runs == "process":
            (mount,) = [each for each in service["volumes"] if isinstance(each, dict)]
            assert mount == {
                "type": "bind",
                "source": source % tenant,
                "target": place % tenant,
                "read_only": True,
                "bind": {"create_host_path": False},
            }
            continue
        (mount,) = [each for each in service["volumes"] if str(each).endswith(f":{place % tenant}:ro")]
        device = made["volumes"][mount.partition(":")[0]]["driver_opts"]["device"]
        assert device.endswith(f"}}/{source % tenant}" if source.startswith(".") else source % tenant)
        kwargs = run_places(shape_now())["locations"][tenant]["context"]["container_kwargs"]
        assert f"project-{mount}" in kwargs["volumes"]
    for name in ("web", "daemon", "prepare", "upgrade", "proxy", "postgres"):
        assert (place % "acme") not in str(made["services"][name].get("volumes")), name
    assert "Nothing is needed" not in found["env/code-acme.env.example"]
    assert "chat/slack/url" in found["env/code-acme.env.example"]
    if path.startswith("tenants/"):
        assert "\ntenants/acme/secrets\n" in found["Dockerfile.dockerignore"], "the image would have the secrets"


@pytest.mark.parametrize(("path", "place", "source"), PLACES)
def test_files_of_secrets_are_readable_for_their_own_unit_only(
    project: TinyProject,  # noqa: F811
    path: str,
    place: str,
    source: str,
) -> None:
    del source
    with_files(project, path)
    found = written("systemd", project.root / "deploy")
    units = {name.rpartition("/")[2]: text for name, text in found.items() if name.endswith(".service")}
    hidden = {name: re.findall(r"^InaccessiblePaths=(.*)$", text, re.MULTILINE) for name, text in units.items()}
    assert hidden["etl-code-acme.service"] == [f"-{place % 'beta'}"]
    assert hidden["etl-code-beta.service"] == [f"-{place % 'acme'}"]
    for name in ("etl-web.service", "etl-daemon.service"):
        assert hidden[name] == [f"-{place % 'acme'} -{place % 'beta'}"]
    assert f"Z {place % 'acme'} ~0500 etl-code-acme etl-code-acme" in found["etc/tmpfiles.d/etl.conf"].splitlines()
    assert "chat/slack/url" in found["etc/etl/variables/code-acme.env"]


def test_files_of_secrets_are_secrets_of_the_cluster(project: TinyProject) -> None:  # noqa: F811
    with_files(project, "keys/{tenant}")
    found = written("helm", project.root / "deploy")
    servers = yaml.safe_load(found["chart/values.yaml"])["codeServers"]
    assert servers["code-acme"]["secretFiles"] == [
        {
            "secret": "files-acme",
            "mountPath": "/opt/etl/project/keys/acme",
            "items": [{"key": "chat.slack.url", "path": "chat/slack/url"}],
        }
    ]
    example = found["secrets/files-acme.sh.example"]
    assert "kubectl create secret generic files-acme" in example
    assert "--from-file=chat.slack.url=" in example


@pytest.mark.parametrize("target", ["compose", "helm"])
def test_encrypted_files_are_refused_for_containers(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    target: str,
) -> None:
    with_files(project, "keys/{tenant}.yaml")
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.replace('"files"', '"sops"'))
    said = etl("deploy", target, "--out", str(project.root / "deploy"), "--host", HOST)
    assert said.code == 2
    assert "sops" in said.err
    assert "docs/secrets.md" in said.err
    assert not (project.root / "deploy").exists()


# Green over nothing.


@pytest.mark.parametrize("text", ["", "# defaults: {rows_per_day: 1000}\n", "---\n"])
def test_a_file_of_quotas_without_content_limits_nobody_and_is_not_green(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    text: str,
) -> None:
    (project.root / "tenants" / "quotas.yaml").write_text(text)
    for command in (("quotas",), ("check",), ("check", "acme")):
        said = etl(*command)
        assert said.code == 2, (command, said)
        assert "is empty" in said.out + said.err, command


@pytest.mark.parametrize("text", ["defaults: {}\n", "timezone: UTC\n", "tenants: {beta: {rows_per_day: 10}}\n"])
def test_quotas_that_limit_none_of_the_tenants_shown_are_not_green(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    text: str,
) -> None:
    project.write_tenant(tenant="beta")
    (project.root / "tenants" / "quotas.yaml").write_text(text)
    said = etl("quotas", "acme")
    assert said.code == 3, said
    assert "limits none of these tenants: acme" in said.err


def test_a_limit_of_runs_is_a_limit(etl: Etl, project: TinyProject) -> None:  # noqa: F811
    (project.root / "tenants" / "quotas.yaml").write_text("defaults: {concurrent_runs: 2}\n")
    assert etl("quotas", "acme").code == 0


def test_an_invalid_file_of_quotas_is_a_finding_for_each_tenant(etl: Etl, project: TinyProject) -> None:  # noqa: F811
    (project.root / "tenants" / "quotas.yaml").write_text("defaults: {rows_per_day: -1}\n")
    said = etl("check", "acme")
    assert said.code == 2
    assert "quotas.yaml:1" in said.out


def test_a_simulation_of_nothing_is_not_green(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.write_tenant({"jobs": None})
    monkeypatch.setattr("etl.planning.simulated_day.History.seconds", lambda *_: 1.0)  # in place of a run
    said = etl("plan", "acme", "--simulate", "2026-01-01/2026-01-03")
    assert said.code == 3, said
    assert "no schedule" in said.err


# Variables that came later.


def test_install_names_each_variable_that_is_missing(project: TinyProject, tmp_path: Path) -> None:  # noqa: F811
    """A file of variables that exists is left alone, so the operator has to be told what to add."""
    out, root, programs = tmp_path / "written", tmp_path / "root", tmp_path / "bin"
    programs.mkdir()
    for name in ("systemd-sysusers", "systemd-tmpfiles", "systemctl", "chgrp"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    in_folder(out, written("systemd", out))
    script = out / "install"
    script.write_text(script.read_text().replace("/$file", f"{root}/$file").replace(" /etc/", f" {root}/etc/"))

    def install() -> str:
        environ = {"PATH": f"{programs}:/usr/bin:/bin"}
        done = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True, env=environ)
        return done.stdout

    said = install()
    file = root / "etc/etl/variables/code-acme.env"
    assert f"{file} has no value for ACME_DB_PASSWORD" in said
    kept = [line for line in file.read_text().splitlines() if not line.startswith("ACME_DB_PASSWORD")]
    file.write_text("".join(f"{line}x\n" if line.endswith("=") else f"{line}\n" for line in kept))
    for other in (root / "etc/etl/variables").glob("*.env"):
        other.write_text(re.sub(r"=$", "=x", other.read_text(), flags=re.MULTILINE))
    said = install()
    assert said.splitlines() == [f"{file} lacks ACME_DB_PASSWORD: add the line ACME_DB_PASSWORD=VALUE"]
    file.write_text(file.read_text() + "ACME_DB_PASSWORD=x\n")
    assert install() == ""


@pytest.mark.parametrize(("target", "folder"), [("compose", "env"), ("helm", "secrets")])
def test_deploy_names_each_variable_that_a_file_of_the_operator_lacks(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    folder: str,
) -> None:
    monkeypatch.setattr("etl.cli.deploy.require_lock", lambda *_, **__: None)
    out = project.root / "deploy"
    command = ("deploy", target, "--out", str(out), "--host", HOST)
    assert "lacks" not in etl(*command).out
    (out / folder / "code-acme.env").write_text("ACME_DB_HOST=x\nACME_DB_NAME=x\n# ACME_DB_USER=\n")
    said = etl(*command)
    assert said.code == 0
    assert f"{folder}/code-acme.env lacks ACME_DB_PASSWORD, ACME_DB_USER" in said.out
    assert etl(*command, "--check").code == 0, "the files that were written are as they should be"


# A store of files that is not there.


@pytest.mark.parametrize(
    ("store", "path"), [("files", "keys/{tenant}"), ("files", "keys"), ("sops", "keys/{tenant}.yaml")]
)
def test_a_store_that_is_not_there_says_nothing_about_a_secret(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    store: str,
    path: str,
) -> None:
    with_files(project, path)
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.replace('"files"', f'"{store}"'))
    said = etl("secrets", "check", "acme")
    assert said.code == 3, said
    assert f"there is no folder {project.root / 'keys'}" in said.err + said.out
    (project.root / "keys").mkdir()
    assert etl("secrets", "check", "acme").code == 1, "the store is there, and the secret is not"
