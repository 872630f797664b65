import pickle
import sys
from pathlib import Path

import pytest

from etl.config.tenant_loader import inspect_transform, load_transform
from etl.errors import TransformError
from tests.config.conftest import Project


@pytest.mark.parametrize(
    ("text", "inputs", "expected", "line"),
    [
        ("def lotz(frame):\n    return frame\n", ("lots",), "defines no function `lots`", 1),
        ("x = 1\n\ndef lots():\n    pass\n", ("lots",), "`lots` takes no frame", 3),
        ("def lots(a, b):\n    pass\n", ("lots",), "`lots` needs more than the one frame: b", 1),
        ("def lots(a, *, b):\n    pass\n", ("lots",), "`lots` needs more than the one frame: b", 1),
        ("def lots(*, a):\n    pass\n", ("lots",), "`lots` takes no frame", 1),
        ("def lots(frame):\n    pass\n", ("lots", "steps"), "`lots` has no parameter `lots`, `steps`", 1),
        (
            "def lots(lots, steps, other):\n    pass\n",
            ("lots", "steps"),
            "`lots` needs parameters that are no inputs: other",
            1,
        ),
        ("def lots(lots, /, steps):\n    pass\n", ("lots", "steps"), "`lots` has no parameter `lots`", 1),
        ("async def lots(frame):\n    pass\n", ("lots",), "`lots` is async", 1),
        ("import os\n\ndef lots(frame)\n    pass\n", ("lots",), "is not valid Python: expected ':'", 3),
        ("class lots:\n    pass\n", ("lots",), "defines no function `lots`", 1),
        ("def outer():\n    def lots(frame):\n        pass\n", ("lots",), "defines no function `lots`", 1),
        ("raise SystemExit\n" + "x = " + "(" * 300 + ")" * 300, ("lots",), "is not valid Python", 2),
        ("\x00", ("lots",), "is not valid Python", 1),
    ],
)
def test_a_wrong_transform_is_found_without_running_it(
    project: Project, text: str, inputs: tuple[str, ...], expected: str, line: int
) -> None:
    path = project.transform("lots", text)
    problem = inspect_transform(path.parent.parent, "lots", inputs)
    assert problem is not None
    assert expected in problem.problem
    assert problem.line == line
    with pytest.raises(TransformError, match=r"transforms/lots\.py:"):
        load_transform(path.parent.parent, "lots", inputs)


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("def lots(frame):\n    return frame\n", ("lots",)),
        ("def lots(frame, /, factor=2):\n    return frame\n", ("lots",)),
        ("def lots(*frames):\n    return frames[0]\n", ("lots",)),
        ("def lots(frame, *, factor=2):\n    return frame\n", ("lots",)),
        ("def lots(lots, steps):\n    return lots\n", ("lots", "steps")),
        ("def lots(*, steps, lots, limit=3):\n    return lots\n", ("lots", "steps")),
        ("def lots(**frames):\n    return frames['lots']\n", ("lots", "steps")),
        ("def other(frame):\n    return frame\nlots = other\n", ("lots",)),
        ("lots = lambda frame: frame\n", ("lots",)),
        ("import functools\n@functools.cache\ndef lots(frame):\n    return frame\n", ("lots",)),
        ("if True:\n    def lots(frame):\n        return frame\n", ("lots",)),
    ],
)
def test_a_right_transform_is_loaded_and_can_be_called(project: Project, text: str, inputs: tuple[str, ...]) -> None:
    folder = project.transform("lots", text).parent.parent
    assert inspect_transform(folder, "lots", inputs) is None
    function = load_transform(folder, "lots", inputs)
    assert (function(1) if len(inputs) == 1 else function(**dict.fromkeys(inputs, 1))) == 1


def test_looking_does_not_run_the_file(project: Project, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    folder = project.transform(
        "lots", f"open({str(trace)!r}, 'w').close()\ndef lots(frame):\n    return frame\n"
    ).parent.parent
    assert inspect_transform(folder, "lots", ("lots",)) is None
    project.load("assets: {pipelines: {lots: {source_table: a, has_transfer: true}}}")
    assert not trace.exists()
    load_transform(folder, "lots")
    assert trace.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "x = 1\ny = x / 0\ndef lots(frame):\n    return frame\n",
            r"lots\.py:2: cannot be imported: ZeroDivisionError",
        ),
        (
            "import nothing_of_that_name\ndef lots(frame):\n    return frame\n",
            r"lots\.py:1: cannot be imported: ModuleNotFoundError",
        ),
        (
            "import sys\nsys.exit(3)\ndef lots(frame):\n    return frame\n",
            r"lots\.py:2: cannot be imported: SystemExit",
        ),
        ("lots = 3\n", r"lots\.py:1: `lots` is no function"),
        ("lots = lambda: 3\n", r"lots\.py:1: `lots` takes no frame"),
        ("from .shared import lots\n", r"lots\.py:1: cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_file_that_fails_when_it_is_run_is_named_with_its_line(project: Project, text: str, expected: str) -> None:
    folder = project.transform("lots", text).parent.parent
    with pytest.raises(TransformError, match=expected):
        load_transform(folder, "lots")


def test_two_tenants_may_have_files_of_the_same_name(project: Project) -> None:
    before = list(sys.path)
    functions = []
    for tenant in ("acme", "beta"):
        project.transform("shared", f"NAME = {tenant!r}\n", tenant)
        path = project.transform("lots", "from .shared import NAME\ndef lots(frame):\n    return NAME\n", tenant)
        functions.append(load_transform(path.parent.parent, "lots"))
    assert [each(None) for each in functions] == ["acme", "beta"]
    assert sys.path == before
    assert "lots" not in sys.modules
    assert pickle.loads(pickle.dumps(functions[0]))(None) == "acme"


def test_a_changed_file_is_read_again(project: Project) -> None:
    path = project.transform("lots", "def lots(frame):\n    return 1\n")
    assert load_transform(path.parent.parent, "lots")(None) == 1
    project.transform("lots", "def lots(frame):\n    return 12\n")
    assert load_transform(path.parent.parent, "lots")(None) == 12


def test_a_missing_file_or_function_is_a_finding_of_the_configuration(project: Project) -> None:
    text = "assets:\n  pipelines:\n    lots: {source_table: a, has_transfer: true}\n    steps: {source_table: b, has_transfer: true}\n"
    project.transform("stepz", "")
    project.transform("lots", "def lotz(frame): ...\n")
    problems = project.problems(text)
    assert len(problems) == 2
    assert problems[0].startswith(
        "the transform transforms/lots.py:1 defines no function `lots` at tenants/acme/config.yaml:3:"
    )
    assert "rename `lotz`" in problems[0]
    assert problems[1].startswith("the transform transforms/steps.py:1 is missing at tenants/acme/config.yaml:4:")
    assert "rename `stepz.py`" in problems[1]


def test_a_name_never_leads_out_of_the_folder(project: Project) -> None:
    problems = project.problems("assets: {pipelines: {../../x: {source_table: a, has_transfer: true}}}")
    assert "not a valid pipeline name" in problems[0]
