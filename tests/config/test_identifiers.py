import pytest
from dagster._core.definitions.utils import is_valid_owner
from dagster._utils.tags import VALID_STRICT_TAG_VALUE_REGEX, VALID_TAG_KEY_REGEX
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import Owner, PipelineName, SourceName, TagKey, TagValue, TargetName, TenantId, Timezone


def accepts(kind: object, value: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


HOSTILE = [
    "", " ", "a b;", "a'", 'a"', "a`", "a;", "a--b", "a/*x*/", "a\x00", "a\n", "a\t", "a\\", "a]", "[a", "a:b", "a%s", "a(b)",
    "a{b}", "a,b", "a=b", "a<b", "a|b", "a&b", "a?b", "a*b", "a!b", "a@b", "a~b", "a^b", "a\u200bb", "a\u202eb", "a\ufeff",
    " a", "a ", "-a", ".a", "$a", "../a", "a" * 129, "select 1; drop table x", "x' OR '1'='1", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_no_name_admits_what_could_end_a_quotation_or_begin_a_statement(value: str) -> None:
    for kind in (TenantId, PipelineName, TargetName, SourceName):
        assert not accepts(kind, value)


@pytest.mark.parametrize("value", ["a", "project_01", "a" * 63])
def test_ordinary_names_of_tenants_and_pipelines_are_accepted(value: str) -> None:
    assert accepts(TenantId, value)
    assert accepts(PipelineName, value)


@pytest.mark.parametrize("value", ["A", "1a", "_a", "a-b", "a.b", "a" * 64, "class", "import", "생산", "a\n"])
def test_other_names_of_tenants_and_pipelines_are_refused(value: str) -> None:
    assert not accepts(TenantId, value)
    assert not accepts(PipelineName, value)


@pytest.mark.parametrize("value", ["a", "_a", "Orders2$", "A" * 63])
def test_targets_are_plain_sql_names(value: str) -> None:
    assert accepts(TargetName, value)


@pytest.mark.parametrize("value", ["2a", "a b", "a.b", "생산", "a" * 64, "$a"])
def test_targets_are_nothing_more_than_plain_sql_names(value: str) -> None:
    assert not accepts(TargetName, value)


@pytest.mark.parametrize(
    "value", ["Order ID", "생산_이력", "2024_total", "col#1", "a.b", "in/out", "größe", "x-y", "ORDERS$V"]
)
def test_sources_may_have_the_names_that_real_databases_have(value: str) -> None:
    assert accepts(SourceName, value)


@pytest.mark.parametrize(
    "value", ["नाम", "ชื่อ", "নাম", "e\u0301te\u0301", "이름", "שֵׁם", "اِسم", "பெயர் 2", "a\u0301/b\u0301"]
)
def test_letters_of_every_script_come_with_their_combining_marks(value: str) -> None:
    assert accepts(SourceName, value)


@pytest.mark.parametrize(
    "value", ["\u0301a", "a \u0301", "a.\u0301b", "a\u034fb", "a\ufe0f", "a\U000e0100", "न\u200dम", "a\u20dd"]
)
def test_a_mark_stands_on_a_letter_and_can_be_seen(value: str) -> None:
    assert not accepts(SourceName, value)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80))
def test_what_is_accepted_never_holds_a_dangerous_character(value: str) -> None:
    for kind in (TenantId, PipelineName, TargetName, SourceName):
        if accepts(kind, value):
            assert not set(value) & set("'\"`;\\[](){}%:,*?<>|&=!@~^\x00\n\r\t")
            assert "--" not in value
            assert value.strip() == value


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("aZ09_.-/ :é@"), max_size=70) | st.text(max_size=20))
def test_tags_are_those_that_dagster_accepts(value: str) -> None:
    if not value.endswith("\n"):  # dagster's pattern lets a final newline pass
        assert accepts(TagKey, value) == bool(VALID_TAG_KEY_REGEX.match(value)) or value.startswith("dagster/kind/")
        assert accepts(TagValue, value) == bool(VALID_STRICT_TAG_VALUE_REGEX.match(value))


@pytest.mark.parametrize(
    "value", ["team:planning", "team:data-eng_2", "data@example.com", "first.last+etl@mail.example.co.kr"]
)
def test_owners_are_those_that_dagster_accepts(value: str) -> None:
    assert accepts(Owner, value)
    assert is_valid_owner(value)


@pytest.mark.parametrize(
    "value", ["planning", "team:", "team:a b", "a@b", "@example.com", "a b@example.com", "data@example.com\n"]
)
def test_other_owners_are_refused(value: str) -> None:
    assert not accepts(Owner, value)


def test_time_zones_are_names_of_the_database() -> None:
    assert accepts(Timezone, "Asia/Seoul")
    assert accepts(Timezone, "UTC")
    for value in ("Asia/Seol", "KST", "+09:00", "../etc/passwd", "", "asia/seoul"):
        assert not accepts(Timezone, value)
