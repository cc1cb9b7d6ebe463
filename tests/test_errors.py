import pytest

from deadpan.errors import DataError, DeadpanError, RunError, unknown_name


@pytest.mark.parametrize("kind", [DataError, RunError])
def test_one_clause_catches_all_that_a_user_can_mend(kind):
    assert issubclass(kind, DeadpanError)
    # A bug of ours that happens to be a ValueError must not pass for one of the user's.
    assert not issubclass(kind, ValueError | OSError)


@pytest.mark.parametrize(
    ("got", "message"),
    [
        ("HTCMG", "unknown model 'HTCMG'; did you mean 'HCTMG'? known: HCTMG, LFLSTM, MulT"),
        ("hctmg", "unknown model 'hctmg'; did you mean 'HCTMG'? known: HCTMG, LFLSTM, MulT"),
        ("mult", "unknown model 'mult'; did you mean 'MulT'? known: HCTMG, LFLSTM, MulT"),
        ("resnet", "unknown model 'resnet'; known: HCTMG, LFLSTM, MulT"),
        ("", "unknown model ''; known: HCTMG, LFLSTM, MulT"),
    ],
)
def test_an_unknown_name_lists_the_known_nearest_first(got, message):
    assert unknown_name("model", got, ["MulT", "HCTMG", "LFLSTM"]) == message


def test_where_nothing_is_known_it_says_so():
    assert unknown_name("split", "train", iter(())) == "unknown split 'train'; known: none"
