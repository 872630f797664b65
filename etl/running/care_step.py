"""A job with `maintain`, and its step, which cares for the tables that a tenant has loaded.

Belongs here: the job, the step, what the run's log says. Not here: the care (`etl.warehouse.care`), which jobs a tenant
has (`etl.factories.job_factory`).
"""

from collections.abc import Mapping

from dagster import JobDefinition, MetadataValue, Nothing, OpExecutionContext, Out, ResourceDefinition, job, op

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.running import naming
from etl.running.executors import in_process_executor
from etl.running.metadata import markdown_table
from etl.running.surroundings import step_of
from etl.warehouse.care import check_any
from etl.warehouse.contract import Care, CareRequest


def care_job(
    name: str, config: TenantConfig, resources: Mapping[str, object], description: str, tags: Mapping[str, str]
) -> JobDefinition:
    """Return a job with this one step. It has no assets, because the rows stay the same."""
    warehouse = naming.warehouse_resource(config.id)

    @op(name=f"{name}__tables", required_resource_keys={warehouse}, out=Out(Nothing))
    def tables(context: OpExecutionContext) -> None:
        with step_of(config, context.log):
            found: list[Care] = []
            for care in getattr(context.resources, warehouse).open(config).care(CareRequest(run_id=context.run_id)):
                found.append(care)
                context.log.info("%s: %s", care.table, _words(care))
            rows = [{"table": each.table, "care": _words(each)} for each in found]
            if rows:
                context.add_output_metadata({"tables": MetadataValue.md(markdown_table(rows))})
            failed = [str(each.error) for each in found if each.error is not None]
            if failed:
                raise EtlError("\n".join(failed), f"the other {len(found) - len(failed)} tables were cared for")
            check_any(found, config.id)

    own = {key: each for key, each in resources.items() if key == warehouse and isinstance(each, ResourceDefinition)}

    @job(name=name, description=description, tags=tags, resource_defs=own, executor_def=in_process_executor)
    def care_of_tables() -> None:
        tables()

    return care_of_tables


def _words(care: Care) -> str:
    """Return one line: what was done, and by how much the table's measures have changed."""
    if care.error is not None:
        return f"failed: {care.error.problem}"
    if care.left_alone:
        return f"left alone: {care.left_alone}"
    changes = [
        f"{name} {value:,} -> {care.after[name]:,}"
        for name, value in care.before.items()
        if care.after.get(name, value) != value
    ]
    return "; ".join([", ".join(care.done) or "nothing was necessary", *changes])
