"""Format numbers of what is kept: what this release can read, and what it says about a store of a later one.

Belongs here: the comparison and its error. Not here: the numbers themselves, which stand beside the code that reads
each store, and the reading of older formats.
"""

from etl.errors import EtlError


def check_format(found: object, *, newest: int, what: str) -> int:
    """The format number of something that was read, if this release knows it.

    `found` is None where the thing was written before formats had numbers: that is format 1. Raises an error that names
    `what` and says what to do where a later release wrote it, or where the number is none.
    """
    if found is None:
        return 1
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise EtlError(
            f"{what} says that its format is {found!r}, which is no format number",
            "it was changed by hand or is damaged: restore it from a backup, or move it away",
        )
    if found > newest:
        raise EtlError(
            f"{what} has format {found}; this release reads formats 1 to {newest}",
            "a later release of tenant-etl wrote it: use that release or a later one. Nothing was changed",
        )
    return found
