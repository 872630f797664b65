"""Values that are made from secrets each time that they are needed, and made again after a refused login.

Belongs here: `Renewable`, and `RenewableUrl`, the address of a database. Not here: noticing that a login was refused
(the driver that opens the connection), and reading secrets (`cache`).

A password is changed in the store and in the database. A process that still keeps the old one is refused, asks the
store once, and opens the connection again only if the store has another value. That is no repetition of work: nothing
was read or written before the login.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from etl.errors import SecretError

_T = TypeVar("_T")


@dataclass(frozen=True, repr=False)
class Renewable(Generic[_T]):
    """A value made from the secrets of one tenant. `repr` never shows the value."""

    now: Callable[[], _T]
    """Makes the value from what the store has now; the store's values are kept for some minutes."""
    reread: Callable[[], None]
    """Asks the store again, so that the next `now` has what the store has at this moment."""

    def renewed(self, used: _T) -> _T | None:
        """Return the value that the store has now, after a login with `used` was refused; None if it is the same.

        A store that does not answer now is no other version: the refused login stays the error, and the log of reads
        tells about the store.
        """
        try:
            self.reread()
            value = self.now()
        except SecretError:
            return None
        return value if value != used else None


class RenewableUrl(str):
    """The URL of a database, made from secrets. As a text it is the URL of the moment when it was made.

    Code that opens a connection uses `current(url)`, and after a refused login `renewed(url, used)`.
    """

    __slots__ = ("source",)
    source: Renewable[str]

    def __new__(cls, source: Renewable[str]) -> Self:
        """Make the URL once, so that a missing secret is noticed now."""
        made = super().__new__(cls, source.now())
        made.source = source
        return made


def current(url: str) -> str:
    """Return the URL with the values that the store has now."""
    return url.source.now() if isinstance(url, RenewableUrl) else url


def renewed(url: str, used: str) -> str | None:
    """Return the URL with the values that the store has now; None if that is the URL `used`, which was refused."""
    return url.source.renewed(used) if isinstance(url, RenewableUrl) else None
