"""The check `sla` on the asset of each pipeline's last stage.

Belongs here: the check's definition. Does not: what it says (`etl.running.sla_result`), when it is written
(`etl.running.sla_watch`).

The sensor writes the check. It is an operation of its own, one for the whole tenant, so that no pipeline's step owes
it, and none of the tenant's jobs runs it; who presses "execute" in the UI has the promises judged there and then.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    DagsterInstance,
    multi_asset_check,
)

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.promises.judge import PromiseVerdict
from etl.running.naming import SLA_CHECK
from etl.running.sla_result import evaluation, promised

Judge = Callable[[DagsterInstance, datetime], tuple[dict[str, tuple[PromiseVerdict, ...]], dict[str, str]]]


def sla_checks(config: TenantConfig, judge: Judge) -> list[AssetChecksDefinition]:
    """One operation with the check of every pipeline that promises something."""
    assets = promised(config)
    if not assets:
        return []
    names = {key: name for name, key in assets.items()}

    @multi_asset_check(
        name=f"{config.id}__{SLA_CHECK}",
        specs=[
            AssetCheckSpec(SLA_CHECK, asset=key, description=f"Whether {name} keeps what it promises.")
            for name, key in assets.items()
        ],
        can_subset=True,
    )
    def sla(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        verdicts, unjudged = judge(context.instance, datetime.now(UTC))
        selected_names = {selected: names[selected.asset_key] for selected in context.selected_asset_check_keys}
        for selected, name in sorted(selected_names.items()):
            if name in unjudged:
                continue
            found = evaluation(selected.asset_key, verdicts[name])
            yield AssetCheckResult(
                passed=found.passed,
                asset_key=found.asset_key,
                check_name=found.check_name,
                metadata=found.metadata,
                severity=found.severity,
                description=found.description,
            )
        problems = [unjudged[name] for name in sorted(selected_names.values()) if name in unjudged]
        if problems:  # neither passed nor failed: the execution has failed
            raise EtlError("\n".join(problems), "the sensor reads on; execute the check again in some minutes")

    return [sla]
