"""Printed lines: whole, in pieces, and a secret that is cut in two by a flush."""

import io
from collections.abc import Iterator

import pytest

from etl.secrets.scrub import forget_everything, learn
from etl.secrets.streams import ScrubbedStream


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    forget_everything()
    yield
    forget_everything()


SECRET = "CANARY-of-the-stream"


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
def test_a_secret_that_is_printed_in_two_pieces_does_not_stand_there(cut: int) -> None:
    learn(SECRET)
    behind = io.StringIO()
    stream = ScrubbedStream(behind)
    for piece in (f"it is {SECRET[:cut]}", f"{SECRET[cut:]} and more\n"):
        stream.write(piece)
        stream.flush()
    assert behind.getvalue() == "it is *** and more\n"


def test_one_letter_at_a_time() -> None:
    learn(SECRET)
    behind = io.StringIO()
    stream = ScrubbedStream(behind)
    for letter in f"it is {SECRET}!":
        stream.write(letter)
        stream.flush()
    assert behind.getvalue() == "it is ***!"


def test_a_question_is_shown_before_its_answer_and_nothing_is_lost_at_the_end() -> None:
    learn(SECRET)
    behind = io.StringIO()
    stream = ScrubbedStream(behind)
    stream.write("go on? ")
    stream.flush()
    assert behind.getvalue() == "go on? "
    stream.write("CANARY-of-nothing, CAN")
    stream.flush()
    assert behind.getvalue() == "go on? CANARY-of-nothing, "
    stream.finish()
    assert behind.getvalue() == "go on? CANARY-of-nothing, CAN"


def test_a_stream_that_is_closed_already_is_left_alone() -> None:
    behind = io.StringIO()
    stream = ScrubbedStream(behind)
    behind.close()
    stream.finish()
