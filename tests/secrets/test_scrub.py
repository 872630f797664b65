import base64
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from etl.errors import EtlError
from etl.secrets.scrub import (
    forget_everything,
    known_only,
    learn,
    learn_environment,
    learn_url,
    scrub,
    scrubbed_failures,
    without_secrets,
)


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    forget_everything()
    yield
    forget_everything()


SPELLINGS = [
    str,
    lambda text: quote(text, safe=""),
    quote_plus,
    lambda text: quote(text, safe="").lower() if "%" not in text else quote(text),
    lambda text: text.replace("\\", "\\\\").replace("'", "\\'"),
    lambda text: json.dumps(text)[1:-1],
    lambda text: repr(text)[1:-1],
    lambda text: text.replace("'", "''"),
    lambda text: base64.b64encode(text.encode()).decode(),
]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=6, max_size=40))
def test_a_known_secret_is_found_in_every_spelling(secret: str) -> None:
    forget_everything()
    learn(secret)
    for spell in (*SPELLINGS[:3], *SPELLINGS[4:]):
        written = spell(secret)
        assert written not in scrub(f"<< {written} >>"), written


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=8, max_size=30),
    st.binary(max_size=12),
    st.binary(max_size=12),
    st.sampled_from(["utf-8", "latin-1"]),
)
def test_the_base64_of_a_longer_text_with_the_secret_gives_nothing_away(
    secret: str, before: bytes, after: bytes, encoding: str
) -> None:
    try:
        content = secret.encode(encoding)
    except UnicodeEncodeError:
        return
    forget_everything()
    learn(secret)
    for encode, decode in (
        (base64.b64encode, base64.b64decode),
        (base64.urlsafe_b64encode, base64.urlsafe_b64decode),
    ):
        clean = scrub(f"<< {encode(before + content + after).decode()} >>")
        assert "***" in clean
        for part in clean.removeprefix("<< ").removesuffix(" >>").split("***"):
            for start in range(4):  # wherever the groups of four begin
                text = part[start:].rstrip("=")
                text = text[: len(text) // 4 * 4]
                assert content not in decode(text)


@pytest.mark.parametrize("prefix", ["", "u", "me", "root:", "a:b:cd", "reader:"])
def test_a_basic_login_is_found_whatever_the_length_of_the_user(prefix: str) -> None:
    learn("correct horse")
    whole = base64.b64encode(f"{prefix}correct horse".encode()).decode()
    assert len(scrub(f"said {whole}").split(" ", 1)[1].replace("***", "")) <= -(-len(prefix) * 8 // 6) + 6


@pytest.mark.parametrize("secret", ['Kan<ary"7&pw-Zebra/+9é', "l'été à Séoul", "both ' and \" é", "\\back é"])
@pytest.mark.parametrize("around", ["", "'", '"'])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_bytes_are_found_as_python_writes_them(secret: str, around: str, encoding: str) -> None:
    learn(secret)
    for write in (repr, lambda content: json.dumps(repr(content))):
        clean = known_only(write((around + secret).encode(encoding)))
        assert "***" in clean
        assert not [part for part in (secret[:4], secret[-4:-1]) if part in clean]


def test_ordinary_text_is_no_piece_of_base64() -> None:
    learn("password", "postgres", "changeit!")
    text = Path(__file__).read_text() + Path("docs/secrets.md").read_text()
    without = text.replace("password", "").replace("postgres", "").replace("changeit!", "")
    assert known_only(without) == without


def test_short_secrets_do_not_take_words_apart() -> None:
    learn("a", "at", "cat", "etl1")
    assert known_only("a cat sat at the category of etl1, not etl12") == "a *** sat at the category of ***, not etl12"


@pytest.mark.parametrize(
    "text",
    [
        "password=x", "password = 'x y'", 'sslpassword="x"', "PGPASSWORD=x", "pwd: x;", '{"password": "x"}', "{'token': 'x'}",
        "?user=me&password=x&sslmode=require", "postgresql://me:x@host/db", "https://u:x@h/", "passfile=x", "sslkey=x",
        "client_secret=x", "api_key=x", "Authorization: Basic x", "'Authorization': 'Bearer x'", "secret='x\\'y'",
    ],
)  # fmt: skip
def test_a_secret_of_one_letter_is_found_beside_its_name(text: str) -> None:
    clean = scrub(text)
    assert "***" in clean
    assert "x" not in clean.replace("***", "").replace("xy", "")


@pytest.mark.parametrize("text", ["the password is wrong", "3 tokens, 4 secrets", "a: b", "http://host:5432/db?x=1"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_the_login_and_the_secret_options_of_a_url_are_known() -> None:
    learn_url("postgresql://me:p%40ss%2Fword@h/db?sslpassword=hunter2hunter2&sslmode=require")
    for leak in ("p@ss/word", "p%40ss%2Fword", "hunter2hunter2", base64.b64encode(b"me:p@ss/word").decode()):
        assert leak not in scrub(f"it said {leak} there")
    assert "require" in scrub("sslmode=require")


def test_variables_with_the_name_of_a_secret_are_known() -> None:
    learn_environment({"ACME_DB_PASSWORD": "hunter2hunter2", "ACME_DB_HOST": "db.example.com", "PWD": "/srv/etl"})
    assert scrub("hunter2hunter2 at db.example.com in /srv/etl") == "*** at db.example.com in /srv/etl"


def _raise_with_a_cause() -> None:
    raise ValueError("harmless") from KeyError("hunter2hunter2")


def test_a_failure_is_looked_through_with_its_causes() -> None:
    learn("hunter2hunter2")
    with pytest.raises(EtlError) as caught, scrubbed_failures():
        _raise_with_a_cause()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert "ValueError: harmless" in str(caught.value)


def test_a_failure_without_a_secret_stays_as_it_is() -> None:
    learn("hunter2hunter2")
    error = ValueError("harmless")
    assert without_secrets(error) is None
    with pytest.raises(ValueError, match="harmless") as caught, scrubbed_failures():
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    "name",
    [
        "ACME_SECRET_X",
        "ACME_SECRET_DB__V",
        "ACME_SECRET_API__S__KEY",
        "ACME_PASSWORD_OLD",
        "ACME_TOKEN_2",
        "ACME_API_KEY_EU",
        "ACME_DB_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
    ],
)
def test_a_variable_is_a_secret_wherever_its_name_says_so(name: str) -> None:
    learn_environment({name: "Kernbeisser-7"})
    assert scrub("it is Kernbeisser-7") == "it is ***"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACME_TOKEN_URL", "https://login.example/token"),
        ("ACME_SECRET_PROVIDER", "openbao"),
        ("ACME_TOKEN_LIFETIME_SECONDS", "360000"),
        ("ENABLE_SECRET_SCAN", "true"),
        ("TOKENIZERS_PARALLELISM", "enabled"),
    ],
)
def test_a_variable_about_a_secret_is_none(name: str, value: str) -> None:
    learn_environment({name: value})
    assert scrub(f"it is {value}") == f"it is {value}"


@pytest.mark.parametrize("text", ['"password": {\n  "type": "string"', "password: ${ACME_DB_PASSWORD}", "api_key: [ 1"])
def test_a_variable_and_the_beginning_of_a_mapping_are_no_secrets(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("text", ["password: {hunter22", "password: $hunter22", "password={22", "token: ${"])
def test_a_secret_may_begin_with_any_sign(text: str) -> None:
    assert "***" in scrub(text)
