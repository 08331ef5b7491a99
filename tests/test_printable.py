"""Text as it is shown: what is left out of it, and what is never torn."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringrift.printable import message_max, printable, quoted, quoted_max, shortened

odd = st.text(st.sampled_from("x\\'\"\n\x1b\x00é\u202e\U000e0001"), max_size=200)


@given(odd)
def test_what_is_quoted_is_short_and_made_of_whole_characters(text: str) -> None:
    told = quoted(text)
    assert len(told) <= quoted_max
    if told != repr(text):
        head, _, tail = told.partition("...")
        quote = repr(text)[0]
        assert text.startswith(ast.literal_eval(head + quote))
        assert text.endswith(ast.literal_eval(quote + tail))


@pytest.mark.parametrize("escaped", ["\x1b", "\u202e", "\U000e0001", "\n"])
def test_what_is_left_out_of_a_message_begins_and_ends_between_characters(escaped: str) -> None:
    whole = printable(escaped)
    for before in range(12):
        told = shortened("a" * before + whole * 1000)
        assert len(told) <= message_max
        head, _, tail = told[before:].partition("...")
        assert head == whole * (len(head) // len(whole))
        assert tail == whole * (len(tail) // len(whole))
        assert len(told) > message_max - 3 * len(whole)
