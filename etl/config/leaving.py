"""Prevents a tenant's Python from ending the process of a command or a code location that also serves other tenants.

Belongs here: what `os._exit` and `os.exec*` do while a tenant's file is run. Not here: running the file
(`tenant_loader`, `etl.definitions`). `sys.exit` raises SystemExit, which the caller that runs a tenant's file catches.

This is not a sandbox: a tenant's Python is trusted code. A mistake in it must not silently end a check of all tenants.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

_ENDING = ("_exit", "execv", "execve")


@contextmanager
def leaving_raises() -> Iterator[None]:
    """Within the block, a call that would end this process raises SystemExit. A forked process may end."""
    owner = os.getpid()
    names = vars(os)
    before = {name: names[name] for name in _ENDING}

    def instead(name: str) -> Callable[..., NoReturn]:
        def refuse(*arguments: object) -> NoReturn:
            if os.getpid() != owner:
                before[name](*arguments)
            raise SystemExit(f"os.{name} was called")

        return refuse

    names.update({name: instead(name) for name in _ENDING})
    try:
        yield
    finally:
        names.update(before)
