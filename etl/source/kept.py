"""Keeps connections for the partitions that a range reads one after the other, so that each need not open its own.

Belongs here: which connections are free, and for whom. Not here: how a connection is opened, cleaned and closed (the
drivers).

A connection is given to one reader at a time. It is kept only after a reader that met no error, when the driver has
ended its transaction, so that the next reader sees what a new connection would see. Outside of `in_use` every
connection is closed when its reader has finished.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Protocol, TypeVar


class Closable(Protocol):
    """A connection of any library."""

    def close(self) -> object:
        """Close it. A connection that is broken already is no error."""


_Connection = TypeVar("_Connection", bound=Closable)


class KeptConnections(AbstractContextManager["KeptConnections"]):
    """The free connections of one range. Several threads may use it; the end closes the connections."""

    def __init__(self) -> None:
        self._free: dict[Hashable, list[Closable]] = {}
        self._lock = Lock()

    def __exit__(self, *_: object) -> None:
        """Close the connections that are free."""
        while self._free:
            for each in self._free.popitem()[1]:
                each.close()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the drivers take connections from here, and keep theirs here, in this thread."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def take(self, key: Hashable) -> Closable | None:
        """Return a free connection that was opened for the same `key`."""
        with self._lock:
            free = self._free.get(key)
            return free.pop() if free else None

    def keep(self, key: Hashable, connection: Closable) -> None:
        """Keep a connection for the next reader with this `key`."""
        with self._lock:
            self._free.setdefault(key, []).append(connection)


_current: ContextVar[KeptConnections | None] = ContextVar("kept_connections", default=None)


@contextmanager
def kept(
    key: Hashable | None,
    opened: Callable[[], _Connection],
    *,
    clean: Callable[[_Connection], bool],
    alive: Callable[[_Connection], bool],
) -> Iterator[_Connection]:
    """Yield a connection that was kept for `key` and is still `alive`, or else a new one; no key: always a new one.

    `clean` ends what a reader has begun, and says whether the connection may be kept.
    """
    store = _current.get() if key is not None else None
    connection = _living(store, key, alive) if store else None
    if connection is None:
        connection = opened()
    whole = False
    try:
        yield connection
        whole = True
    finally:
        if store is not None and whole and clean(connection):
            store.keep(key, connection)
        else:
            connection.close()


def _living(store: KeptConnections, key: Hashable, alive: Callable[[_Connection], bool]) -> _Connection | None:
    while (found := store.take(key)) is not None:
        connection: _Connection = found  # type: ignore[assignment]  # what is kept for a key is what its driver opened
        if alive(connection):
            return connection
        connection.close()
    return None
