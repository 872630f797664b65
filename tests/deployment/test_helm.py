"""The chart, rendered by Helm's own library and held against Kubernetes' own schemas."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from etl.deployment.dockerfile import image_source
from etl.deployment.helm import files
from etl.deployment.identities import user_ids
from etl.deployment.run_places import RunPlaces
from etl.deployment.shape import DATABASE, Database, Shape, shape_of
from etl.settings import Settings
from tests.deployment.conftest import CANARY, TENANTS, written
from tests.deployment.readers import READERS
from tests.servers.downloads import helm
from tests.tiny_project import TinyProject

pytestmark = pytest.mark.slow

OWN = {"image": {"repository": "registry.example.com/etl", "tag": "7"}}
NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")
VERSIONS = ("1.27", "1.30", "1.34", "1.37")


@pytest.fixture
def chart(tmp_path: Path, shape: Shape, settings: Settings) -> Path:
    source = image_source(settings.project_dir, tmp_path)
    return written(tmp_path, files(shape, settings, source, "etl.example.com")) / "chart"


def texts(
    chart: Path, values: dict[str, Any] = OWN, *, linted: bool = True, release: str = "etl", namespace: str = "data"
) -> list[str]:
    """Return the text of each template, as Helm's own library renders it."""
    sys.path.insert(0, str(helm()))
    try:
        from helm_python.chart import Chart, lint
    finally:
        sys.path.remove(str(helm()))
    if linted:
        report = lint(str(chart), values=values, kube_version="v1.31.0")
        assert [each for each in report["messages"] if each["severity"] > 1] == []
    with Chart.load(str(chart)) as loaded:
        found = loaded.render(values=values, name=release, namespace=namespace)
    return [text for name, text in found.items() if name.endswith(".yaml")]


def rendered(chart: Path, values: dict[str, Any] = OWN, *, linted: bool = True) -> list[dict[str, Any]]:
    return [
        each
        for text in texts(chart, values, linted=linted)
        for each in yaml.safe_load_all(text)
        if isinstance(each, dict)
    ]


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
    }


def labels(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("labels", "matchLabels", "selector") and all(isinstance(each, str) for each in value.values()):
                yield from value.values()
            else:
                yield from labels(value)
    elif isinstance(node, list):
        for each in node:
            yield from labels(each)


def test_every_object_is_one_that_kubernetes_takes(chart: Path) -> None:
    objects = rendered(chart)
    kinds = [each["kind"] for each in objects]
    assert kinds.count("Deployment") == 3 + len(TENANTS)
    assert kinds.count("NetworkPolicy") == 4 + len(TENANTS)
    for each in objects:
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)
        assert NAME.fullmatch(each["metadata"]["name"])
        assert all(LABEL.fullmatch(value) for value in labels(each)), each["metadata"]
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))


def test_what_belongs_together_finds_each_other(chart: Path) -> None:
    objects = rendered(chart)
    templates = pods(objects)
    for each in objects:
        if each["kind"] == "Service" and "selector" in each["spec"]:
            chosen = [
                name
                for name, pod in templates.items()
                if each["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
            ]
            assert chosen == [each["metadata"]["name"]]
            ports = {
                port["name"] for container in templates[chosen[0]]["spec"]["containers"] for port in container["ports"]
            }
            assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports
    accounts = {each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"}
    maps = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    claims = {each["metadata"]["name"] for each in objects if each["kind"] == "PersistentVolumeClaim"}
    for pod in templates.values():
        assert pod["spec"].get("serviceAccountName", "web") in accounts
        for volume in pod["spec"]["volumes"]:
            assert volume.get("configMap", {"name": "settings"})["name"] in maps
            assert volume.get("persistentVolumeClaim", {"claimName": "code-acme"})["claimName"] in claims
        for container in pod["spec"]["containers"]:
            mounted = {each["name"] for each in container["volumeMounts"]}
            claimed = {each["metadata"]["name"] for each in objects if each["kind"] == "StatefulSet" for each in each["spec"]["volumeClaimTemplates"]}  # fmt: skip
            assert mounted <= {each["name"] for each in pod["spec"]["volumes"]} | claimed


def test_no_pod_may_do_more_than_it_needs(chart: Path, shape: Shape) -> None:
    objects = rendered(chart)
    ids = user_ids(shape)
    for name, pod in pods(objects).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == ids.get(name, spec["securityContext"]["runAsUser"]) > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is (name == "daemon")
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert "livenessProbe" in container or container["name"] == "upgrade"
            assert "command" not in container, "the image's entry point sets the umask"
    (role,) = [each for each in objects if each["kind"] == "Role"]
    allowed = {(kind, verb) for rule in role["rules"] for kind in rule["resources"] for verb in rule["verbs"]}
    assert {kind for kind, _ in allowed} == {"jobs", "jobs/status", "pods", "events"}
    assert {verb for kind, verb in allowed if kind != "jobs"} <= {"get", "list"}


def test_a_code_server_and_its_runs_know_their_own_secret_only(chart: Path) -> None:
    objects = rendered(chart)
    assert CANARY not in json.dumps(objects)
    (runs,) = [each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "runs"]
    places = RunPlaces.model_validate(yaml.safe_load(runs["data"]["runs.yaml"]))
    assert set(places.locations) == set(TENANTS)
    for tenant in TENANTS:
        name = f"code-{tenant.replace('_', '-')}"
        container = pods(objects)[name]["spec"]["containers"][0]
        taken = [each for each in container["env"] if "valueFrom" in each]
        assert {each["valueFrom"]["secretKeyRef"]["name"] for each in taken} == {name, "postgres"}
        assert {each["name"] for each in taken if each["name"].startswith(("ACME", "BETA"))} == {
            f"{tenant.upper()}_{each}" for each in ("DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD", "BUCKET")
        }
        optional = [each["name"] for each in taken if each["valueFrom"]["secretKeyRef"].get("optional")]
        assert f"{tenant.upper()}_BUCKET" in optional
        run = places.locations[tenant]
        assert run.image == container["image"] == "registry.example.com/etl:7"
        assert run.context["service_account_name"] == name
        for ours, theirs in (
            ("env", "env"),
            ("volume_mounts", "volumeMounts"),
            ("security_context", "securityContext"),
        ):
            assert run.context[ours] == container[theirs]


def test_only_the_web_server_and_the_daemon_reach_a_code_server(chart: Path) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in rendered(chart) if each["kind"] == "NetworkPolicy"}
    assert policies["nobody"].get("ingress", []) == []
    for tenant in TENANTS:
        (rule,) = policies[f"code-{tenant.replace('_', '-')}"]["ingress"]
        assert {each["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for each in rule["from"]} == {
            "web",
            "daemon",
        }
    (rule,) = policies["web"]["ingress"]
    assert [each["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for each in rule["from"]] == ["login"]


def test_own_values_change_one_code_server_and_the_database(chart: Path) -> None:
    values = {
        **OWN,
        "codeServers": {"code-beta": {"run": {"memoryMb": 999}}},
        "database": {"external": "db.example.com"},
    }
    objects = rendered(chart, values)
    assert "StatefulSet" not in {each["kind"] for each in objects}
    (service,) = [each for each in objects if each["kind"] == "Service" and each["metadata"]["name"] == "postgres"]
    assert service["spec"] == {"type": "ExternalName", "externalName": "db.example.com"}
    (runs,) = [each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "runs"]
    locations = yaml.safe_load(runs["data"]["runs.yaml"])["locations"]
    limits = {name: each["context"]["resources"]["limits"]["memory"] for name, each in locations.items()}
    assert limits == {"acme": "4096Mi", "acme_eu": "4096Mi", "beta": "999Mi"}


def test_an_image_has_to_be_named(chart: Path) -> None:
    with pytest.raises(Exception, match="write the name of the image"):
        rendered(chart, {}, linted=False)


def test_names_that_are_words_of_yaml_stay_texts_for_every_reader(
    tmp_path: Path, project: TinyProject, settings: Settings
) -> None:
    """The daemon reads the places of runs as YAML 1.1, Kubernetes reads objects almost as 1.2, and Helm's own as both."""
    words = ("no", "on", "y", "null", "true")
    for each in words:
        project.write_tenant(tenant=each)
    shape = shape_of(settings, database=Database(host=DATABASE)).model_copy(update={"project": "off"})
    source = image_source(settings.project_dir, tmp_path)
    chart = written(tmp_path / "words", files(shape, settings, source, "etl.example.com")) / "chart"
    found = texts(chart, release="no", namespace="yes")
    first, *others = (
        [each for text in found for each in yaml.load_all(text, Loader=reader) if each] for reader in READERS
    )
    for other in others:
        assert other == first
    (runs,) = [each for each in first if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "runs"]
    for reader in READERS:
        locations = yaml.load(runs["data"]["runs.yaml"], Loader=reader)["locations"]
        assert set(locations) == {*words, *TENANTS}
        assert locations["no"]["context"]["labels"]["etl/location"] == "no"
        assert locations["no"]["context"]["namespace"] == "yes"
    assert all(isinstance(value, str) for each in first for value in labels(each))
    assert {each["metadata"]["labels"]["app.kubernetes.io/instance"] for each in first} == {"no"}


def test_files_of_secrets_are_mounted_in_the_code_server_and_in_its_runs(
    tmp_path: Path, project: TinyProject, settings: Settings
) -> None:
    project.write_tenant({"notifications": [{"type": "slack", "url": "${secret:slack}"}]}, "beta")
    (project.root / "pyproject.toml").write_text('[tool.etl.secrets]\nstore = "files"\npath = "/run/secrets"\n')
    shape = shape_of(settings, database=Database(host=DATABASE))
    source = image_source(settings.project_dir, tmp_path)
    objects = rendered(written(tmp_path / "files", files(shape, settings, source, "etl.example.com")) / "chart")
    for each in objects:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
    mounting = [name for name, pod in pods(objects).items() if "files-beta" in json.dumps(pod)]
    assert mounting == ["code-beta"]
    spec = pods(objects)["code-beta"]["spec"]
    items = [{"key": "slack.value", "path": "slack/value"}]
    volume = {"name": "files-beta", "secret": {"secretName": "files-beta", "defaultMode": 0o440, "items": items}}
    assert volume in spec["volumes"]
    mount = {"name": "files-beta", "mountPath": "/run/secrets/beta", "readOnly": True}
    assert mount in spec["containers"][0]["volumeMounts"]
    (runs,) = [each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "runs"]
    places = RunPlaces.model_validate(yaml.safe_load(runs["data"]["runs.yaml"])).locations
    assert volume in places["beta"].context["volumes"]
    assert mount in places["beta"].context["volume_mounts"]
    assert "files-beta" not in json.dumps(places["acme"].context)
