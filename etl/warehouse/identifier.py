"""Names of columns, tables and schemas in the SQL of a warehouse.

Belongs here: writing one name. Not here: a table's whole name (`session`), names in a source's dialect (`sql`).
"""


def quoted(name: str) -> str:
    """An identifier as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
