"""What a stranger found in the files of `etl deploy`, and in ids that YAML reads as another kind of value."""

import json
import re
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
from tests.tiny_project import TinyProject

HOST = "etl.example.com"
WORDS = ("no", "on", "y", "null", "true")
"""Ids that are text only for some readers of YAML."""


def core_loader() -> type[yaml.SafeLoader]:
    """Return a reader of YAML 1.2: `true`, `false`, `null`, `~` and numbers are no texts, and every other word is."""

    class Core(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}

    for tag, words, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ):
        Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{words})$"), list(first))
    return Core


def goyaml_loader() -> type[yaml.SafeLoader]:
    """Return a reader of YAML 1.1 that takes `y` and `n` for booleans, as the standard says and Helm's library does."""

    class Short(yaml.SafeLoader):
        pass

    Short.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:y|Y|n|N)$"), list("yYnN"))
    Short.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # type: ignore[misc]
    return Short


READERS = (yaml.SafeLoader, core_loader(), goyaml_loader())


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
    assert named == {"front"}, f"the web server listens at {listens}, which is not an address of the login's network only"
    assert [name for name, each in services.items() if "front" in each.get("networks", ())] == ["web", "proxy"]
    assert f"http://{listens}:3000/server_info" in web["healthcheck"]["test"]
    proxy = compose_files(shape, load_settings(), image_source(project.root, project.root), HOST, runs)
    assert f"server {listens}:3000;" in proxy["proxy/conf.d/etl.conf"]
    for name, service in services.items():
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
        content = yaml.load((project.root / "workspace.yaml").read_text(), Loader=reader)  # noqa: S506  a safe one
        assert [each["python_module"]["location_name"] for each in content["load_from"]] == ["acme", word]
        tenant = yaml.load((project.root / "tenants" / word / "config.yaml").read_text(), Loader=reader)  # noqa: S506
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
            assert yaml.load(text, Loader=reader) == {"location_name": word}  # noqa: S506


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
        assert yaml.load(yaml_text(content), Loader=reader) == content  # noqa: S506


@pytest.mark.parametrize("word", WORDS)
def test_the_files_of_such_a_tenant(project: TinyProject, word: str) -> None:  # noqa: F811
    project.write_tenant(tenant=word)
    compose_ = written("compose", project.root / "deploy", "container")
    helm = written("helm", project.root / "deploy")
    for reader in READERS:

        def read(text: str, loader: type[yaml.SafeLoader] = reader) -> Any:
            return yaml.load(text, Loader=loader)  # noqa: S506  a safe one

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
