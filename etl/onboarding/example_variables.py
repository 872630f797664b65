"""Adds a new tenant's variables to `.env.example`, so that who sets the project up elsewhere knows what is needed.

Belongs here: the text of `.env.example` with more lines. Not here: whether each variable stands there (`etl check`).
"""

import re

from etl.errors import EtlError
from etl.secrets.ownership import prefix_of
from etl.secrets.template import variables_of
from etl.settings import Settings

EXAMPLE = ".env.example"
_LINE = re.compile(r"^\s*(?:#\s*)?(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)


def listed_in(text: str) -> set[str]:
    """Return the variables that a text in the form of `.env.example` lists, also those behind a `#`."""
    return set(_LINE.findall(text))


def add_to_example(settings: Settings, tenant: str, text: str) -> None:
    """Add the tenant's own variables that its file names and `.env.example` does not list. All other lines stay."""
    path = settings.project_dir / EXAMPLE
    own = {name for name, _ in variables_of(text) if name.startswith(prefix_of(tenant))}
    try:
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        new = sorted(own - listed_in(before))
        if new:
            gap = "\n" if before.endswith("\n") or not before else "\n\n"
            added = "".join(f"# {each}=\n" for each in new)
            path.write_text(f"{before}{gap if before else ''}# Of the tenant {tenant}.\n{added}", encoding="utf-8")
    except OSError as error:
        raise EtlError(f"{path} cannot be written: {error.strerror}", f"add to it: {', '.join(sorted(own))}") from error
