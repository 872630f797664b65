"""What to install where a library is missing: the parts of the product that are optional are extras of the package.

Belongs here: the words. Not here: what each extra brings (`pyproject.toml`), noticing that a library is missing, which
is done where it is used.
"""


def install(extra: str) -> str:
    """Return the command that installs an extra: the remedy of an error."""
    return f"pip install 'tenant-etl[{extra}]'"
