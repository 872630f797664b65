"""A tenant's Python cannot end the process of a command or a code location that is about other tenants too.

Belongs here: what `os._exit` and `os.exec*` do while a tenant's file is run. Not here: running it (`tenant_loader`,
`etl.definitions`). `sys.exit` raises SystemExit by itself, and whoever runs a tenant's file catches that.

This is no sandbox: a tenant's Python is trusted code. It keeps a mistake from turning a check of all tenants silent.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

_ENDING = ("_exit", "execv", "execve")


@contextmanager
def leaving_raises() -> Iterator[None]:
    """Within the block a call that would end this process raises SystemExit; a process forked from it may end."""
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
