"""What the process of a run gets if it is a container of its own: image, variables, folders, networks, limits.

Belongs here: the file of these settings, one entry for each code location, and reading it. Not here: starting the
containers (`etl.resources.docker_runs`, `kubernetes_runs`), the entries of one target (`compose`, `helm`).

The platform writes this file, and only the daemon reads it. Dagster's own launchers take the same settings from the
code server and from tags of the run, which a tenant's Python can set: it could name another tenant's variables.
"""

import os
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from etl.errors import ConfigError


class RunPlace(BaseModel):
    """The container of a run of one code location.

    Attributes:
        image: The image of the container; `${NAME}` is a variable of the daemon.
        env_file: A file of variables, `NAME=value` on each line, which is read when a run is started (Docker).
        env_file_required: Whether a run needs this file.
        context: The settings in the form of `dagster-docker` or `dagster-k8s`, except image and variables' values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = Field(min_length=1)
    env_file: Path | None = None
    env_file_required: bool = True
    context: dict[str, Any] = {}

    def full_image(self) -> str:
        """Return the image with its variables filled in."""
        image = os.path.expandvars(self.image)
        if "$" in image:
            raise ConfigError(
                f"the image of runs is `{self.image}`, and the variable is not set", "set it for the daemon"
            )
        return image

    def values(self) -> dict[str, str]:
        """Return the variables of the file. A value is everything behind the first `=`, without any quoting."""
        if self.env_file is None or not (self.env_file_required or self.env_file.is_file()):
            return {}
        try:
            lines = self.env_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the file of variables {self.env_file} cannot be read: {type(error).__name__}",
                "write it, and let the group of the daemon read it; `.example` beside it lists the variables",
            ) from error
        pairs = (each.partition("=") for each in lines if "=" in each and not each.lstrip().startswith("#"))
        return {name.strip(): value for name, _, value in pairs}


class RunPlaces(BaseModel):
    """The whole file: the containers of runs by the names of the code locations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    locations: dict[str, RunPlace]


def run_place(path: Path, location: str) -> RunPlace:
    """Return the settings of one code location. Raises ConfigError if the file has none, or cannot be read."""
    try:
        places = RunPlaces.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read: {reason}", "write it again with `etl deploy`") from error
    if location not in places.locations:
        known = ", ".join(sorted(places.locations)) or "none"
        raise ConfigError(
            f"{path} does not say in which container runs of the code location `{location}` are started",
            f"write it again with `etl deploy`, which knows all tenants; it has: {known}",
        )
    return places.locations[location]
