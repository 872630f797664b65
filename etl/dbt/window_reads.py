"""Lets dbt build another window of days from a project that was parsed once.

Belongs here: which files read the window's variables while dbt parses, and a parse that repeats only these files. Both
happen inside dbt's process, so that the file uses only the standard library and dbt, and one part of it is run as a
script. Not here: when a parse is made (`project`) and reused (`build`).

dbt parses the whole project again if any variable of `--vars` has changed, because it does not know which files read
the variable. Here it is known: while the project is parsed without a window, each read of a variable of the window is
recorded. A file that read none is parsed to the same nodes for every window. A model's own file that read one, such as
by a macro in its SQL, is parsed again by dbt's own partial parsing. If anything else read one (`dbt_project.yml`, a
schema file, a hook, a generic test), or if it cannot be known, nothing is reused, and dbt parses the whole project.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WINDOW = ("partition_start", "partition_end")
"""The variables that the product gives to a run of days."""

# What dbt's partial parsing repeats by itself if only its file has changed.
_PARSED_ALONE = {"ModelNode", "SnapshotNode", "AnalysisNode", "SingularTestNode"}
# Ways to all variables of the command line that are not `var(...)`.
_OTHER_WAYS = (b"invocation_args_dict", b"VARS")


def record(path: Path, parsed: Path, arguments: list[str]) -> None:
    """Run `dbt parse`, and write to `path` which files read the window, and the digest of the result `parsed`."""
    from dbt.cli.main import cli  # noqa: PLC0415  seconds
    from dbt.context.base import Var  # noqa: PLC0415
    from dbt.context.configured import ConfiguredVar  # noqa: PLC0415

    path.unlink(missing_ok=True)
    files, elsewhere = set[str](), set[str]()

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def read(self: Any, var_name: str, *more: Any, **named: Any) -> Any:  # noqa: ANN401  dbt's own signature
            if var_name in WINDOW:
                node = type(self._node).__name__
                file = str(getattr(self._node, "file_id", node))
                alone = node in _PARSED_ALONE and file.endswith((".sql", ".py"))  # a snapshot can be in a schema file
                (files if alone else elsewhere).add(file)
            return call(self, var_name, *more, **named)

        return read

    for kind, name in ((Var, "__call__"), (Var, "has_var"), (Var, "get_rendered_var"), (ConfiguredVar, "__call__")):
        setattr(kind, name, watched(getattr(kind, name)))
    sys.argv = ["dbt", *arguments]
    try:
        cli()
    except SystemExit as end:
        if end.code in (0, None):
            manifest = parsed.with_name("manifest.json").read_bytes()
            elsewhere |= {way.decode() for way in _OTHER_WAYS if way in manifest}
            found = {"files": sorted(files), "elsewhere": sorted(elsewhere), "parsed": _digest(parsed)}
            partial = path.with_suffix(".tmp")
            partial.write_text(json.dumps(found), encoding="utf-8")
            partial.replace(path)
        raise


def readers(path: Path, parsed: Path) -> list[str] | None:
    """Return the files of `parsed` that have to be parsed again for a window; None if it cannot be reused."""
    try:
        found = json.loads(path.read_bytes())
        if found["elsewhere"] or found["parsed"] != _digest(parsed):
            return None
        return [str(each) for each in found["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reuse(files: list[str]) -> None:
    """Let dbt in this process use the parse in its target folder for any window; it parses `files` again."""
    from dbt.contracts.files import FileHash  # noqa: PLC0415  imported already
    from dbt.parser.manifest import ManifestLoader  # noqa: PLC0415

    make_check, load = ManifestLoader.build_manifest_state_check, ManifestLoader.read_manifest_for_partial_parse

    def check_without_window(self: Any) -> Any:  # noqa: ANN401  dbt's own type
        given = self.root_project.cli_vars
        self.root_project.cli_vars = {name: value for name, value in given.items() if name not in WINDOW}
        try:
            return make_check(self)
        finally:
            self.root_project.cli_vars = given

    def load_with_changed_readers(self: Any) -> Any:  # noqa: ANN401  dbt's own type
        manifest = load(self)
        if manifest is None or not manifest.files.keys() >= set(files):
            return None
        for file in files:
            manifest.files[file].checksum = FileHash.empty()
        return manifest

    ManifestLoader.build_manifest_state_check = check_without_window
    ManifestLoader.read_manifest_for_partial_parse = load_with_changed_readers


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    record(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
