"""Failures without secrets: what a person's code or a library raised, before somebody records it.

Belongs here: looking through an exception with its causes and its traceback. Not here: what a secret is (`scrub`).
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from etl.errors import EtlError
from etl.secrets.scrub import scrub


@contextmanager
def scrubbed_failures() -> Iterator[None]:
    """Let a failure pass as it is if it shows no secret; else raise what is left of it, without causes."""
    clean: EtlError | None = None
    try:
        yield
    except Exception as error:
        clean = without_secrets(error)
        if clean is None:
            raise
    if clean is not None:
        raise clean from None


def without_secrets(error: BaseException) -> EtlError | None:
    """What may be shown of a failure whose text, causes or traceback hold a secret; None if none of them does."""
    whole = "".join(traceback.format_exception(error))
    if scrub(whole) == whole:
        return None
    if isinstance(error, EtlError):
        return EtlError(scrub(error.problem), scrub(error.hint))
    said = scrub(f"{type(error).__name__}: {error}")
    return EtlError(said, "its traceback showed a secret and is left out; look at the code that raised it")
