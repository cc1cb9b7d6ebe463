import pytest

from deadpan.data.recipe import EncodingOptions
from deadpan.encoding.pieces import split_transcript, words_of
from deadpan.errors import DataError


def split(encoder, transcript, *, before="", **options):
    options = EncodingOptions(**{"layers": "1", **options})
    return split_transcript(encoder, options, transcript, context=before)


def texts(encoder, piece):
    """What the tokens of each step stand for."""
    names = encoder.tokenizer.convert_ids_to_tokens(list(piece.ids))
    return ["".join(names[first:end]) for first, end in piece.steps]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's not so  bad, really!", ["It's", "not", "so", "bad,", "really!"]),
        ("这部 movie很好。", ["这", "部", "movie", "很", "好", "。"]),
        ("ひどいデモ", ["ひ", "ど", "い", "デ", "モ"]),
        ("정말 좋아요", ["정말", "좋아요"]),
        ("הסרט היה טוב", ["הסרט", "היה", "טוב"]),
        ("😀 a\u00a0b\u3000c", ["😀", "a", "b", "c"]),
        (" \n\t", []),
    ],
)
def test_words_stand_between_blanks_and_each_ideograph_is_one(text, words):
    assert words_of(text) == words


def test_a_step_is_a_word_of_all_its_tokens(opened):
    (piece,) = split(opened, " The MOVIE was\n really sogood. ")
    assert piece.words == ("The", "MOVIE", "was", "really", "sogood.")
    assert texts(opened, piece) == ["the", "movie", "was", "really", "so##good."]


def test_a_step_is_a_token_and_no_special_one(opened):
    (piece,) = split(opened, "really sogood.", states="token")
    assert piece.words == ()
    assert texts(opened, piece) == ["really", "so", "##good", "."]


def test_ideographs_and_right_to_left_words_are_steps(opened):
    (piece,) = split(opened, "好看 טוב")
    assert piece.words == ("好", "看", "טוב")
    assert texts(opened, piece) == ["好", "看", "טוב"]


def test_blanks_are_no_part_of_words_whose_tokens_are_bytes(causal):
    (piece,) = split(causal, "ab é")
    assert texts(causal, piece) == ["ab", "Ã©"]
    (piece,) = split(causal, "好看")
    assert [end - first for first, end in piece.steps] == [3, 3]


def test_lower_case_is_read_and_words_stay_as_they_were(causal):
    (piece,) = split(causal, "Ab İC", casing="lower")
    assert piece.words == ("Ab", "İC")
    assert texts(causal, piece)[0] == "ab"
    assert piece.ids == split(causal, "ab İC".lower())[0].ids
    assert piece.ids != split(causal, "Ab İC")[0].ids


def test_steps_of_a_template_are_those_of_its_text(causal, opened):
    (piece,) = split(opened, "so good", template="the {text} movie")
    assert texts(opened, piece) == ["so", "good"]
    assert texts(opened, split(opened, "so", template="the {text}", states="token")[0]) == ["so"]
    (piece,) = split(causal, "good", template="a {text} is:", states="last")
    assert texts(causal, piece) == [":"]
    (piece,) = split(opened, "good", template="so {text} !", states="last")
    assert texts(opened, piece) == ["!"]


def test_a_text_that_is_too_long_is_halved_at_words_until_it_fits(opened):
    words = ["good", "bad", "so"] * 9  # 27 tokens and the special ones, of which 16 are read
    pieces = split(opened, " ".join(words))
    assert [word for piece in pieces for word in piece.words] == words
    assert [len(piece.words) for piece in pieces] == [13, 14]
    assert all(len(piece.ids) <= opened.longest for piece in pieces)
    assert len(split(opened, " ".join(words[:14]))) == 1
    assert len(split(opened, " ".join(words), states="last", template="{text} !")) == 3


def test_a_word_that_is_too_long_becomes_two(causal):
    pieces = split(causal, "ab " + "x" * 20)
    assert [piece.words for piece in pieces] == [("ab",), ("x" * 10,), ("x" * 10,)]


def test_a_transcript_without_words_has_no_piece(opened):
    assert split(opened, " \n ") == []


def test_a_word_without_a_token_is_a_step_of_none(opened):
    (piece,) = split(opened, "good \u200b bad")  # which the tokenizer removes
    assert [end - first for first, end in piece.steps] == [1, 0, 1]
    assert len(piece.words) == 3


def test_half_a_surrogate_pair_is_read_as_a_question_mark(causal):
    assert split(causal, "a\ud83d")[0].words == ("a?",)


def test_a_template_that_leaves_no_room_is_refused(causal):
    with pytest.raises(DataError, match=r"takes 17 tokens .* reads 16; shorten it"):
        split(causal, "ab", template="0123456789012345{text}")


def prompt(encoder, piece):
    """The tokens of a piece that are no special ones, as one text."""
    return encoder.tokenizer.decode(list(piece.ids), skip_special_tokens=True)


def test_context_is_read_in_front_of_the_text_and_is_no_step(opened, causal):
    (piece,) = split(opened, "so sogood", before=" the  bad\n movie ")
    assert prompt(opened, piece) == "the bad movie so so ##good"
    assert texts(opened, piece) == ["so", "so##good"]
    assert piece.words == ("so", "sogood")
    assert piece.dropped == 0
    (piece,) = split(opened, "so sogood", before="the", states="token")
    assert texts(opened, piece) == ["so", "so", "##good"]
    (piece,) = split(causal, "ab", before="Cd", casing="lower")
    assert prompt(causal, piece) == "cd ab"
    assert texts(causal, piece) == ["ab"]


def test_context_stands_in_the_template_before_the_text(opened):
    template = "un {text} !"
    (piece,) = split(opened, "good", before="not bad", template=template)
    assert prompt(opened, piece) == "un not bad good !"
    assert texts(opened, piece) == ["good"]
    (piece,) = split(opened, "good", before="not bad", template=template, states="last")
    assert prompt(opened, piece) == "un not bad good !"
    assert texts(opened, piece) == ["!"]


@pytest.mark.parametrize(
    ("words", "room"),
    # 16 tokens are read, two of them special ones.
    [(1, 13), (10, 4), (13, 1), (14, 0)],
)
def test_context_without_room_is_dropped_from_its_front(words, room, opened):
    context = ["movie", "was", "really", "not"] * 5
    (piece,) = split(opened, "so " * words, before=" ".join(context))
    wanted = [*context[len(context) - room :], *["so"] * words]
    assert prompt(opened, piece).split() == wanted
    assert piece.dropped == 20 - room
    assert piece.words == ("so",) * words


def test_a_text_that_is_too_long_has_the_pieces_that_it_has_without_context(opened):
    text = " ".join(["good", "bad", "so"] * 5)  # 15 tokens, one too many
    first, second = split(opened, text, before="the movie")
    assert [first.words, second.words] == [piece.words for piece in split(opened, text)]
    assert prompt(opened, first).startswith("the movie good bad so")
    assert second == split(opened, text)[1]


def test_pieces_do_not_differ_by_context_that_was_not_read(opened):
    (short,), (long,) = (
        split(opened, "so " * 13, before=f"{context} bad") for context in ("the", "the movie")
    )
    assert (short.dropped, long.dropped) == (1, 2)
    assert short == long


def test_context_without_a_word_is_none(opened):
    assert split(opened, "so good", before=" \n") == split(opened, "so good")
    assert split(opened, " ", before="so good") == []
