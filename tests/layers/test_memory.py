import torch

from deadpan.layers.memory import GatedMemory


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
    found = memory(x, mask)
    torch.testing.assert_close(found[0], memory(x[:1, :3], mask[:1, :3])[0])
    assert not found[1].any()
