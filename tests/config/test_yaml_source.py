from datetime import date, datetime

import pytest

from etl.config.yaml_source import NODE_LIMIT, find, parse, to_data
from tests.effort import calls


def data(text: str | bytes) -> object:
    document = parse(text.encode() if isinstance(text, str) else text)
    assert document.findings == ()
    assert document.root is not None
    return to_data(document.root)


def finding(text: str | bytes) -> tuple[str, int, int]:
    document = parse(text.encode() if isinstance(text, str) else text)
    assert len(document.findings) == 1, document.findings
    only = document.findings[0]
    assert only.remedy
    return only.problem, only.line, only.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("'true'", "true"),
        ("", None),
        ("~", None),
        ("null", None),
        ("'null'", "null"),
        ("12", 12),
        ("-3", -3),
        ("010", "010"),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("1.2.3", "1.2.3"),
        ("9" * 5000, "9" * 5000),
        ("2026-01-01", date(2026, 1, 1)),
        ("'2026-01-01'", "2026-01-01"),
        ("2026-02-30", "2026-02-30"),
        ("2026-01-01 10:00:00", datetime(2026, 1, 1, 10)),  # noqa: DTZ001  as written
        ("!!str 12", "12"),
        ("생산", "생산"),
        ("+", "+"),
        ("-x", "-x"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = data(f"key: {text}\n")
    assert found == {"key": value}
    assert isinstance(found, dict)
    assert type(found["key"]) is type(value)


def test_keys_are_always_texts() -> None:
    assert data("{on: 1, yes: 2, 3: 4, true: 5, 2026-01-01: 6}") == {
        "on": 1,
        "yes": 2,
        "3": 4,
        "true": 5,
        "2026-01-01": 6,
    }


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\nw: [*x]\n"
    assert data(text) == {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "a": 1},
        "z": {"a": 1, "b": 2, "c": 4},
        "w": [{"a": 1, "b": 2}],
    }


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    assert data(b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "problem", "line", "column"),
    [
        (b"a: 1\nb: 2\na: 3", "duplicate key `a`, first written in line 1", 3, 1),
        (b"a:\n  b: 1\n\tc: 2", "a tab", 3, 1),
        (b"a:\n\t- 1", "a tab", 2, 1),
        (b"a: 1\n---\nb: 2", "a second document begins", 2, 1),
        ("a: 1\nb: 산\xe9".encode("latin-1", "replace"), "the file is not UTF-8 (byte 0xe9)", 2, 5),
        ("a: 1".encode("utf-16"), "the file is UTF-16", 1, 1),
        (b"a: \x00", "a control character that YAML does not allow (U+0000)", 1, 4),
        (
            b"a: !!python/object/apply:os.system [x]",
            "the tag `tag:yaml.org,2002:python/object/apply:os.system` is not allowed",
            1,
            4,
        ),
        (b"a: !include x", "the tag `!include` is not allowed", 1, 4),
        (b"? [a]\n: b", "a key must be a text, not a list or a mapping", 1, 3),
        (b"a: *b", "the alias `*b` names no anchor that is complete before it", 1, 4),
        (b"a: &a [*a]", "the alias `*a` names no anchor that is complete before it", 1, 8),
        (b"a: {<<: 1}", "`<<` merges mappings only", 1, 9),
        (b"a: {b: ${X}}", "inside {...} and [...] a variable needs quotes", 1, 9),
        (b"a: [1, 2", "not valid YAML: the `[` is not closed", 1, 4),
    ],
)
def test_a_hazard_is_named_with_its_place(text: bytes, problem: str, line: int, column: int) -> None:
    assert finding(text) == (problem, line, column)


def test_a_file_of_ten_megabytes_is_refused_by_its_size() -> None:
    assert finding(b"a: " + b"x" * 10_000_000)[0] == "the file has 10,000,003 bytes; allowed: 1,000,000"


@pytest.mark.parametrize("text", [b"[" * 200_000, b"- " * 200_000, b"{a: " * 200_000, b"? " * 200_000])
def test_deep_nesting_is_refused_before_it_is_read_to_its_end(text: bytes) -> None:
    assert finding(text)[0] == "nested deeper than 40 levels"
    assert calls(lambda: finding(text)) < 5_000


def test_nesting_through_aliases_counts_too() -> None:
    chain = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))
    assert finding("a0: &a0 x\n" + chain)[0] == "nested deeper than 40 levels"


def test_a_billion_laughs_is_refused_without_expanding_it() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 15))
    bomb = "a0: &a0 [lol, lol, lol, lol]\n" + levels
    assert finding(bomb)[0] == f"aliases expand to more than {NODE_LIMIT:,} values"
    assert calls(lambda: finding(bomb)) < 20_000


def test_merge_keys_cannot_be_a_bomb_either() -> None:
    big = "a: &a {" + ", ".join(f"k{n}: 1" for n in range(40_000)) + "}\n"
    assert "expand to more than" in finding(big + "".join(f"b{n}: {{<<: *a}}\n" for n in range(5_000)))[0]


def test_several_hazards_are_reported_together() -> None:
    assert len(parse(b"a: 1\na: 2\nb: !x 1\nc: {d: 1, d: 2}").findings) == 3


def test_an_explanation_never_quotes_the_file() -> None:
    assert "hunter2" not in finding(b'password: "hunter2\nx: [')[0]


def test_an_empty_file_has_no_tree() -> None:
    assert parse(b"").root is None
    assert parse(b"# only a comment\n").root is None


def test_every_value_knows_its_place() -> None:
    root = parse(b"a:\n  b: [1, {c: x}]\n").root
    assert root is not None
    node, mark = find(root, ("a", "b", 1, "c"))
    assert node is not None
    assert (node.mark.line, node.mark.column, mark.column) == (2, 14, 11)
    assert find(root, ("a", "nothing"))[0] is None
    assert find(root, ("a", "nothing"))[1].line == 1
