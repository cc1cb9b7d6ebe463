import torch
from torch import nn

from deadpan.layers.cells import GatedMemory, LSTMCells, concatenate_states


def test_without_context_each_is_torchs_lstm():
    torch.manual_seed(0)
    cells, x = LSTMCells([3, 2], 4), [torch.randn(5, 6, 3), torch.randn(5, 6, 2)]
    gates = cells.project(x)
    state, states = cells.start(gates), []
    for gate in gates:
        state = cells(gate, state)
        states.append(state[0])
    for place, sequence in enumerate(x):
        lstm = nn.LSTM(sequence.shape[2], 4, batch_first=True)
        with torch.no_grad():
            lstm.weight_ih_l0.copy_(cells.inputs[place].weight)
            lstm.weight_hh_l0.copy_(cells.recurrent[place].T)
            lstm.bias_ih_l0.copy_(cells.inputs[place].bias)
            lstm.bias_hh_l0.zero_()
        expected = lstm(sequence)[0]
        torch.testing.assert_close(torch.stack([s[place] for s in states], dim=1), expected)
    torch.testing.assert_close(concatenate_states(state[0])[:, :4], state[0][0])


def test_the_context_reaches_every_gate_of_every_cell():
    cells = LSTMCells([3, 2], 4, context=5)
    gates = cells.project([torch.randn(1, 1, 3), torch.randn(1, 1, 2)])
    start = cells.start(gates)
    start = (start[0], start[1] + 1)  # a memory, so that the forget gate matters
    z = torch.zeros(1, 5)
    z[0, 2] = 1.0
    torch.testing.assert_close(
        cells(gates[0], start, z)[0],
        LSTMCells.forward(
            cells, gates[0] + cells.context.weight[:, 2].view(2, 1, 16), start, z * 0
        )[0],
    )


def test_gates_that_are_shut_keep_and_gates_that_are_open_replace():
    memory, x = GatedMemory(3, 4, 2), torch.randn(1, 2, 3)
    mask = torch.ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        for gate, open_ in ((memory.keep, -50.0), (memory.admit, 50.0)):
            gate.layers[-1].weight.zero_()
            gate.layers[-1].bias.fill_(open_)
    torch.testing.assert_close(memory(x, mask), memory.proposal(x[:, 1]).tanh())
    with torch.no_grad():
        memory.keep.layers[-1].bias.fill_(50.0)
    torch.testing.assert_close(memory(x, mask), memory.proposal(x).tanh().sum(dim=1))


def test_padded_steps_change_nothing():
    memory, x = GatedMemory(3, 4, 2), torch.randn(2, 5, 3)
    mask = torch.tensor([[True] * 3 + [False] * 2, [False] * 5])
    result = memory(x, mask)
    torch.testing.assert_close(result[0], memory(x[:1, :3], mask[:1, :3])[0])
    assert not result[1].any()
