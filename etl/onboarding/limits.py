"""The limits of what is read of a database to propose a tenant.

Belongs here: how many rows, seconds and bytes. Not here: reading (`sampling`).
"""

from dataclasses import dataclass

SAMPLE_ROWS = 20_000
STATEMENT_SECONDS = 20
WHOLE_BELOW = 10_000
SAMPLE_BYTES = 256_000_000


@dataclass(frozen=True)
class Limits:
    """How much of each table may be read, and from how many rows on a table gets partitions."""

    rows: int = SAMPLE_ROWS
    """At most so many rows of a table are read by each of at most two statements."""
    seconds: int = STATEMENT_SECONDS
    """The database ends a statement that takes longer."""
    whole_below: int = WHOLE_BELOW
    """A table with fewer rows is read as a whole by each run."""
