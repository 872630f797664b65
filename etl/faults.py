"""Named points at which a test can stop the process from outside, to prove that nothing is lost.

Belongs here: `reach`, called where a crash shall be tested. Not here: any behaviour of the product; without the
environment variable `ETL_FAULT` a call does nothing.

`ETL_FAULT="lake.publish=kill"` ends the process with SIGKILL at that point, `=raise` raises OSError, `=full` raises
"no space left on device", `=hang` sleeps for an hour. `name@3=kill` means the third time the point is reached.
"""

import errno
import os
import signal
import time
from collections import Counter

from etl.errors import EtlError

_reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Mark that `point` is reached; act if `ETL_FAULT` names the point."""
    plan = os.environ.get("ETL_FAULT")
    if not plan:
        return
    target, _, action = plan.partition("=")
    name, _, nth = target.partition("@")
    if name != point:
        return
    _reached[point] += 1
    if _reached[point] == int(nth or 1):
        _act(point, action)


def _act(point: str, action: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            raise OSError(errno.EIO, f"fault injected at {point}")
        case "full":
            raise OSError(errno.ENOSPC, f"fault injected at {point}: no space left on device")
        case "hang":
            time.sleep(3600)
        case _:
            raise EtlError(f"ETL_FAULT asks for `{action}`", "use kill, raise, full or hang")
