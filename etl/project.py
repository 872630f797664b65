"""Which folder is the project: the one that holds `tenants/`.

Belongs here: finding that folder. Not here: what the environment says beside it (`etl.settings`), making a new project
(`etl.cli.init`).
"""

from collections.abc import Mapping
from pathlib import Path

from etl.errors import EtlError


def find_project(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that ETL_PROJECT_DIR names, or else the nearest one above the current folder, if it is one."""
    named = environ.get("ETL_PROJECT_DIR")
    here = Path.cwd()
    candidates = [Path(named)] if named else [here, *here.parents]
    return next((folder for folder in candidates if (folder / "tenants").is_dir()), None)


def project_dir(environ: Mapping[str, str]) -> Path:
    """Return the project's folder. Outside a project nothing may be read or written, so there it is an error."""
    found = find_project(environ)
    if found is None:
        named = environ.get("ETL_PROJECT_DIR")
        where = f"ETL_PROJECT_DIR is {named}, which has" if named else f"{Path.cwd()} and the folders above it have"
        raise EtlError(
            f"no project here: {where} no folder `tenants`",
            "`etl init` makes a project; in another folder, set ETL_PROJECT_DIR to the project's",
        )
    return found
