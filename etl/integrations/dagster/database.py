"""Reads a table of a database once, as exactly as an extract, into a temporary file that can be checked.

Belongs here: whether a text means a table or a query. Not here: reading databases (`etl.source.reading`).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.errors import QualityError, SourceError
from etl.source.reading import ExtractRequest, extract_to_parquet

_COMMENTS = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_QUERY = re.compile(r"\(*\s*(?:select|with)\b", re.IGNORECASE)


@contextmanager
def table_file(url: str, text: str, seconds: float) -> Iterator[Path]:
    """Yield a temporary Parquet file with the rows of a table (`sales.orders`) or of a query (`SELECT ...`)."""
    request = request_for(text).model_copy(update={"statement_timeout_seconds": seconds})
    with TemporaryDirectory(prefix="etl-quality-") as folder:
        path = Path(folder) / "table.parquet"
        began = time.monotonic()
        try:
            extract_to_parquet(url, request, path, footer={})
        except SourceError as error:
            if time.monotonic() - began < seconds:
                raise
            hint = "give a longer `timeout`, or check a query of fewer rows"
            raise QualityError(f"no verdict within {seconds:g} seconds: {error.problem}", hint) from error
        yield path


def request_for(text: str) -> ExtractRequest:
    """Return what to read: a text that begins with SELECT or WITH is a query, any other text names a table."""
    plain = _COMMENTS.sub("", text).strip().rstrip(";").rstrip()
    if not plain:
        raise QualityError("there is no table to check", "name a table such as sales.orders, or write SELECT ...")
    if _QUERY.match(plain):
        return ExtractRequest(query=plain)
    schema, _, table = plain.rpartition(".")
    return ExtractRequest(table=table, schema_name=schema or None)
