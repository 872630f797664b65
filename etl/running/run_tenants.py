"""Finds the tenants of a run, and the run for which this process was started.

Belongs here: reading both from the data that Dagster gives to a run's process, before any definition is loaded. Not
here: the use of the answer (`run_process`, `etl.definitions`).
"""

import multiprocessing
import os
import sys
from collections.abc import Collection, Iterable, Iterator

from dagster import AssetKey, DagsterError, DagsterInstance, DagsterRun
from dagster_shared.serdes.errors import DeserializationError

from etl.running.compat import ExecuteExternalJobArgs, ExecuteRunArgs, deserialize_value
from etl.running.naming import AssetAddress


def tenants_of(run: DagsterRun, known: Collection[str], keys: Iterable[AssetKey] = ()) -> list[str]:
    """The tenants whose assets the run executes; empty if they are not known.

    `keys` are the assets of the run's job, if the caller knows them; a run of some of them names these assets. If no
    asset is known, the run's tag `tenant` is used.
    """
    selected = {*(run.asset_selection or ()), *(each.asset_key for each in run.asset_check_selection or ())} or set(
        keys
    )
    named = {AssetAddress.of(key).tenant for key in selected} & set(known) or {run.tags.get("tenant", "")} & set(known)
    return sorted(named)


def run_of_this_process() -> DagsterRun | None:
    """The run that Dagster started this process for; None in every other process."""
    for text in _arguments():
        try:
            found = deserialize_value(text)
        except (DeserializationError, ValueError):
            continue
        if isinstance(found, ExecuteExternalJobArgs | ExecuteRunArgs) and found.instance_ref is not None:
            try:
                with DagsterInstance.from_ref(found.instance_ref) as instance:
                    return instance.get_run_by_id(found.run_id)
            except DagsterError:
                return None  # Dagster itself reports this problem better
    return None


def _arguments() -> Iterator[str]:
    """Yield the texts that a code server, or a launcher that starts a container, gives to a run's process."""
    given = getattr(multiprocessing.current_process(), "_args", ())
    yield from (each for each in given[:1] if isinstance(each, str))
    if "execute_run" in sys.argv:
        yield sys.argv[-1]
        yield os.environ.get("DAGSTER_EXECUTE_RUN_ARGS", "")
