import numpy as np
import torch
from gate_null import moved_by_noise

from deadpan.models.hct_mg import ModalityGate, converged


def test_noise_freezes_many_gates_and_more_of_them_in_more_epochs():
    assert moved_by_noise(3, 6, 20, 0.001).frozen == 0  # the rule asks for six epochs before
    shares = [moved_by_noise(3, epochs, 20, 0.001).frozen for epochs in (7, 10, 20, 40)]
    assert shares == sorted(shares)
    assert shares[0] > 0.3 and shares[-1] > 0.95


def test_the_furthest_that_a_gate_can_go_is_where_every_step_leads():
    null = moved_by_noise(3, 8, 20, 0.001)
    first, last = np.exp(2 * 0.001 * np.array([140, 159]))  # odds after seven and eight epochs
    assert first / (first + 2) < null.furthest < last / (last + 2)
    assert 1 / 3 < null.largest < null.furthest


def test_the_simulation_is_torchs_adam_on_a_gate():
    torch.manual_seed(0)
    runs, epochs, steps, rate, frozen = 60, 8, 10, 0.001, 0
    largest = []
    for _ in range(runs):
        gate = ModalityGate(3)
        optimizer = torch.optim.Adam(gate.parameters(), lr=rate)
        means, weights = [], []
        for _ in range(epochs):
            weights.clear()
            for _ in range(steps):
                weights.append(gate()[0].detach())
                gate.logits.grad = torch.randn(3)
                gate.logits.grad -= gate.logits.grad.mean()
                optimizer.step()
            means.append(torch.stack(weights).mean(dim=0))
        frozen += any(converged(torch.stack(means[:epoch])) for epoch in range(1, epochs))
        largest.append(float(means[-1].max()))
    null = moved_by_noise(3, epochs, steps, rate)
    assert abs(frozen / runs - null.frozen) < 0.2  # 3 deviations
    error = torch.tensor(largest).std().item() / runs**0.5
    assert abs(sum(largest) / runs - null.largest) < 4 * error
