import errno

import pytest

from deadpan.errors import DataError, DeadpanError, RunError, os_failure, unknown_name


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


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "there: the disk is full; free some space and run"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "there: no permission; change its rights"),
        (errno.EROFS, "no permission"),
        (errno.ENOTDIR, "there: is in the way"),
        (errno.EIO, "there: as the system says; choose another path"),
    ],
)
def test_the_system_s_errors_say_what_to_do(number, told):
    assert told in os_failure(OSError(number, "as the system says", "there"))


def test_an_error_of_no_file_names_none():
    assert os_failure(OSError(errno.ENOSPC, "full")).startswith("the disk is full")
    assert "odd" in os_failure(OSError("odd"))
