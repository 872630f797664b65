"""Writes the name of a column, table or schema in the SQL of a warehouse.

Belongs here: quoting one name. Not here: a table's full name (`session`), names in a source's dialect (`sql`).
"""


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'
