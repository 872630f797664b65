"""The file of variables of a code server, without values: the operator copies it and writes the values.

Belongs here: its text, and what a copy of it lacks. Not here: which variables a tenant needs (`variables`).
"""

import re
from collections.abc import Mapping
from pathlib import Path

from etl.deployment.shape import DATABASE_PASSWORD, Service


def variables_example(service: Service) -> str:
    """Return the variables of a code server without their values."""
    required = [each for each in service.variables if each != DATABASE_PASSWORD]
    lines = [
        f"# The variables of {', '.join(service.tenants)}. Copy this file to {service.name}.env, and write the values."
    ]
    lines += [f"{each}=" for each in required]
    lines += secret_files(service)
    lines += [] if required or service.secret_folders else ["# Nothing is needed."]
    lines += ["", "# These have defaults.", *(f"# {each}=" for each in service.optional)] if service.optional else []
    return "\n".join([*lines, ""])


def secret_files(service: Service) -> list[str]:
    """Return comments that name the files of secrets, which are no variables."""
    return [
        f"# The secrets of {each.tenant} are files in {each.source}: {', '.join(each.names)}."
        for each in service.secret_folders
    ]


_EXAMPLE = ".example"
_NAME = re.compile(r"^([A-Za-z_]\w*)=", re.MULTILINE)


def missing_variables(folder: Path, files: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the variables that the operator's copies of the examples lack, because they came later, by copy."""
    found: dict[str, list[str]] = {}
    for name, text in files.items():
        copy = folder / name.removesuffix(_EXAMPLE)
        if not name.endswith(f".env{_EXAMPLE}") or not copy.is_file():
            continue
        has = _NAME.findall(copy.read_text(encoding="utf-8", errors="replace"))
        if lacks := sorted(set(_NAME.findall(text)) - set(has)):
            found[name.removesuffix(_EXAMPLE)] = lacks
    return found
