"""The check `sla` on the asset of each pipeline's last stage.

Belongs here: the check's definition. Not here: its result (`etl.running.sla_result`), when it is written
(`etl.running.sla_watch`).

The sensor writes the results of the check. One separate operation for the whole tenant defines the checks, so that no
step of a pipeline and no job of the tenant has to run them. "Execute" in the UI judges the promises at once.
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
    """Return one operation with the checks of all pipelines that have promises."""
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
