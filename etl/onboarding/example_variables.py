"""Adds a new tenant's variables to `.env.example`, so that who sets the project up elsewhere knows what is needed.

Belongs here: the text of `.env.example` with more lines. Not here: whether each variable stands there (`etl check`).
"""

import re

from etl.errors import EtlError
from etl.secrets.ownership import prefix_of
from etl.secrets.template import variables_of
from etl.settings import Settings

EXAMPLE = ".env.example"


def add_to_example(settings: Settings, tenant: str, text: str) -> None:
    """Add the tenant's own variables that its file names and `.env.example` does not list. All other lines stay."""
    path = settings.project_dir / EXAMPLE
    own = {name for name, _ in variables_of(text) if name.startswith(prefix_of(tenant))}
    try:
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        new = [each for each in sorted(own) if not re.search(rf"^#?\s*{each}\s*=", before, re.MULTILINE)]
        if new:
            gap = "\n" if before.endswith("\n") or not before else "\n\n"
            added = "".join(f"# {each}=\n" for each in new)
            path.write_text(f"{before}{gap if before else ''}# Of the tenant {tenant}.\n{added}", encoding="utf-8")
    except OSError as error:
        raise EtlError(f"{path} cannot be written: {error.strerror}", f"add to it: {', '.join(sorted(own))}") from error
