"""Makes the Arrow schema of rows that a driver passes through Python.

Belongs here: that one function. Not here: writing the file (`writer`), which needs no Arrow.
"""

import pyarrow as pa

from etl.parquet import looking_engine
from etl.source.contract import ReadPlan


def carrier_schema(plan: ReadPlan) -> pa.Schema:
    """Return the Arrow schema of the carriers `c0`, ..., the flags `f0`, ..., and the index `k` of a row's window."""
    columns = plan.columns
    kinds = [(f"c{index}", each.carrier_type or each.target) for index, each in enumerate(columns)]
    kinds += [(f"f{index}", "BOOLEAN") for index, each in enumerate(columns) if each.flag]
    kinds += [("k", "BIGINT")] if plan.window_index else []
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in kinds)
    with looking_engine() as connection:
        return connection.execute(f"SELECT {nulls}").to_arrow_table().schema
