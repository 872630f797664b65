"""Every tenant in one code location: `dagster dev -m etl.all`.

Belongs here: merging the tenants. Does not: building one (`etl.definitions`).
"""

from etl.definitions import build_all_definitions

defs = build_all_definitions()
