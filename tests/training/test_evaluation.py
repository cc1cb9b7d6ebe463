import numpy as np
import pytest
import torch
from torch import nn

from deadpan.data.dataset import Clip
from deadpan.tasks import make_task
from deadpan.training.evaluation import (
    EVALUATION_BATCH,
    labels_of,
    loss_and_metrics,
    predict_clips,
)
from deadpan.types import Output


class Sum(nn.Module):
    """Says the sum of the text's real steps."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, batch):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.batches.append(len(batch))
        masked = batch.sequences["text"] * batch.masks["text"][:, :, None]
        return Output(prediction=masked.sum(dim=1))


def clips(count, seed=0):
    random = np.random.default_rng(seed)
    return [
        Clip(
            id=str(i),
            sequences={"text": random.normal(size=(random.integers(1, 9), 1)).astype(np.float32)},
            label=np.array([i], np.float32),
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [1, EVALUATION_BATCH, 2 * EVALUATION_BATCH + 1])
def test_predictions_come_in_the_order_of_the_clips(count):
    model, data = Sum(), clips(count)
    predicted = predict_clips(model, data, {"text": 1})
    wanted = np.stack([clip.sequences["text"].sum(axis=0) for clip in data])
    assert predicted.dtype == np.float32
    assert np.allclose(predicted, wanted, atol=1e-5)
    assert sum(model.batches) == count
    assert max(model.batches) <= EVALUATION_BATCH


def test_labels_come_in_the_order_of_the_clips():
    assert labels_of(clips(3)).tolist() == [[0], [1], [2]]


def test_loss_and_metrics_are_those_of_all_clips_at_once():
    task = make_task("regression", ("sentiment",))
    predicted, true = np.array([[1.0], [2.0]], np.float32), np.array([[0.0], [-1.0]], np.float32)
    loss, metrics = loss_and_metrics(task, predicted, true)
    assert loss == metrics["mae"] == 2.0
    assert list(metrics) == [column.key for column in task.columns]
