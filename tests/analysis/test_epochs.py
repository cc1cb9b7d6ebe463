import math

import pytest

from deadpan.analysis.epochs import epoch_history
from deadpan.errors import RunError

from .fake_run import write_csv

HEADER = ["epoch", "train_loss", "valid_loss", "seconds", "best", "frozen"]


def test_best_is_the_last_improvement_and_frozen_the_first(tmp_path):
    rows = [[1, 1.5, 1.4, 2, 1, 0], [2, 1.2, 1.1, 2, 1, 0], [3, "nan", "", 2, 0, 1]]
    write_csv(tmp_path / "epochs.csv", HEADER, [*rows, [4, "inf", 1.3, 2, 0, 1]])
    history = epoch_history(tmp_path)
    assert history.epochs.tolist() == [1, 2, 3, 4]
    assert (history.best_epoch, history.frozen_epoch) == (2, 3)
    assert math.isnan(history.train_loss[2])
    assert math.isnan(history.valid_loss[2])
    assert history.train_loss[3] == math.inf


def test_nothing_improved_nothing_froze(tmp_path):
    write_csv(tmp_path / "epochs.csv", HEADER, [[1, 1.5, "nan", 2, 0, 0]])
    history = epoch_history(tmp_path)
    assert (history.best_epoch, history.frozen_epoch) == (None, None)


def test_epochs_must_count_up(tmp_path):
    write_csv(tmp_path / "epochs.csv", HEADER, [[2, 1, 1, 1, 1, 0]])
    with pytest.raises(RunError, match=r"epochs\.csv does not count its epochs"):
        epoch_history(tmp_path)
