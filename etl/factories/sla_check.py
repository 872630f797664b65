"""The check `sla` on the asset of each pipeline's last stage: what it says, and its definition.

Belongs here: from verdicts to an evaluation, and the check's definition. Does not: when it is written (`sla_watch`).

The sensor writes the check. It is an operation of its own, one for the whole tenant, so that no pipeline's step owes
it, and none of the tenant's jobs runs it; who presses "execute" in the UI has the promises judged there and then.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    DagsterInstance,
    MetadataValue,
    multi_asset_check,
)

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.factories.metadata import Metadata, markdown_table
from etl.factories.naming import SLA_CHECK
from etl.factories.subjects import last_asset
from etl.sla.freshness import State
from etl.sla.judge import FROM_BAD_TO_GOOD, UNITS, PromiseVerdict

Verdicts = Sequence[PromiseVerdict]
Judge = Callable[[DagsterInstance, datetime], tuple[dict[str, tuple[PromiseVerdict, ...]], dict[str, str]]]
BAD = (State.BROKEN, State.AT_RISK)
GREEN = (State.ON_TRACK, State.RECOVERED)


def promised(config: TenantConfig) -> dict[str, AssetKey]:
    """The pipelines that promise something, with the asset that shows it."""
    return {
        name: last_asset(config, pipeline)
        for name, pipeline in config.pipelines.items()
        if (sla := config.sla_of(name)) is not None and sla.says_something
    }


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


def evaluation(asset: AssetKey, verdicts: Verdicts) -> AssetCheckEvaluation:
    """All promises of a pipeline as one evaluation; the worst one speaks for all."""
    worst = worst_of(verdicts)
    state = worst.state if worst else State.UNMEASURED
    return AssetCheckEvaluation(
        asset_key=asset,
        check_name=SLA_CHECK,
        passed=state in GREEN,
        severity=AssetCheckSeverity.ERROR if state is State.BROKEN else AssetCheckSeverity.WARN,
        description=f"{worst.promise}: {worst.message}" if worst else "nothing is known yet",
        metadata=_metadata(worst, verdicts) if worst else {},
    )


def worst_of(verdicts: Verdicts) -> PromiseVerdict | None:
    """The promise in the worst state, the first of several."""
    return min(verdicts, key=lambda each: FROM_BAD_TO_GOOD.index(each.state), default=None)


def digest(verdicts: Verdicts) -> str:
    """Changes when something is worth saying; not with each minute that a breach lasts, nor with each good run."""
    parts = [f"{each.promise} {each.state}" for each in verdicts]
    parts += [f"{each.since} {each.partition} {each.runs}" for each in verdicts if each.state in BAD]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _metadata(worst: PromiseVerdict, verdicts: Verdicts) -> Metadata:
    table = [
        {
            "promise": each.promise,
            "state": each.state.value,
            "actual": _plain(each.actual),
            "threshold": _plain(each.threshold),
            "unit": UNITS[each.promise],
            "since": each.since.isoformat(timespec="minutes") if each.since else "",
            "partition": each.partition or "",
            "message": each.message,
        }
        for each in verdicts
    ]
    metadata: Metadata = {
        "state": MetadataValue.text(worst.state.value),
        "promise": MetadataValue.text(worst.promise),
        "unit": MetadataValue.text(UNITS[worst.promise]),
        "promises": MetadataValue.md(markdown_table(table)),
        "runs": MetadataValue.json(list(worst.runs)),
    }
    if worst.actual is not None:
        metadata["actual"] = MetadataValue.float(worst.actual)
    if worst.threshold is not None:
        metadata["threshold"] = MetadataValue.float(worst.threshold)
    if worst.since is not None:
        metadata["since"] = MetadataValue.timestamp(worst.since)
    if worst.partition is not None:
        metadata["partition"] = MetadataValue.text(worst.partition.isoformat())
    if worst.due is not None:
        metadata["due"] = MetadataValue.timestamp(worst.due)
    return metadata


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
