"""`etl deploy`: writes the files of a production installation from the tenants.

Belongs here: the commands and what they show. Not here: which services there are (`etl.deployment.shape`), and the
files of one target (`etl.deployment.compose`, `helm`, `systemd`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from etl.cli.tables import print_table
from etl.deployment import compose as compose_files, helm as helm_files, systemd as systemd_files
from etl.deployment.dockerfile import image_source
from etl.deployment.folder import FileChange, changes, write
from etl.deployment.lock import require_lock
from etl.deployment.proxy import checked_host
from etl.deployment.secret_store import refuse_sops
from etl.deployment.shape import DATABASE, DATABASE_PASSWORD, Database, GroupBy, Shape, shape_of
from etl.deployment.variables_file import missing_variables
from etl.settings import Environment, Settings, load_settings

app = typer.Typer(
    help="Write the files of a production installation: Docker Compose, Kubernetes, or systemd.", no_args_is_help=True
)

_EXTRAS = ("dagster", "production", "postgres")
"""The extras that every image needs."""

Out = Annotated[Path, typer.Option(help="The folder of the files, such as deploy/compose.")]
Host = Annotated[str, typer.Option(help="The name by which people reach the installation, such as etl.example.com.")]
Grouping = Annotated[
    Literal["tenant", "shard", "all"],
    typer.Option("--group-by", help="One code server for each tenant, for each shard of [tool.etl], or for all."),
]
For = Annotated[
    Literal["prod", "staging"], typer.Option("--environment", help="The environment of the tenants' files.")
]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; say whether the files are as they should be.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write also over files that were changed by hand.")]


@app.command("compose", epilog="For example: `etl deploy compose --out deploy/compose --host etl.example.com`")
def compose(
    out: Out,
    host: Host,
    group_by: Grouping = "tenant",
    environment: For = "prod",
    runs: Annotated[
        Literal["process", "container"],
        typer.Option(help="Runs are processes of their code server, or containers of their own (dagster-docker)."),
    ] = "process",
    check: Check = False,
    overwrite: Overwrite = False,
) -> None:
    """Write an installation on one machine as containers, for Docker Compose: `compose.yaml` and what belongs to it.

    Web server, daemon, a code server for each tenant or group, PostgreSQL, and a login in front. Each service has a
    user and variables of its own, a read-only file system and limits. No value of a variable is written: copy each
    `.env.example` and fill it in. Write the files again after a tenant was added or removed.

    Exit code 1, with --check: the files are not as they should be.
    """
    settings = load_settings()
    shape = _shape(settings, group_by, environment)
    refuse_sops(shape.secrets, [name for each in shape.code_servers for name in each.variables])
    source = image_source(settings.project_dir, out.resolve())
    files = compose_files.files(shape, settings, source, checked_host(host), runs)
    steps = [
        "copy .env.example to .env, and each file of env/ in the same way; write the values",
        "write proxy/secrets/accounts, proxy/secrets/tls/server.crt and server.key: docs/containers.md",
        "docker compose build prepare",
        "docker compose up --detach --wait",
    ]
    extras = [*_EXTRAS, *(["docker"] if runs == "container" else [])]
    require_lock(settings.project_dir, extras, is_package=source.is_package)
    _deploy(shape, out, files, steps, check=check, overwrite=overwrite)


@app.command("helm", epilog="For example: `etl deploy helm --out deploy/kubernetes --host etl.example.com`")
def helm(
    out: Out,
    host: Host,
    group_by: Grouping = "tenant",
    environment: For = "prod",
    check: Check = False,
    overwrite: Overwrite = False,
) -> None:
    """Write an installation in Kubernetes, as a Helm chart: `chart/` and what belongs to it.

    Web server, daemon, a code server for each tenant or group, PostgreSQL, and a login in front. A run is a job in a
    pod of its own, with the account, the secret and the folder of its code server. No value of a variable is written:
    make one secret for each file in `secrets/`. Write the files again after a tenant was added or removed.

    Exit code 1, with --check: the files are not as they should be.
    """
    settings = load_settings()
    shape = _shape(settings, group_by, environment)
    refuse_sops(shape.secrets, [name for each in shape.code_servers for name in each.variables])
    source = image_source(settings.project_dir, out.resolve())
    files = helm_files.files(shape, settings, source, checked_host(host))
    steps = [
        "build the image (the first lines of the Dockerfile), and push it to your registry",
        "make the secrets: docs/containers.md",
        f"helm upgrade --install {shape.project} chart --namespace {shape.project} --values own.yaml",
    ]
    require_lock(settings.project_dir, [*_EXTRAS, "kubernetes"], is_package=source.is_package)
    _deploy(shape, out, files, steps, check=check, overwrite=overwrite)


@app.command("systemd", epilog="For example: `etl deploy systemd --out deploy/machine --host etl.example.com`")
def systemd(
    out: Out,
    host: Host,
    group_by: Grouping = "tenant",
    environment: For = "prod",
    check: Check = False,
    overwrite: Overwrite = False,
) -> None:
    """Write an installation on one machine with systemd: a unit, a user and a file of variables for each service.

    The paths of the files are those on the machine, below its root. PostgreSQL and nginx are the machine's own. No
    value of a variable is written. Write the files again after a tenant was added or removed.

    Exit code 1, with --check: the files are not as they should be.
    """
    settings = load_settings()
    shape = shape_of(settings, group_by, environment=environment)
    files = systemd_files.files(shape, settings, checked_host(host))
    steps = [f"on the machine, as root: sh {out}/install (docs/production.md says what it does and what comes next)"]
    _deploy(shape, out, files, steps, check=check, overwrite=overwrite)


def _shape(settings: Settings, group_by: GroupBy, environment: Environment) -> Shape:
    return shape_of(settings, group_by, environment=environment, database=Database(host=DATABASE))


def _deploy(
    shape: Shape,
    out: Path,
    files: Mapping[str, str],
    steps: Sequence[str],
    *,
    check: bool,
    overwrite: bool,
) -> None:
    console = Console()
    done = changes(out, files, overwrite=True) if check else write(out, files, overwrite=overwrite)
    differing = {name: change for name, change in done.items() if change not in (FileChange.SAME, FileChange.KEPT)}
    if check:
        for name, change in differing.items():
            console.print(f"{name}: {change.value}", markup=False, highlight=False)
        if differing:
            console.print("[yellow]the files are not as the tenants' files say[/]: write them again without --check")
            raise typer.Exit(1)
        console.print(f"[green]{len(done)} files are as they should be[/]")
        return
    print_table(console, _services(shape))
    for name, change in done.items():
        if change is not FileChange.SAME:
            console.print(f"{change.value}: {name}", markup=False, highlight=False)
    console.print(f"[green]written[/]: {len(files)} files in {out}, {len(differing)} of them changed", soft_wrap=True)
    for name, lacks in missing_variables(out, files).items():
        text = f"{name} lacks {', '.join(lacks)}: add them from {name}.example"
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for number, step in enumerate(steps, start=1):
        console.print(f"{number}. {step}", markup=False, highlight=False, soft_wrap=True)


def _services(shape: Shape) -> Table:
    table = Table("service", "tenants", "port", "memory", "variables to write")
    for each in shape.services:
        needed = [name for name in each.variables if name != DATABASE_PASSWORD]
        shown = ", ".join(needed[:3]) + (f" and {len(needed) - 3} more" if len(needed) > 3 else "")  # noqa: PLR2004  fits a line
        port = str(each.port) if each.port else ""
        table.add_row(each.name, ", ".join(each.tenants), port, f"{each.memory_mb} MB", shown)
    return table
