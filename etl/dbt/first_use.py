"""Lets dbt's libraries generate the code that they generate at its first use, before the warm process forks.

Belongs here: which of dbt's classes are used by every command, and by a command that parses. The file is run inside the
warm process and uses only the standard library and dbt. Not here: the process (`warm_process`).

dbt describes its files and its results by some hundred classes. The code that reads, checks and writes an object of
such a class is generated when it is needed, which takes more time than to build a few models. It depends on dbt's
release only; nothing that is done here is about a project, a connection or a command. What is not generated here, dbt
generates by itself in each command.
"""

import inspect
from pathlib import Path
from typing import Any


def commands(parsed: Path) -> None:
    """Generate what every command of the project uses, whose parse is in the file `parsed`."""
    import dbt.adapters.sql  # noqa: F401, PLC0415  an adapter imports these; they start no thread
    import dbt_common.clients.agate_helper  # noqa: F401, PLC0415
    from dbt.contracts import project, selection  # noqa: PLC0415

    inspect.stack()  # an adapter asks for the stack, which reads where each module is
    settings = (project.ProjectFlags, project.ProfileConfig, project.Project, project.PackageConfig)
    for each in (*settings, project.Configuration, selection.SelectorFile):
        each.json_schema()
    manifest = _manifest(parsed)
    manifest.build_flat_graph()
    for kind in (manifest.nodes, manifest.sources, manifest.exposures, manifest.macros, manifest.docs):
        for node in kind.values():
            node.to_resource().to_dict(omit_none=False, context={"artifact": True})


def parsing(parsed: Path, files: list[str]) -> None:
    """Generate what a command uses that parses `files` again, with the tests of their models."""
    from dbt.contracts.graph import nodes, unparsed  # noqa: PLC0415

    known = _manifest(parsed).nodes.values()
    parsed_again = [each for each in known if each.file_id in files or isinstance(each, nodes.GenericTestNode)]
    kinds = {kind for each in parsed_again for kind in (type(each), type(each.config))}
    for kind in (*kinds, unparsed.UnparsedModelUpdate):
        kind.json_schema()


def _manifest(parsed: Path) -> Any:  # noqa: ANN401  dbt's own type
    from dbt.contracts.graph.manifest import Manifest  # noqa: PLC0415  seconds
    from dbt.parser.manifest import extended_mashumuro_decoder  # noqa: PLC0415

    return Manifest.from_msgpack(parsed.read_bytes(), decoder=extended_mashumuro_decoder)
