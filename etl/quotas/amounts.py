"""Amounts of rows and bytes: as people write them in a file, and as messages show them.

Belongs here: reading `20 GB`, and writing it. Not here: which amounts are limited (`quotas_file`).
"""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"B": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("KMGTP", start=1)
    for end, base in (("B", 1000), ("iB", 1024))
}
_WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?i?B)\s*", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[_,][0-9]{3})+")
_STEP = 1000


def _bytes(value: object) -> object:
    """Turn `20 GB` or `20 GiB` into a number; leave a number as it is."""
    if not isinstance(value, str):
        return value
    found = _WRITTEN.fullmatch(value)
    units = {name.lower(): size for name, size in _UNITS.items()}
    if found is None:
        raise ValueError(
            f"`{value[:40]}` is no amount of bytes: write a number, or a text such as 500 MB, 20 GB, 2 TiB"
        )
    return int(Decimal(found[1]) * units[found[2].lower()])


def _count(value: object) -> object:
    """Turn `1_000_000` or `1,000,000` into a number; leave everything else as it is."""
    return int(re.sub("[_,]", "", value)) if isinstance(value, str) and _GROUPED.fullmatch(value) else value


Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=0, strict=True)]
Count = Annotated[int, BeforeValidator(_count), Field(ge=0, strict=True)]


def shown_bytes(amount: float) -> str:
    """Return an amount of bytes with a decimal unit: 1.2 GB."""
    value, names = float(amount), ["bytes", "KB", "MB", "GB", "TB", "PB"]
    while value >= _STEP and len(names) > 1:
        value, names = value / _STEP, names[1:]
    return f"{value:.0f} {names[0]}" if names[0] == "bytes" else f"{value:.3g} {names[0]}"


def shown(quota: str, amount: float) -> str:
    """Return an amount of what this quota counts, in its unit."""
    if quota.startswith(("lake_", "warehouse_", "bytes_")):
        return shown_bytes(amount)
    unit = "row" if quota.startswith("rows_") else "message" if quota.startswith("messages_") else "run"
    return f"{amount:,.0f} {unit}{'' if amount == 1 else 's'}"
