"""The process that loads a tenant's code location once, plans what to run, creates one run, and executes it.

Belongs here: what this process does, in its order. Not here: the command that starts it (`child`), the messages between
the two (`messages`), choosing assets and partitions (`run_plan`), executing (`etl.running.own_run`).

It does in one process what Dagster does in two, a code server and a run's process. It has a session of its own, so that
Ctrl-C in a terminal reaches the command only. It prints into the file of the code servers' output.
"""

import os
import sys

from dagster import AssetKey, DagsterInstance

from etl.cli.location_errors import cannot_load, log_file
from etl.cli.messages import Channel, Go, Plan, Refused, Request, Started
from etl.cli.run_plan import plan
from etl.config.config_loader import load_tenant
from etl.dbt.warm_process import die_with_parent, outlive_parent
from etl.errors import EtlError
from etl.running.compat import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    capture_interrupts,
    deserialize_value,
    serializable_error_info_from_exc_info,
)
from etl.running.json_log import log_as_json
from etl.running.new_run import create_run, repository_in
from etl.running.own_run import OwnLocation, execute_here, load_own
from etl.running.reports import scrub_reports
from etl.running.run_process import forbid_core_files
from etl.secrets.scrub import learn_environment, scrub
from etl.secrets.streams import scrub_streams
from etl.settings import load_settings


def main() -> None:
    """Do what the command asks for over the inherited socket. An error of the product is told to the command."""
    die_with_parent()  # also while the tenant's code hangs
    channel = Channel.of_descriptor(int(sys.argv[1]))
    learn_environment(os.environ)
    forbid_core_files()
    log_as_json(is_own=True)
    scrub_streams()
    scrub_reports()
    try:
        with DagsterInstance.get() as instance:
            _plan_and_execute(channel, instance)
    except EtlError as error:
        channel.say(Refused(problem=scrub(error.problem), hint=scrub(error.hint)))
        sys.exit(1)
    except Exception as error:  # whatever fails, the command waits for an answer; then the error ends this process
        told = scrub(f"{type(error).__name__}: {error}")
        channel.say(Refused(problem=f"the run could not be started: {told}", hint=f"{log_file()} has the whole trace"))
        raise


def _plan_and_execute(channel: Channel, instance: DagsterInstance) -> None:
    asked = channel.hear(Request)
    if asked is None:
        return
    location = _loaded(asked, instance)
    planned = _planned(asked, location)
    channel.say(planned)
    go = channel.hear(Go)
    if go is None:
        return
    outlive_parent()  # from here on, the run goes on if the command ends

    def is_started() -> None:
        channel.say(Started())
        channel.close()

    with capture_interrupts():  # from here on, an interrupt asks the run to stop
        run, assets = planned.runs[0], [AssetKey(list(each)) for each in planned.runs[0].assets]
        created = create_run(instance, location, run.job, go.run_id, run.tags, assets)
        execute_here(location, instance, created, is_started)


def _loaded(asked: Request, instance: DagsterInstance) -> OwnLocation:
    entry = deserialize_value(asked.entry, ManagedGrpcPythonEnvCodeLocationOrigin)
    try:
        return load_own(entry, instance)
    except Exception as error:  # a tenant's code may raise any error; it becomes the product's error with a remedy
        told = serializable_error_info_from_exc_info(sys.exc_info())
        raise cannot_load(entry.location_name, told, log_file()) from error
    finally:
        learn_environment(os.environ)


def _planned(asked: Request, location: OwnLocation) -> Plan:
    if asked.run is not None:
        return Plan(runs=(asked.run,))
    settings = load_settings()
    if asked.wanted is None:
        raise EtlError("the command asked for nothing", "name what shall be run")
    return plan(repository_in(location), load_tenant(asked.tenant, settings), settings, asked.wanted, asked.tags)


if __name__ == "__main__":
    main()
