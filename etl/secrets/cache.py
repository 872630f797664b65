"""Reads secrets of a store, keeps them in this process for some minutes, and writes a line of the audit for each read.

Belongs here: how long values are kept, how many, and what was read. Not here: the stores, and who asks (`namespace`).

A value that is kept is not asked for again. A login that fails asks again (`read_again`), because the value may have
been changed in the store meanwhile. A failed read is never kept. Values are only in memory.
"""

import logging
import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from etl.secrets.contract import SecretContent, SecretResolver, shown, value_in

AUDIT = logging.getLogger("etl.audit.secrets")
"""The log of reads: tenant, name, key, version, store and place of each secret, and never a value."""
AUDIT.setLevel(logging.INFO)
MOST = 1000
"""How many secrets a process keeps; the one that was read first is forgotten first."""


class ReadVersion(NamedTuple):
    """Which version of a secret this process has read last, and from where."""

    store: str
    version: str


class _KeptSecret(NamedTuple):
    content: SecretContent
    until: float


_lock = threading.Lock()
_kept: OrderedDict[tuple[SecretResolver, str, str], _KeptSecret] = OrderedDict()
_read: dict[tuple[str, str], ReadVersion] = {}


def read(store: SecretResolver, tenant: str, name: str, key: str, seconds: float) -> str:
    """Return the value of a secret; one that was read less than `seconds` ago is not asked for again."""
    content = _of_memory(store, tenant, name) if store.is_remote and seconds > 0 else None
    if content is None or not content.values.get(key):  # the key may have been added since
        content = _ask(store, tenant, name, key, seconds)
    return value_in(store, content, tenant, name, key)


def read_again(store: SecretResolver, tenant: str, name: str, key: str, seconds: float) -> None:
    """Ask the store, whatever is kept, so that the next `read` has what the store has now."""
    _ask(store, tenant, name, key, seconds)


def versions_read(tenant: str) -> dict[str, ReadVersion]:
    """Return the versions of the tenant's secrets that this process has read last, by the names of the secrets."""
    with _lock:
        return {name: version for (owner, name), version in sorted(_read.items()) if owner == tenant}


def forget_everything() -> None:
    """Forget all values and versions. For tests."""
    with _lock:
        _kept.clear()
        _read.clear()


def _of_memory(store: SecretResolver, tenant: str, name: str) -> SecretContent | None:
    with _lock:
        kept = _kept.get((store, tenant, name))
        return kept.content if kept is not None and time.monotonic() < kept.until else None


def _ask(store: SecretResolver, tenant: str, name: str, key: str, seconds: float) -> SecretContent:
    what = f"tenant={tenant} name={shown(name, key)} store={store.store}"
    try:
        content = store.read(tenant, name, key)
    except Exception:
        AUDIT.info("secret not read: %s", what)
        raise
    AUDIT.info("secret read: %s version=%s place=%s", what, content.version or "-", store.place(tenant, name, key))
    with _lock:
        _read[tenant, name] = ReadVersion(store.store, content.version)
        if store.is_remote and seconds > 0:
            _kept.pop((store, tenant, name), None)
            _kept[store, tenant, name] = _KeptSecret(content, time.monotonic() + seconds)
            while len(_kept) > MOST:
                _kept.popitem(last=False)
    return content
