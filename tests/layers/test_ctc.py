import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from deadpan.layers.ctc import CTCAligner

WIDTH, STEPS = 3, 4


def ready(lengths, targets, *, padding=0, value=7.0, loud=3.0):
    """An aligner with pronounced opinions; sources of these lengths, padded at the end."""
    torch.manual_seed(0)
    aligner = CTCAligner(WIDTH, STEPS).double()
    with torch.no_grad():
        for p in aligner.parameters():
            p *= loud
    torch.manual_seed(1)
    sources = [torch.randn(n, WIDTH, dtype=torch.float64) for n in lengths]
    steps = max(1, *lengths) + padding
    x = torch.full((len(lengths), steps, WIDTH), value, dtype=torch.float64)
    mask = torch.zeros(len(lengths), steps, dtype=torch.bool)
    for i, source in enumerate(sources):
        x[i, : len(source)], mask[i, : len(source)] = source, True
    return aligner, sources, (x, mask, torch.tensor(targets))


def probabilities(aligner, source):
    """Per step of one source: that of the blank, then of every step of the target."""
    logits = aligner.lstm(source[None])[0][0].detach().numpy()
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def brute_force(p, target):
    """Minus the log of what all paths together have that collapse to 1, 2, ..., ``target``."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        collapsed = [symbol for symbol, _ in itertools.groupby(path) if symbol]
        if collapsed == list(range(1, target + 1)):
            total += math.prod(p[t, symbol] for t, symbol in enumerate(path))
    return -math.log(total) if total else 0.0  # no path: nothing to learn


def test_the_lstm_is_as_the_paper_has_it():
    lstm = CTCAligner(WIDTH, STEPS).lstm
    assert isinstance(lstm, nn.LSTM)
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers) == (WIDTH, STEPS + 1, 2)
    assert not lstm.bidirectional


@pytest.mark.parametrize("targets", [[3, 4, 1], [1, 2, 2], [4, 4, 4]])
def test_each_step_is_the_source_weighed_by_its_probability(targets):
    aligner, sources, arguments = ready([5, 2, 6], targets)
    aligned, _ = aligner(*arguments)
    assert aligned.shape == (3, max(targets), WIDTH)
    for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
        p = probabilities(aligner, source)
        for u in range(max(targets)):
            expected = np.zeros(WIDTH)
            for t in range(len(source) if u < target else 0):
                expected += p[t, u + 1] * source[t].numpy()  # 0 is the blank
            np.testing.assert_allclose(aligned[i, u].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("target", range(5))
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_the_loss_is_that_of_all_paths(length, target):
    aligner, (source,), arguments = ready([length], [target])
    loss = aligner(*arguments)[1].item()
    assert loss == pytest.approx(brute_force(probabilities(aligner, source), target), rel=1e-5)
    assert (loss > 0) == (length >= target)


def test_the_loss_is_summed_over_clips():
    lengths, targets = [4, 5, 2, 0], [2, 3, 2, 1]
    aligner, sources, arguments = ready(lengths, targets)
    each = [
        brute_force(probabilities(aligner, source), target)
        for source, target in zip(sources[:3], targets[:3], strict=True)
    ]
    assert aligner(*arguments)[1].item() == pytest.approx(sum(each), rel=1e-5)


def test_a_clip_too_short_for_its_target_adds_nothing():
    aligner, _, (x, mask, targets) = ready([2, 4], [3, 3])
    both = aligner(x, mask, targets)[1]
    alone = aligner(x[1:], mask[1:], targets[1:])[1]
    torch.testing.assert_close(both, alone)
    loss = aligner(x[:1], mask[:1], targets[:1])[1]
    assert loss.item() == 0
    loss.backward()
    assert not any(p.grad.any() for p in aligner.parameters())


@pytest.mark.parametrize("padding", [1, 5])
@pytest.mark.parametrize("value", [7.0, -1e3])
def test_padding_changes_nothing(padding, value):
    lengths, targets, result = [5, 2, 6], [3, 2, 4], []
    for more in (0, padding):
        aligner, _, arguments = ready(lengths, targets, padding=more, value=value)
        aligned, loss = aligner(*arguments)
        (aligned.square().sum() + loss).backward()
        result.append((aligned, loss, [p.grad for p in aligner.parameters()]))
    torch.testing.assert_close(*result)


def test_a_clip_without_steps_is_zeros_with_finite_gradients():
    aligner, _, (x, mask, targets) = ready([0, 4], [3, 3])
    x.requires_grad_()
    aligned, loss = aligner(x, mask, targets)
    assert not aligned[0].any()
    assert aligned[1].all()
    alone = aligner(x[1:], mask[1:], targets[1:])[1]
    torch.testing.assert_close(loss, alone)
    (aligned.sum() + loss).backward()
    assert not x.grad[0].any()
    assert x.grad[1].all()
    assert all(p.grad.isfinite().all() for p in aligner.parameters())


@pytest.mark.parametrize("targets", [[0, 0], [2, 1]])
def test_a_batch_without_any_step_keeps_its_shape(targets):
    aligner, _, arguments = ready([0, 0], targets)
    aligned, loss = aligner(*arguments)
    assert aligned.shape == (2, max(1, *targets), WIDTH)
    assert not aligned.any()
    assert loss.item() == 0
    (aligned.sum() + loss).backward()
    assert all(p.grad.isfinite().all() for p in aligner.parameters())


def test_the_loss_teaches_the_order_of_the_steps():
    aligner, _, (x, mask, targets) = ready([8, 8], [4, 4], loud=1.0)
    optimizer, losses = torch.optim.Adam(aligner.parameters(), lr=0.05), []
    for _ in range(150):
        optimizer.zero_grad()
        loss = aligner(x, mask, targets)[1]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    # The step that a real step of the source most likely belongs to never goes back.
    for row in aligner.lstm(x)[0][:, :, 1:]:
        assert (row.argmax(dim=1).diff() >= 0).all()
        assert set(row.argmax(dim=1).tolist()) == set(range(STEPS))


def test_no_step_is_certain_for_the_logits_are_states():
    """A property of the definition, not of the data: an LSTM's state lies in (-1, 1)."""
    aligner, _, (x, _, _) = ready([8], [4], loud=100.0)
    p = aligner.lstm(x)[0].softmax(dim=2)
    assert p.max() <= math.e**2 / (math.e**2 + STEPS)


@pytest.mark.usefixtures("processor")
def test_half_precision_loses_nothing_but_digits():
    aligner, _, (x, mask, targets) = ready([5, 6], [3, 4], loud=1.0)
    expected = aligner(x, mask, targets)[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = aligner.float()(x.float(), mask, targets)[1]
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(expected.item(), rel=0.02)
