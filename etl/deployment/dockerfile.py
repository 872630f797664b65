"""The image that every service of an installation is made of: its Dockerfile, and what is left out of it.

Belongs here: the text of both files. Not here: which services use the image (`compose`, `helm`).

One image has the programs and the project with all tenants' folders, which contain no secret. It is only read: what a
service writes is in folders that are mounted. The libraries are exactly those of the lock, checked by their hashes.
"""

import os
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from etl.deployment.shape import Places, Shape

LOCK = "requirements.lock"
USER = 10000
"""The user of a container that names none. No service runs as this user."""
_PARTS = ("pyproject.toml", "tenants", "dbt_projects")
_OF_THE_PACKAGE = ("README.md", "LICENSE", ".env.example", ".gitignore", "dagster.yaml", "etl")


class ImageSource(NamedTuple):
    """What an image is built from.

    `context` is the path from the folder of the Dockerfile to the project. `parts` are what the project has of the
    files and folders that an image needs. `is_package` says that the project has the product's own source, as its
    repository does. `dbt` are the dbt projects with packages, which are installed when the image is built.
    """

    context: str
    folder: str
    parts: tuple[str, ...]
    is_package: bool
    dbt: tuple[str, ...]


def image_source(project: Path, folder: Path) -> ImageSource:
    """Look at a project, whose image is described by files in `folder`."""
    found = (
        tomllib.loads((project / "pyproject.toml").read_text("utf-8")) if (project / "pyproject.toml").is_file() else {}
    )
    packages = (project / "dbt_projects").glob("*/packages.yml")
    return ImageSource(
        context=Path(os.path.relpath(project, folder)).as_posix(),
        folder=Path(os.path.relpath(folder, project)).as_posix(),
        parts=tuple(each for each in _PARTS if (project / each).exists()),
        is_package=found.get("project", {}).get("name") == "tenant-etl",
        dbt=tuple(sorted(each.parent.name for each in packages)),
    )


def image_files(source: ImageSource, shape: Shape) -> dict[str, str]:
    """Return the Dockerfile, and the list of what is not sent to the builder."""
    return {"Dockerfile": _dockerfile(source, shape.places), "Dockerfile.dockerignore": _ignored(source, shape)}


def _dockerfile(source: ImageSource, places: Places) -> str:
    base = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim-bookworm"
    venv = places.programs.parent
    package = (
        ""
        if not source.is_package
        else f"COPY pyproject.toml {' '.join(_OF_THE_PACKAGE[:-1])} /src/\n"
        "COPY dbt_projects /src/dbt_projects\nCOPY tenants /src/tenants\nCOPY etl /src/etl\n"
        f"RUN {venv}/bin/pip install --no-deps /src\n"
    )
    folders = "".join(f"COPY {each} {places.project}/{each}\n" for each in source.parts if "." not in each)
    files = " ".join(each for each in source.parts if "." in each)
    installs = [
        f"{venv}/bin/dbt deps --project-dir dbt_projects/{each} --profiles-dir dbt_projects" for each in source.dbt
    ]
    joined = " \\\n && ".join(installs)
    deps = f"RUN {joined}\n" if installs else ""
    return f"""\
# The image of all services. Build it in the project's folder:
#   docker build --file {_below(source)}Dockerfile --tag NAME:VERSION .
# For an image that never changes, give the base by its digest: --build-arg BASE={base}@sha256:...
ARG BASE={base}

FROM ${{BASE}} AS programs
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv {venv}
COPY {LOCK} /src/{LOCK}
# Exactly the libraries of the lock: each is checked by its hash, and none is compiled here.
RUN {venv}/bin/pip install --no-deps --require-hashes --only-binary :all: --requirement /src/{LOCK}
{package}
FROM ${{BASE}}
LABEL org.opencontainers.image.title="tenant-etl" \\
      org.opencontainers.image.description="Web server, daemon and code servers of an installation of tenant-etl"
ENV PATH={venv}/bin:$PATH \\
    PYTHONUNBUFFERED=1 \\
    PYTHONDONTWRITEBYTECODE=1 \\
    HOME=/tmp \\
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \\
    ETL_PROJECT_DIR={places.project}
RUN groupadd --gid {USER} etl \\
 && useradd --uid {USER} --gid {USER} --no-create-home --home-dir /tmp --shell /usr/sbin/nologin etl \\
 && install --directory --mode 0755 {places.home} {places.state}
COPY --from=programs {venv} {venv}
WORKDIR {places.project}
COPY {files} ./
{folders}{deps}\
USER {USER}:{USER}
# What a service writes can be read by its own user and group only.
ENTRYPOINT ["/bin/sh", "-c", "umask 027; exec \\"$@\\"", "etl"]
CMD ["etl", "--help"]
"""


def _ignored(source: ImageSource, shape: Shape) -> str:
    kept = [LOCK, *source.parts, *(_OF_THE_PACKAGE if source.is_package else ())]
    secrets = [str(folder.source) for each in shape.code_servers for folder in each.secret_folders]
    return "\n".join([
        "# Only these are sent to the builder: no `.env`, no data, no history, no file of variables.",
        "**",
        *(f"!{each}" for each in kept),
        "**/__pycache__",
        "**/.env",
        "**/.data",
        "**/target",
        "**/logs",
        "**/dbt_packages",
        "**/.user.yml",
        *(each for each in secrets if not each.startswith("/")),
        "",
    ])  # fmt: skip


def _below(source: ImageSource) -> str:
    return "" if source.folder == "." else f"{source.folder}/"
