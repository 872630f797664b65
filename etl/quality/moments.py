"""Moments written as text: the one thing that Python's own reading loses.

Belongs here: digits below a microsecond. Not here: reading moments (`rules.fields`, `expressions.literals`).
"""

import re

_FINER = re.compile(r"\d[.,]\d{6}\d*[1-9]")


def is_finer(text: str) -> bool:
    """Whether a moment has digits below a microsecond. Python drops them, and another moment would be compared."""
    return _FINER.search(text) is not None
