"""Finds out whether dbt models that read a pipeline failed, for its explanation.

Belongs here: from failures of dbt's steps to the models that they name. Not here: the explanation (`explain`).

One step builds many models. Its failure names those that failed, but only the beginning of its text is known: if it
names no model, it is not known whether a model that reads the pipeline is among them.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from etl.promises.pipeline_facts import Failure
from etl.running.naming import AssetAddress

_MODEL = "dbt "
"""How the name of a model begins, unlike that of a pipeline."""


@dataclass(frozen=True)
class FailedModels:
    """A failure of dbt that counts for a pipeline."""

    failure: Failure
    names: tuple[str, ...]
    """The models that read the pipeline and that failed; empty if it is not known which models failed."""


def failed_models(
    failures: Iterable[Failure], readers: Collection[str], everything: Collection[str]
) -> FailedModels | None:
    """Return the newest failure of dbt that may be of a model among `readers`; `everything` has all models."""
    own, others = (
        {each.removeprefix(_MODEL) for each in names if each.startswith(_MODEL)} for names in (readers, everything)
    )
    found = None
    for failure in failures if own else ():
        if not AssetAddress.of_step(failure.subject).stage.startswith("dbt"):
            continue
        words = {*re.findall(r"\w+", failure.detail)}
        if own & words or not others & words:
            found = FailedModels(failure, tuple(sorted(own & words)))
    return found
