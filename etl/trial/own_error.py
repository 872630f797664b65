"""Words for an error that a tenant's own Python has raised: for operators, and for the tenant's own people.

Belongs here: the kind of such an error, its place in a tenant's file, and which of its words a tenant's page may have.
Not here: the other reasons for which a tenant is broken (`trial_process`), the page (`etl.portal`).

The text of such an error may be any value of the process that the Python runs in, also one of another tenant. So the
tenant's people are told only its kind and its place. They see the text when they run `etl check` themselves.
"""

import re
from pathlib import Path

from etl.errors import EtlError, ForOperatorsError

_KEPT = re.compile(r"/last_good/([^/]+)/[0-9a-f]{64}/\1/(.+)$")


class OwnPythonError(ForOperatorsError):
    """A tenant's own Python cannot be imported, or must not be imported beside other tenants."""


def own_error(error: BaseException, tenants_dir: Path) -> EtlError:
    """Return what a tenant's Python has raised, with the last place in a tenant's file through which it came."""
    place = _place(error, tenants_dir)
    if isinstance(error, EtlError) and not place:
        return error  # no line of the tenant's was at work: the product has found something about the tenant
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001  the tenant's own class of errors may raise any error
        text = f"its text raises {type(worse).__name__}"
    return OwnPythonError(
        f"{place}{kind}: {text}", told=f"{place}the tenant's own Python raised {kind}; `etl check` shows its text"
    )


def place_of(path: str, line: object, tenants_dir: Path) -> str:
    """Return `tenants/acme/definitions.py:3` for a line of a tenant's file, also of a kept one; else an empty text."""
    if kept := _KEPT.search(path):
        return f"tenants/{kept[1]}/{kept[2]}:{line}"
    if Path(path).is_relative_to(tenants_dir):
        return f"{Path(path).relative_to(tenants_dir.parent)}:{line}"
    return ""


def _place(error: BaseException, tenants_dir: Path) -> str:
    place, trace = "", error.__traceback__
    while trace is not None:
        place = place_of(trace.tb_frame.f_code.co_filename, trace.tb_lineno, tenants_dir) or place
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        place = place_of(error.filename, error.lineno, tenants_dir) or place
    return f"{place}: " if place else ""
