"""Words are read as shells read them, and quoted so that shells read them back."""

from hypothesis import example, given
from hypothesis import strategies as st

from catactl.cli.completion.quoting import BashLine, parse_line, quoted

_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(_TEXTS, st.sampled_from(["", "'", '"']))
@example("it's", "'")
@example("bang!", '"')
def test_a_quoted_word_is_read_back_unchanged(text: str, quote: str) -> None:
    as_typed = quoted(text, quote)
    if as_typed is None:
        assert quote
        assert set(text) & {"'", "!"}
        return
    line = f"catactl org show {quote}{as_typed}"
    assert parse_line(line) == (["catactl", "org", "show"], text, quote)


@given(_TEXTS, st.data())
def test_a_typed_beginning_and_its_completion_form_the_word(word: str, data: st.DataObject) -> None:
    typed = quoted(word, "") or ""
    begun = typed[: data.draw(st.integers(0, len(typed)))]
    fragment = begun[data.draw(st.integers(0, len(begun))) :]
    line = BashLine(f"catactl org show {begun}", fragment)
    assert line.before == ["org", "show"]
    assert word.startswith(line.unfinished)
    kept = begun.removesuffix(fragment)
    if not kept.endswith("\\"):  # which the shell counts to what it replaces
        assert parse_line(f"{kept}{line.completion(word)}").unfinished == word
