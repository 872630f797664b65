"""Words for the error of a run, as they may leave the run: in messages, explanations, traces and lineage events.

Belongs here: which words of an error are shown outside of the run's own events. Not here: the same for an error of
loading a tenant (`etl.trial.own_error`).
"""

import re

from dagster_shared.error import SerializableErrorInfo

from etl import errors
from etl.errors import TransformError

_TENANTS_LINE = re.compile(r'File "[^"]*?/(tenants/[^/"]+/[^"]+\.py)", line (\d+)')
_KEPT_LINE = re.compile(r'File "[^"]*?/last_good/([^/"]+)/[0-9a-f]{64}/\1/([^"]+\.py)", line (\d+)')
"""A line of the last good configuration, which is served while the present files of the tenant are broken."""
_PRODUCT = frozenset(
    name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, errors.EtlError)
)
"""The classes of errors whose texts this product writes."""


def words_of(error: SerializableErrorInfo | None) -> str:
    """Return the text of the innermost cause; of an error that a tenant's own code raised, only its kind and place.

    The message of such an error may hold values of rows, or any value of its process. It stays in the run's events.
    """
    if error is None:
        return ""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    innermost = chain[-1]
    place = next((found for each in reversed(chain) for line in reversed(each.stack) if (found := _own_line(line))), "")
    is_own = bool(place) or any(each.cls_name == TransformError.__name__ for each in chain[:-1])
    is_said_by_tenant = bool(innermost.stack) and bool(_own_line(innermost.stack[-1]))
    if not is_own or (innermost.cls_name in _PRODUCT and not is_said_by_tenant):
        return innermost.message.strip()
    at = f" at {place}" if place else ""
    return f"the tenant's own code raised {innermost.cls_name}{at}\n  -> its message is only in the events of the run"


def _own_line(line: str) -> str:
    """Return file and line of a line of a traceback, if it is in a tenant's own code; else an empty text."""
    if found := _TENANTS_LINE.search(line):
        return f"{found[1]}:{found[2]}"
    kept = _KEPT_LINE.search(line)
    return f"tenants/{kept[1]}/{kept[2]}:{kept[3]}" if kept else ""
