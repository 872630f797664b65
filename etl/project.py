"""Finds the project's folder, which is the folder that contains `tenants/`.

Belongs here: finding that folder. Not here: other settings of the environment (`etl.settings`), making a new project
(`etl.cli.init`).
"""

from collections.abc import Mapping
from pathlib import Path

from etl.errors import EtlError


def find_project(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of ETL_PROJECT_DIR, or else the nearest project at or above the current folder, or None."""
    named = environ.get("ETL_PROJECT_DIR")
    here = Path.cwd()
    candidates = [Path(named)] if named else [here, *here.parents]
    return next((folder for folder in candidates if (folder / "tenants").is_dir()), None)


def project_dir(environ: Mapping[str, str]) -> Path:
    """Return the project's folder. Raises an error outside a project, where nothing may be read or written."""
    found = find_project(environ)
    if found is None:
        named = environ.get("ETL_PROJECT_DIR")
        where = f"ETL_PROJECT_DIR is {named}, which has" if named else f"{Path.cwd()} and the folders above it have"
        raise EtlError(
            f"no project here: {where} no folder `tenants`",
            "`etl init` makes a project; in another folder, set ETL_PROJECT_DIR to the project's",
        )
    return found
