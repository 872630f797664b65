"""Finds columns that a tenant's file names and that the rows do not have.

Belongs here: the keys of a pipeline that name columns whose absence nothing else would notice. A mistyped personal
column would be shown, and a mistyped key would be promised in the contract. Not here: columns that a statement of SQL
or a rule names, which fail by themselves.
"""

from collections.abc import Collection, Iterator

from etl.config.pipeline_config import PipelineConfig
from etl.errors import EtlError
from etl.suggest import did_you_mean


def require_named(
    pipeline: PipelineConfig, columns: Collection[str], inputs: Collection[str] = (), *, label: str = ""
) -> None:
    """Raise an error with every name that fits no column. `inputs` are the columns of a transform's inputs."""
    problems = [*_unknown(pipeline, columns, inputs)]
    if problems:
        raise EtlError(
            f"{label}: nothing was published: {'; '.join(problems)}" if label else "; ".join(problems),
            "correct the name in config.yaml: a personal column with a mistyped name would be shown",
        )


def _unknown(pipeline: PipelineConfig, columns: Collection[str], inputs: Collection[str]) -> Iterator[str]:
    known = dict.fromkeys((*columns, *inputs))
    shown = (("pii_columns", pipeline.pii_columns), ("quality.safe_columns", pipeline.quality.safe_columns))
    for key, names in shown:
        for name in names:
            if name not in known:
                yield f"`{key}` names `{name}`, which is no column{did_you_mean(name, known)}"
    output = pipeline.trino_output if pipeline.save_to_trino else None
    if output is None:
        return
    folded = {each.casefold() for each in columns}
    for name in (*output.key_columns, *filter(None, (output.order_column,))):
        if name.casefold() not in folded:
            yield f"`trino_output` names `{name}`, which is no column{did_you_mean(name, columns)}"
