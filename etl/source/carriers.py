"""Makes the Arrow schema of rows that a driver passes through Python.

Belongs here: that one function. Not here: writing the file (`writer`), which needs no Arrow.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from etl.source.contract import PlannedColumn


def carrier_schema(columns: Sequence[PlannedColumn]) -> pa.Schema:
    """Return the Arrow schema of the carrier columns `c0`, `c1`, ... and the flag columns `f0`, `f1`, ..."""
    kinds = [(f"c{index}", each.carrier_type or each.target) for index, each in enumerate(columns)]
    kinds += [(f"f{index}", "BOOLEAN") for index, each in enumerate(columns) if each.flag]
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in kinds)
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT {nulls}").to_arrow_table().schema
