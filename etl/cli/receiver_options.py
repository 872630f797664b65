"""The options that `etl traces` and `etl lineage send` share.

Belongs here: the options and their help. Not here: what the commands do with them (`etl.cli.traces.send`). This file
imports nothing that takes time, because it is imported for the help of these commands (`etl.cli.signature`).
"""

from typing import Annotated

import typer

OfTenant = Annotated[str | None, typer.Option("--tenant", help="Only runs of this tenant. Default: all.")]
Every = Annotated[float | None, typer.Option("--every", help="Go on until stopped, and look every so many seconds.")]
Since = Annotated[float, typer.Option("--since", help="The first time: begin with runs that ended in the last hours.")]
