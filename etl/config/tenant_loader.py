"""Loads a tenant's own Python: `transforms/<pipeline>.py` with a function of the same name.

Belongs here: inspecting a transform without running it, and importing it. Not here: calling the transform
(`etl.pipeline.transfer`). No other file of the tenant is read here: the tenant's own `definitions.py` merges unusual
definitions.

One input is given by position, several inputs by keyword with the names of the pipelines. The other files of the folder
can be imported relatively (`from .shared import ...`). Nothing is added to `sys.path`, and each tenant's files are in a
separate package, so that two tenants may have files with the same name.
"""

import ast
import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from etl.config.leaving import leaving_raises
from etl.errors import TransformError
from etl.suggest import nearest

Transform = Callable[..., Any]
TRANSFORMS = "transforms"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class TransformProblem:
    """A problem with a transform, and its place in the file."""

    problem: str
    hint: str
    path: Path
    line: int = 1


def transform_path(tenant_dir: Path, name: str) -> Path:
    """Return the path of the transform of the pipeline `name`."""
    return tenant_dir / TRANSFORMS / f"{name}.py"


def code_digest(tenant_dir: Path) -> str:
    """Return a hash of all Python files of the tenant."""
    digest = hashlib.sha256()
    for path in sorted(tenant_dir.rglob("*.py")):
        digest.update(str(path.relative_to(tenant_dir)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def inspect_transform(tenant_dir: Path, name: str, inputs: Sequence[str]) -> TransformProblem | None:
    """Return the problem with a transform that can be seen without running it, or None."""
    path = transform_path(tenant_dir, name)
    parsed = _parse(path, name)
    if isinstance(parsed, TransformProblem):
        return parsed
    defined = {each.name: each for each in parsed.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    if name not in defined:
        if _may_bind(parsed, name):
            return None
        return TransformProblem(f"defines no function `{name}`", _rename(name, defined), path)
    function = defined[name]
    if isinstance(function, ast.AsyncFunctionDef):
        return TransformProblem(f"`{name}` is async", f"write `def {name}(...)`", path, function.lineno)
    if function.decorator_list:
        return None  # the effect of a decorator is known only when the file has run
    problem = _misfit(_signature(function), name, inputs)
    return TransformProblem(problem, _wanted(name, inputs), path, function.lineno) if problem else None


def load_transform(tenant_dir: Path, name: str, inputs: Sequence[str] = ()) -> Transform:
    """Import the transform of the pipeline `name`. Raises TransformError, which names the file and the line."""
    inputs = inputs or (name,)
    if problem := inspect_transform(tenant_dir, name, inputs):
        raise _error(problem)
    path = transform_path(tenant_dir, name).resolve()
    function = getattr(_import(path, path.stat().st_mtime_ns), name, None)
    if not callable(function):
        raise _error(TransformProblem(f"`{name}` is no function", _wanted(name, inputs), path))
    if misfit := _misfit(inspect.signature(function), name, inputs):
        line = getattr(getattr(function, "__code__", None), "co_firstlineno", 1)
        raise _error(TransformProblem(misfit, _wanted(name, inputs), path, line))
    loaded: Transform = function
    return loaded


@lru_cache(maxsize=1024)
def _import(path: Path, _changed: int) -> ModuleType:
    """Run the file as a module of its tenant's package, once for each version of the file."""
    tenant = path.parent.parent
    digest = hashlib.sha256(str(tenant).encode()).hexdigest()[:8]
    package = f"_tenant_{tenant.name}_{digest}"
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = [str(path.parent)]
        sys.modules[package] = parent
    module = ModuleType(f"{package}.{path.stem}")
    module.__file__ = str(path)
    module.__package__ = package
    sys.modules[module.__name__] = module  # dataclasses and pickle look modules up by their names
    try:
        with leaving_raises():
            exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102  its job
    except (Exception, SystemExit) as error:  # a tenant's file may raise any error; the location must still load
        del sys.modules[module.__name__]
        own = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(path) else (own or [1])[-1]
        what = f"cannot be imported: {type(error).__name__}: {error}"
        problem = TransformProblem(what, "correct the file; a transform's file only defines things", path, line or 1)
        raise _error(problem) from error
    return module


def _parse(path: Path, name: str) -> ast.Module | TransformProblem:
    if not path.is_file():
        others = [each.stem for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        close = nearest(name, others)
        hint = f"rename `{close}.py`" if close else f"write it: `def {name}(frame: pl.LazyFrame) -> pl.LazyFrame`"
        return TransformProblem("is missing", hint, path)
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        return TransformProblem(f"is not valid Python: {error.msg}", "correct the line", path, error.lineno or 1)
    except (ValueError, RecursionError, MemoryError) as error:
        return TransformProblem(f"is not valid Python: {error}", "correct the file", path)


def _may_bind(module: ast.Module, name: str) -> bool:
    """Whether the name is imported or assigned at the top level, so that only running the file can tell."""
    for node in module.body:
        if isinstance(node, ast.ImportFrom | ast.Import) and any(
            (each.asname or each.name) in (name, "*") for each in node.names
        ):
            return True
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.If | ast.Try | ast.With) and any(
            (isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store))
            or (isinstance(each, ast.FunctionDef) and each.name == name)
            for each in ast.walk(node)
        ):
            return True
    return False


def _signature(function: ast.FunctionDef) -> inspect.Signature:
    """Return the signature as it is written. Of a default, only its existence is known."""
    arguments, kind = function.args, inspect.Parameter
    placed = [*arguments.posonlyargs, *arguments.args]
    first_default = len(placed) - len(arguments.defaults)
    parameters = []
    for index, each in enumerate(placed):
        how = kind.POSITIONAL_ONLY if index < len(arguments.posonlyargs) else kind.POSITIONAL_OR_KEYWORD
        parameters.append(kind(each.arg, how, default=None if index >= first_default else kind.empty))
    if arguments.vararg:
        parameters.append(kind(arguments.vararg.arg, kind.VAR_POSITIONAL))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters.append(kind(argument.arg, kind.KEYWORD_ONLY, default=kind.empty if default is None else None))
    if arguments.kwarg:
        parameters.append(kind(arguments.kwarg.arg, kind.VAR_KEYWORD))
    return inspect.Signature(parameters)


def _misfit(signature: inspect.Signature, name: str, inputs: Sequence[str]) -> str | None:
    """Return why the function cannot be called with `inputs`, or None."""
    parameters = signature.parameters.values()
    if len(inputs) == 1:
        required = [each for each in parameters if each.default is each.empty]
        if not any(each.kind in (*_PLACED, inspect.Parameter.VAR_POSITIONAL) for each in parameters):
            return f"`{name}` takes no frame"
        surplus = [each.name for each in required if each.kind in (*_PLACED, inspect.Parameter.KEYWORD_ONLY)][1:]
        if required and required[0].kind is inspect.Parameter.KEYWORD_ONLY:
            surplus = [required[0].name, *surplus]
        return f"`{name}` needs more than the one frame: {', '.join(surplus)}" if surplus else None
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    named = {each.name for each in parameters if each.kind in _NAMED}
    if not takes_any and (absent := [each for each in inputs if each not in named]):
        return f"`{name}` has no parameter {', '.join(f'`{each}`' for each in absent)}"
    needed = [each.name for each in parameters if each.default is each.empty and each.kind in (*_PLACED, *_NAMED)]
    surplus = [each for each in needed if each not in inputs]
    return f"`{name}` needs parameters that are no inputs: {', '.join(surplus)}" if surplus else None


def _wanted(name: str, inputs: Sequence[str]) -> str:
    parameters = [f"{each}: pl.LazyFrame" for each in (inputs if len(inputs) > 1 else ("frame",))]
    return f"write `def {name}({', '.join(parameters)}) -> pl.LazyFrame`"


def _rename(name: str, defined: dict[str, Any]) -> str:
    close = nearest(name, defined)
    return f"the function must have the pipeline's name: rename `{close}`" if close else _wanted(name, (name,))


def _error(problem: TransformProblem) -> TransformError:
    return TransformError(f"{problem.path}:{problem.line}: {problem.problem}", problem.hint)
