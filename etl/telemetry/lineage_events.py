"""OpenLineage events from the events of a run: the run, and each partition of each asset that it made or did not make.

Belongs here: jobs, runs, datasets and their facets, in the classes of the standard's own library. Not here: sending
(`sending`), the column lineage itself (`etl.lineage`), which is read from the metadata of materializations.

The namespace is `<OPENLINEAGE_NAMESPACE>/<tenant>`, and a dataset is the rest of an asset's key, such as
`extract/orders`; a table of the tenant's database is `source/orders`. No host, login or value of a row is sent.
Each partition of an asset is a run of its own, whose id is made from Dagster's run, the asset and the partition, and
whose parent is Dagster's run.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    TableColumnLineage,
    TableSchema,
)

from etl.errors import EtlError
from etl.extras import install
from etl.running.lineage_metadata import LINEAGE, READS, UNKNOWN
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import ROWS
from etl.secrets.scrub import scrub
from etl.telemetry.ended_runs import EndedRun, StepEvents, materialization_of, moment, number
from etl.telemetry.posting import checked

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

CONTENT_TYPE = "application/json"
PRODUCER = "urn:tenant-etl"
UNKNOWN_FACET = "etl_unknownColumnLineage"
_INPUT = "dagster/input_data_version/"
_LONGEST = 2000
Facets = dict[str, Any]


def endpoint(environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the address and the headers, from OpenLineage's own variables."""
    base = environ.get("OPENLINEAGE_URL")
    if not base:
        raise EtlError("there is no receiver of lineage", "set OPENLINEAGE_URL, such as http://localhost:5000")
    path = environ.get("OPENLINEAGE_ENDPOINT") or "api/v1/lineage"
    key = environ.get("OPENLINEAGE_API_KEY")
    url = checked(f"{base.rstrip('/')}/{path.lstrip('/')}", "OPENLINEAGE_URL")
    return url, {"Authorization": f"Bearer {key}"} if key else {}


def lineage_bodies(run: EndedRun, namespace: str) -> list[bytes]:
    """Return the events of a run, each as the body of a request."""
    try:
        from openlineage.client.facet_v2 import set_producer  # noqa: PLC0415  an optional dependency
        from openlineage.client.serde import Serde  # noqa: PLC0415
    except ImportError as error:
        raise EtlError("the library of OpenLineage is not installed", install("openlineage")) from error
    set_producer(PRODUCER)  # of the facets
    return [Serde.to_json(each).encode() for each in lineage_events(run, namespace)]


def lineage_events(run: EndedRun, namespace: str) -> "Iterator[RunEvent]":
    """Yield the events: the begin of the run, begin and end of each partition of an asset, the end of the run."""
    make = _EventMaker(run, namespace)
    yield make.of_run("START", run.started)
    made: set[AssetAddress] = set()
    checks = _checks(run.steps)
    for step in run.steps:
        reported = [(at, each) for at, event in step.reports if (each := materialization_of(event)) is not None]
        last = {AssetAddress.of(each.asset_key): each for _, each in reported}
        for at, found in reported:
            asset = AssetAddress.of(found.asset_key)
            made.add(asset)
            yield make.of_asset("START", step.started, asset, found.partition)
            own = list(checks.get((asset, found.partition), ()))
            if found is last[asset] and found.partition is not None:
                own += checks.get((asset, None), ())  # checks of all partitions of the step together
            yield make.of_asset("COMPLETE", at, asset, found.partition, made=found, checks=own)
    if run.end.stream != "succeeded":
        state = "FAIL" if run.end.stream == "failed" else "ABORT"
        for asset in run.planned:
            if asset not in made:
                partition = run.run.tags.get("dagster/partition")
                yield make.of_asset("START", run.started, asset, partition)
                judged = [each for (key, _), own in checks.items() if key == asset for each in own]
                yield make.of_asset(state, run.end.at, asset, partition, checks=judged, error=_error(run, asset))
    yield make.of_run({"succeeded": "COMPLETE", "failed": "FAIL", "canceled": "ABORT"}[run.end.stream], run.end.at)


class _EventMaker:
    """Makes the events of one run."""

    def __init__(self, run: EndedRun, namespace: str) -> None:
        self._run, self._namespace = run, namespace

    def of_run(self, state: str, at: float) -> "RunEvent":
        """Return an event of Dagster's run."""
        from openlineage.client.facet_v2 import error_message_run  # noqa: PLC0415  an optional dependency

        facets: Facets = {"processing_engine": _engine()}
        if state == "FAIL":
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=scrub(self._run.error or "the run failed")[:_LONGEST], programmingLanguage="python"
            )
        return self._event(state, at, self._run_id(), facets, self._job(self._run.run.job_name, "RUN"))

    def of_asset(
        self,
        state: str,
        at: float,
        asset: AssetAddress,
        partition: str | None,
        *,
        made: AssetMaterialization | None = None,
        checks: "list[AssetCheckEvaluation] | None" = None,
        error: str = "",
    ) -> "RunEvent":
        """Return an event of one partition of one asset."""
        from openlineage.client.facet_v2 import error_message_run, parent_run  # noqa: PLC0415  an optional dependency

        facets: Facets = {
            "parent": parent_run.ParentRunFacet(
                run=parent_run.Run(runId=self._run_id()),
                job=parent_run.Job(namespace=self._space(self._tenant()), name=self._run.run.job_name),
            ),
            "processing_engine": _engine(),
        }
        if partition is not None:
            facets["etl_partition"] = _facet({"key": partition})
        if error:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=scrub(error)[:_LONGEST], programmingLanguage="python"
            )
        run_id = str(
            uuid5(NAMESPACE_URL, "/".join((self._run.run.run_id, asset.tenant, _name(asset), partition or "")))
        )
        inputs = [self._input(each) for each in _inputs(made)] if made is not None else []
        output = self._output(asset, made, checks or [])
        return self._event(state, at, run_id, facets, self._job(_name(asset), "TASK"), inputs, [output])

    def _event(
        self,
        state: str,
        at: float,
        run_id: str,
        facets: Facets,
        job: Any,  # noqa: ANN401  a type of the optional library
        inputs: "list[InputDataset] | None" = None,
        outputs: "list[OutputDataset] | None" = None,
    ) -> "RunEvent":
        from openlineage.client.event_v2 import Run, RunEvent, RunState  # noqa: PLC0415  an optional dependency

        return RunEvent(
            eventType=RunState[state],
            eventTime=moment(at).isoformat(),
            run=Run(runId=run_id, facets=facets),
            job=job,
            inputs=inputs or [],
            outputs=outputs or [],
            producer=PRODUCER,
        )

    def _job(self, name: str, kind: str) -> Any:  # noqa: ANN401  a type of the optional library
        from openlineage.client.event_v2 import Job  # noqa: PLC0415  an optional dependency
        from openlineage.client.facet_v2 import job_type_job  # noqa: PLC0415

        facet = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DAGSTER", jobType=kind)
        return Job(namespace=self._space(self._tenant()), name=name, facets={"jobType": facet})

    def _input(self, asset: AssetAddress) -> "InputDataset":
        from openlineage.client.event_v2 import InputDataset  # noqa: PLC0415  an optional dependency

        return InputDataset(namespace=self._space(asset.tenant), name=_name(asset))

    def _output(
        self, asset: AssetAddress, made: AssetMaterialization | None, checks: list[AssetCheckEvaluation]
    ) -> "OutputDataset":
        from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415  an optional dependency
        from openlineage.client.facet_v2 import (  # noqa: PLC0415
            column_lineage_dataset,
            data_quality_assertions_dataset,
            output_statistics_output_dataset,
            schema_dataset,
        )

        facets: Facets = {}
        statistics: Facets = {}
        if made is not None:
            schema, lineage, unknown = (_value(made, each) for each in ("dagster/column_schema", LINEAGE, UNKNOWN))
            if isinstance(schema, TableSchema):
                fields = [
                    schema_dataset.SchemaDatasetFacetFields(each.name, each.type, each.description)
                    for each in schema.columns
                ]
                facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
            if isinstance(lineage, TableColumnLineage):
                facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
                    fields={name: self._origins(deps) for name, deps in lineage.deps_by_column.items()}
                )
            if isinstance(unknown, Mapping):
                facets[UNKNOWN_FACET] = _facet({"columns": dict(unknown)})
            rows, size = number(made, *ROWS), number(made, "bytes")
            if rows is not None:
                statistics["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                    rowCount=int(rows), size=None if size is None else int(size)
                )
        if checks:
            facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
                assertions=[
                    data_quality_assertions_dataset.Assertion(
                        assertion=each.check_name,
                        success=each.passed,
                        severity="error" if each.severity is AssetCheckSeverity.ERROR else "warn",
                    )
                    for each in checks
                ]
            )
        return OutputDataset(
            namespace=self._space(asset.tenant), name=_name(asset), facets=facets, outputFacets=statistics
        )

    def _origins(self, deps: Any) -> Any:  # noqa: ANN401  types of Dagster and of the optional library
        from openlineage.client.facet_v2 import column_lineage_dataset  # noqa: PLC0415  an optional dependency

        fields = [
            column_lineage_dataset.InputField(namespace=self._space(asset.tenant), name=_name(asset), field=column)
            for asset, column in ((AssetAddress.of(each.asset_key), each.column_name) for each in deps)
        ]
        return column_lineage_dataset.Fields(inputFields=fields)

    def _tenant(self) -> str:
        """Return the tenant of the run's job; a job over several tenants belongs to none."""
        return self._run.tenants[0] if len(self._run.tenants) == 1 else ""

    def _space(self, tenant: str) -> str:
        return f"{self._namespace}/{tenant}" if tenant else self._namespace

    def _run_id(self) -> str:
        try:
            return str(UUID(self._run.run.run_id))
        except ValueError:  # an id of another kind, from another launcher
            return str(uuid5(NAMESPACE_URL, self._run.run.run_id))


def _inputs(made: AssetMaterialization) -> list[AssetAddress]:
    """Return what an asset was made from: assets whose versions Dagster noted, columns' origins, and other tables."""
    found: dict[AssetAddress, None] = {}
    for tag in made.tags or {}:
        if tag.startswith(_INPUT):
            found[_address(tag.removeprefix(_INPUT))] = None
    lineage = _value(made, LINEAGE)
    if isinstance(lineage, TableColumnLineage):
        for deps in lineage.deps_by_column.values():
            found |= {AssetAddress.of(each.asset_key): None for each in deps}
    reads = _value(made, READS)
    if isinstance(reads, list):
        found |= {_address(each): None for each in reads}
    found.pop(AssetAddress.of(made.asset_key), None)
    return list(found)


def _checks(steps: Iterable[StepEvents]) -> dict[tuple[AssetAddress, str | None], list[AssetCheckEvaluation]]:
    """Return the evaluations of checks by asset and partition."""
    found: dict[tuple[AssetAddress, str | None], list[AssetCheckEvaluation]] = {}
    for event in (event for step in steps for _, event in step.reports):
        if materialization_of(event) is None:
            each = event.asset_check_evaluation_data
            found.setdefault((AssetAddress.of(each.asset_key), each.partition), []).append(each)
    return found


def _error(run: EndedRun, asset: AssetAddress) -> str:
    """Return why an asset was not made: the error of its step, or that of the run."""
    if run.end.stream == "canceled":
        return ""
    own = (each.error for each in run.steps if each.address == asset and each.error)
    return next(own, run.error or "the run failed before the asset was made")


def _address(key: str) -> AssetAddress:
    """Return what `tenant/stage/name` names."""
    return AssetAddress.of(AssetKey.from_user_string(key))


def _name(asset: AssetAddress) -> str:
    """Return the name of a dataset in its tenant's namespace."""
    return "/".join(filter(None, (asset.stage, asset.name))) or asset.tenant


def _value(made: AssetMaterialization, name: str) -> object:
    found = made.metadata.get(name)
    return None if found is None else found.value


def _engine() -> Any:  # noqa: ANN401  a type of the optional library
    from openlineage.client.facet_v2 import processing_engine_run  # noqa: PLC0415  an optional dependency

    return processing_engine_run.ProcessingEngineRunFacet(
        version=version("dagster"), name="Dagster", openlineageAdapterVersion=version("tenant-etl")
    )


def _facet(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a facet of our own, with what the standard asks of every facet."""
    return {
        "_producer": PRODUCER,
        "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/BaseFacet",
        **content,
    }
