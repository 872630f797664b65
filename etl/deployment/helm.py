"""An installation in Kubernetes: the files of a Helm chart.

Belongs here: the chart's values, and which files it has. Not here: the templates (`chart/`, copied as they are), which
services there are (`shape`), the image (`dockerfile`), the settings of Dagster (`instance`).

Each code server has an account, a folder and a secret of its own. A run is a job in a pod of its own, with the account,
the folder and the secret of its code server, and on the same node, because the folder is on one node at a time.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from etl.deployment.database_role import first_start_of_container
from etl.deployment.dockerfile import ImageSource, image_files
from etl.deployment.identities import user_ids
from etl.deployment.instance import instance_settings, workspace
from etl.deployment.proxy import nginx
from etl.deployment.secret_store import SecretFolder
from etl.deployment.shape import DATABASE_PASSWORD, Service, Shape, dns_name
from etl.deployment.variables_file import variables_example
from etl.deployment.yaml_text import yaml_text
from etl.settings import Settings

LOGIN_PORT = 8443
CHART = Path(__file__).parent / "chart"
_KEPT_BY_PODS = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}
"""What runs print is kept by the cluster: `kubectl logs`. A project's own `compute_logs` is left as it is."""


def files(shape: Shape, settings: Settings, source: ImageSource, host: str) -> dict[str, str]:
    """Return the files by their names: the chart, the image, and the lists of variables for the secrets.

    People reach the installation at `https://host`.
    """
    chart = {
        "Chart.yaml": "",
        "values.yaml": _values_text(shape),
        "files/dagster.yaml": _dagster(shape, settings),
        "files/workspace.yaml": workspace(shape, lambda each: {"host": each.name, "port": each.port}),
        "files/database.sql": first_start_of_container(shape),
        "files/login.conf": nginx(
            shape,
            host,
            upstream=f"{shape.web.name}:{shape.web.port}",
            accounts=shape.places.config / "login" / "accounts",
            tls=shape.places.config / "tls",
            port=LOGIN_PORT,
        ),
        **{f"templates/{each.name}": each.read_text(encoding="utf-8") for each in sorted(CHART.glob("templates/*"))},
    }
    digest = hashlib.sha256("".join(chart.values()).encode()).hexdigest()
    chart["Chart.yaml"] = (
        (CHART / "Chart.yaml").read_text(encoding="utf-8").replace("PROJECT", shape.project)
        .replace("VERSION", f"0.1.0+{digest[:12]}").replace("RELEASE", version("tenant-etl"))
    )  # fmt: skip
    return {
        **image_files(source, shape),
        **{f"chart/{name}": text for name, text in chart.items()},
        **{f"secrets/{each.name}.env.example": variables_example(each) for each in shape.code_servers},
        **{
            f"secrets/{_files_secret(folder)}.sh.example": _secret_command(folder)
            for each in shape.code_servers
            for folder in each.secret_folders
        },
        ".gitignore": "# The values of variables stay on the machine.\nsecrets/*.env\nsecrets/*.sh\n",
    }


def _files_secret(folder: SecretFolder) -> str:
    return f"files-{dns_name(folder.tenant)}"


def _secret_files(folder: SecretFolder) -> dict[str, Any]:
    """Return the secret of the cluster that becomes the folder with a tenant's secrets. Its keys have no `/`."""
    items = [{"key": each.replace("/", "."), "path": each} for each in folder.names]
    return {"secret": _files_secret(folder), "mountPath": str(folder.place), "items": items}


def _secret_command(folder: SecretFolder) -> str:
    lines = [
        f"# The secrets of {folder.tenant}, each from its file in {folder.source}.",
        "# Copy this file without `.example`, and execute it in the project's folder.",
        f"kubectl create secret generic {_files_secret(folder)} \\",
        *(f"  --from-file={each.replace('/', '.')}={folder.source / each} \\" for each in folder.names),
    ]
    return "\n".join(lines).removesuffix(" \\") + "\n"


def values(shape: Shape) -> dict[str, Any]:
    """Return the content of `values.yaml`."""
    ids, places = user_ids(shape), shape.places
    return {
        "image": {"repository": "", "tag": "", "pullPolicy": "IfNotPresent", "pullSecrets": []},
        "storageClass": "",
        "tmp": "1Gi",
        "networkPolicy": True,
        "accountTokens": shape.secrets.store in ("openbao", "vault") and shape.secrets.auth == "kubernetes",
        "settings": dict(shape.settings),
        "places": {
            "home": str(places.home),
            "state": str(places.state),
            "config": str(places.config),
            "runs": str(places.config / "runs"),
        },
        "login": {
            "image": "nginxinc/nginx-unprivileged:1.28-bookworm",
            "user": 101,
            "port": LOGIN_PORT,
            "serviceType": "ClusterIP",
            "replicas": 1,
            "certificateSecret": "login-certificate",
            "accountsSecret": "login-accounts",
            "server": _limits(128),
        },
        "web": _of(shape.web, ids),
        "daemon": _of(shape.daemon, ids) | {"health": list(shape.daemon.health or ())},
        "upgrade": {"command": [str(places.programs / "dagster"), "instance", "migrate"]},
        "codeServers": {
            each.name: _of(each, ids)
            | {
                "location": each.location,
                "secret": each.name,
                "variables": [name for name in each.variables if name != DATABASE_PASSWORD],
                "optional": list(each.optional),
                "secretFiles": [_secret_files(folder) for folder in each.secret_folders],
                "accountAnnotations": {},
                "storage": "20Gi",
                "run": _limits(each.memory_mb, "500m"),
            }
            for each in shape.code_servers
        },
        "database": {
            "external": "",
            "secret": "postgres",
            "image": "postgres:17-bookworm",
            "user": 999,
            "name": shape.database.name,
            "login": shape.database.user,
            "storage": "20Gi",
            "server": _limits(1024, "250m"),
        },
    }


_FIRST_LINES = """\
# Written by `etl deploy helm` from the tenants' files: write it again after a tenant was added or removed.
# Own values belong into a file of their own: helm upgrade --values own.yaml
"""
_COMMENTS = {
    "image": "The image that the Dockerfile makes. Write its name and version into a file of values of your own.",
    "storageClass": "Where folders are kept. Empty: the cluster's default.",
    "networkPolicy": "Only who needs a service reaches it. This needs a network that knows NetworkPolicy.",
    "accountTokens": "Whether code servers and runs get a token of their account: for a secret store with this login.",
    "settings": "Variables of all services. None is a secret.",
    "login": "The login. Its secrets are a certificate (kubernetes.io/tls) and `accounts`, a file of `name:hash`.",
    "web": "Dagster's web server.",
    "daemon": "Dagster's daemon.",
    "codeServers": "One for each code location. `secret` names the secret with its variables; `run` is for each run.",
    "database": "Dagster's own database. `external` is the host of one that you have; then this chart starts none.",
}


def _values_text(shape: Shape) -> str:
    parts = [_FIRST_LINES]
    for key, value in values(shape).items():
        comment = f"# {_COMMENTS[key]}\n" if key in _COMMENTS else ""
        parts.append(f"\n{comment}{yaml_text({key: value})}")
    return "".join(parts)


def _of(service: Service, ids: dict[str, int]) -> dict[str, Any]:
    memory = 1024 if service.kind == "code" else service.memory_mb  # its runs have pods of their own
    return {
        "name": service.name,
        "user": ids[service.name],
        "command": list(service.listening()),
        **({"port": service.port} if service.port else {}),
        "settings": dict(service.settings),
        "server": _limits(memory),
    }


def _limits(memory_mb: int, cpu: str = "100m") -> dict[str, Any]:
    return {"cpu": cpu, "memoryMb": memory_mb}


def _dagster(shape: Shape, settings: Settings) -> str:
    launcher = {
        "module": "etl.resources.kubernetes_runs",
        "class": "JobRunLauncher",
        "config": {"places": str(shape.places.config / "runs" / "runs.yaml")},
    }
    found = yaml.safe_load(instance_settings(shape, settings, launcher))
    if found["compute_logs"].get("class") == "LogsOfServices":  # it needs folders that pods do not share
        found["compute_logs"] = dict(_KEPT_BY_PODS)
    return yaml_text(found)
