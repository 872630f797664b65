"""Names what to install if a library is missing. The optional parts of the product are extras of the package.

Belongs here: the words. Not here: the libraries of each extra (`pyproject.toml`), noticing that a library is missing
(the code that uses the library).
"""


def install(extra: str) -> str:
    """Return the command that installs an extra: the remedy of an error."""
    return f"pip install 'tenant-etl[{extra}]'"
