"""An installation as containers of one machine: the files for Docker Compose.

Belongs here: which files there are, the text of `compose.yaml`, and the list of variables that the operator fills in.
Not here: which services there are (`shape`), each service (`compose_services`), their folders and networks
(`compose_places`), the containers of runs (`compose_runs`), the image (`dockerfile`), the settings of Dagster
(`instance`), the settings of the reverse proxy (`nginx`).
"""

from textwrap import indent
from typing import Any

from etl.deployment.compose_places import (
    FRONT,
    WEB_ADDRESS,
    Runs,
    all_volumes,
    code_networks,
    proxy_secrets,
    secret_volumes,
    settings_volume,
)
from etl.deployment.compose_runs import RUN_PLACES, launcher, run_places
from etl.deployment.compose_services import PREPARE, PROXY, PROXY_PORT, ROLE_SQL, UPGRADE, services
from etl.deployment.database_role import first_start_of_container
from etl.deployment.dockerfile import ImageSource, image_files
from etl.deployment.instance import instance_settings, workspace
from etl.deployment.proxy import nginx
from etl.deployment.shape import DATABASE, DATABASE_PASSWORD, Shape
from etl.deployment.variables_file import variables_example
from etl.deployment.yaml_text import yaml_text
from etl.settings import Settings


def files(shape: Shape, settings: Settings, source: ImageSource, host: str, runs: Runs = "process") -> dict[str, str]:
    """Return the files by their names. People reach the installation at `https://host`.

    The operator writes the values of variables into copies of each `.example`.
    """
    run_launcher = launcher(shape) if runs == "container" else None
    found = {
        **image_files(source, shape),
        "compose.yaml": compose_text(shape, source, runs),
        "dagster/dagster.yaml": instance_settings(shape, settings, run_launcher),
        "dagster/workspace.yaml": workspace(shape, lambda each: {"host": each.name, "port": each.port}),
        "proxy/conf.d/etl.conf": nginx(
            shape,
            host,
            upstream=f"{WEB_ADDRESS}:{shape.web.port}",
            accounts=proxy_secrets(shape) / "accounts",
            tls=proxy_secrets(shape) / "tls",
            port=PROXY_PORT,
        ),
        ROLE_SQL: first_start_of_container(shape),
        ".env.example": _env_example(runs),
        ".gitignore": "# The values of variables stay on the machine.\n.env\nenv/*.env\nproxy/secrets/\n",
        **{f"env/{each.name}.env.example": variables_example(each) for each in shape.code_servers},
    }
    if runs == "container":
        found[f"dagster/{RUN_PLACES}"] = yaml_text(run_places(shape))
    return found


def compose_text(shape: Shape, source: ImageSource, runs: Runs) -> str:
    """Return `compose.yaml`."""
    content = compose(shape, source, runs)
    parts = [_FIRST_LINES, yaml_text({"name": content["name"]}), "services:\n"]
    for name, service in content["services"].items():
        comment = f"# {_WORDS.get(name) or _of(name, shape)}\n"
        parts.append("\n" + indent(comment + yaml_text({name: service}), "  "))
    parts += ["\n" + yaml_text({key: content[key]}) for key in ("networks", "volumes")]
    return "".join(parts)


_FIRST_LINES = """\
# Written by `etl deploy compose` from the tenants' files: write it again after a tenant was added or removed.
# Own settings belong into compose.override.yaml, which Docker Compose reads too.
"""
_WORDS = {
    PREPARE: "Makes the folders of the services, and ends. The only container that is root, and it has no network.",
    DATABASE: "Dagster's own database: runs, events, schedules. No tenant's rows.",
    UPGRADE: "Makes the tables of Dagster's database, or brings them to the release of the image, and ends.",
    PROXY: "The login, in front of the web server: the only port that is open.",
    "web": "Dagster's web server.",
    "daemon": "Dagster's daemon: schedules, sensors, the queue of runs, run monitoring.",
}


def _of(name: str, shape: Shape) -> str:
    service = next(each for each in shape.services if each.name == name)
    return f"The code of {', '.join(service.tenants)}, and the processes of its runs."


def compose(shape: Shape, source: ImageSource, runs: Runs) -> dict[str, Any]:
    """Return the content of `compose.yaml`."""
    return {
        "name": shape.project,
        "services": services(shape, source, runs),
        "networks": {each: {"name": f"{shape.project}-{each}"} for each in (FRONT, "state", *code_networks(shape))},
        "volumes": {each: {"name": f"{shape.project}-{each}"} for each in (DATABASE, *all_volumes(shape))}
        | ({**settings_volume(shape), **secret_volumes(shape, source.context)} if runs == "container" else {}),
    }


def _env_example(runs: Runs) -> str:
    more = (
        "\n# The whole path of this folder, and the number of the group that /var/run/docker.sock belongs to.\n"
        "ETL_FOLDER=''\nDOCKER_GROUP=''\n"
    )
    return (
        "# Copy this file to .env, and write the values between the quotes: without quotes, Docker Compose takes `$`\n"
        "# for the beginning of a variable's name. In the files of env/ it is not so: there, `$` is a dollar, and\n"
        "# quotes are a part of the value.\n\n"
        "# The name and version of the image that `docker compose build` makes, or that a registry has.\n"
        "ETL_IMAGE=''\n\n"
        f"# The password of Dagster's database.\n{DATABASE_PASSWORD}=''\n\n"
        "# Where the login listens. 0.0.0.0:443 opens it to the network.\nETL_LISTEN=127.0.0.1:8443\n"
        + (more if runs == "container" else "")
    )
