"""Checks the format numbers of stored data: which formats this release reads, and the error for later formats.

Belongs here: the comparison and its error. Not here: the numbers themselves, which stand beside the code that reads
each store, and reading older formats.
"""

from etl.errors import EtlError


def check_format(found: object, *, newest: int, what: str) -> int:
    """Return the format number of stored data, if this release knows it.

    `found` is None if the data was written before formats had numbers, which is format 1. Raises an error that names
    `what` and the remedy if a later release wrote the data, or if `found` is not a number.
    """
    if found is None:
        return 1
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise EtlError(
            f"{what} says that its format is {found!r}, which is not a format number",
            "it was changed by hand or is damaged: restore it from a backup, or move it away",
        )
    if found > newest:
        raise EtlError(
            f"{what} has format {found}; this release reads formats 1 to {newest}",
            "a later release of tenant-etl wrote it: use that release or a later one. Nothing was changed",
        )
    return found
