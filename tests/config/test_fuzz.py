from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from etl.errors import ConfigError
from tests.config.conftest import Project
from tests.config.test_tenant_config import WHOLE

pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")  # dbt brings it along

VALUES = [
    "", "~", "no", "true", "-1", "0", "1e999", ".nan", "010", "12:30", "2026-01-01", "2026-13-45", "2026-01-01T00:00:00Z",
    "[]", "{}", "[[]]", "[a, 1, null]", "{a: {b: c}}", "{? [a] : b}", "'", '"', "${X}", "${X:-y}", "${", "$$", "*zone", "&x y", "*x",
    "!!python/object:os.system x", "!!set {a}", "<<", "|\n  x", "- - -", "a\tb", "\\", "\x00", "\x7f", "\u200b", "\ud7ff", "산", "😀",
    "postgresql://a:b@c/d", "../../etc/passwd", "x; drop table y", "@daily", "* * * * *", "0 0 31 2 *", "1" * 5000, "a" * 3000,
    "{type: regex, column: a, pattern: '('}", "{type: in_range, column: a, min: x}", "{truthound: x}", "{truthound: [x]}",
    "{type: expression, expression: 'a ; b'}", "{type: expression, expression: ''}", "{type: [a]}", "{type: {}}", "{type: null}",
    "{on: {}}", "[{}]", "[null]", "{null: null}", "{1: 2}", "{a: 1, a: 2}",
]  # fmt: skip
LINES = WHOLE.splitlines()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root: Path = tmp_path_factory.mktemp("fuzz")
    project = Project(root)
    project.transform("lot_history", "def lot_history(frame):\n    return frame\n")
    return project


@st.composite
def mutated_lines(draw: st.DrawFn) -> str:
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        indent = line[: len(line) - len(line.lstrip())]
        match draw(st.integers(0, 6)):
            case 0:
                lines.pop(index)
            case 1:
                lines.insert(index, line)
            case 2:
                lines[index] = draw(st.sampled_from(["\t", " ", "- ", "  - "])) + line
            case 3:
                lines[index] = indent + line.strip().split(":")[0] + ": " + draw(st.sampled_from(VALUES))
            case 4:
                lines[index] = indent + draw(st.sampled_from(VALUES)) + ": " + draw(st.sampled_from(VALUES))
            case 5:
                position = draw(st.integers(0, len(line)))
                lines[index] = line[:position] + draw(st.characters(codec="utf-8")) + line[position:]
            case _:
                other = draw(st.integers(0, len(lines) - 1))
                lines[index], lines[other] = lines[other], line
    return "\n".join(lines) + "\n"


@st.composite
def mutated_values(draw: st.DrawFn) -> str:
    """One value inside the flow mappings and lists replaced."""
    text = WHOLE
    places = [
        index for index, character in enumerate(text) if character in ":[," and text[index + 1] in " 'abcdefghijklmnopq"
    ]
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places))
        ends = [end for end in (text.find(mark, place + 1) for mark in ",]}\n") if end > 0]
        if ends:
            text = f"{text[: place + 1]} {draw(st.sampled_from(VALUES))}{text[min(ends) :]}"
    return text


def load(project: Project, content: str | bytes) -> None:
    """Loads or refuses; nothing else, and a refusal always says where."""
    for environment in ("dev", "prod"):
        refused: ConfigError | None = None
        try:
            project.load(content, environment=environment, environ={"X": "1"})  # type: ignore[arg-type]
        except ConfigError as error:
            refused = error
        if refused is not None:
            assert refused.problems
            assert all("tenants/acme/config.yaml:" in each for each in refused.problems)
            assert all("\n" not in each for each in refused.problems)
            assert str(refused).encode()


relaxed = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(text=mutated_lines())
def test_a_mutated_file_is_loaded_or_refused_with_a_config_error(fuzzed: Project, text: str) -> None:
    load(fuzzed, text.encode("utf-8", "surrogatepass"))


@relaxed
@given(text=mutated_values())
def test_a_file_with_replaced_values_is_loaded_or_refused_with_a_config_error(fuzzed: Project, text: str) -> None:
    load(fuzzed, text.encode("utf-8", "surrogatepass"))


@settings(relaxed, max_examples=200)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_refused_with_a_config_error(fuzzed: Project, content: bytes) -> None:
    load(fuzzed, content)


@settings(relaxed, max_examples=200)
@given(position=st.integers(0, len(WHOLE.encode()) - 1), byte=st.integers(0, 255))
def test_a_damaged_byte_is_loaded_or_refused_with_a_config_error(fuzzed: Project, position: int, byte: int) -> None:
    content = bytearray(WHOLE.encode())
    content[position] = byte
    load(fuzzed, bytes(content))
