import pytest
import torch

from iciclegcn.methods.gcc_memory import EmbeddingMemory

CPU = torch.device("cpu")


def test_the_mean_is_that_of_the_last_epochs_and_not_normalised() -> None:
    memory = EmbeddingMemory(2, 3, 2, CPU)
    for epoch in range(4):
        z = torch.tensor([[float(epoch), 1.0], [0.0, 10.0 * epoch]])
        memory.write(torch.tensor([0, 1]), z, epoch)
    # Epochs 1, 2 and 3 are left.
    torch.testing.assert_close(memory.mean(4), torch.tensor([[2.0, 1.0], [0.0, 20.0]]))


def test_places_not_yet_written_have_no_part_in_the_mean() -> None:
    memory = EmbeddingMemory(2, 4, 1, CPU)
    memory.write(torch.tensor([1, 0]), torch.tensor([[6.0], [2.0]]), 0)
    assert memory.mean(1).tolist() == [[2.0], [6.0]]
    memory.write(torch.tensor([0, 1]), torch.tensor([[4.0], [8.0]]), 1)
    assert memory.mean(2).tolist() == [[3.0], [7.0]]


def test_it_is_one_tensor_without_a_gradient() -> None:
    memory = EmbeddingMemory(5, 4, 3, CPU)
    assert memory.embeddings.shape == (5, 4, 3)
    memory.write(torch.tensor([2]), torch.ones(1, 3, dtype=torch.bfloat16, requires_grad=True), 6)
    assert memory.embeddings.dtype == torch.float32
    assert not memory.embeddings.requires_grad
    assert memory.embeddings.nonzero().tolist() == [[2, 2, channel] for channel in range(3)]


def test_a_saved_memory_goes_on() -> None:
    memory, other = EmbeddingMemory(2, 2, 1, CPU), EmbeddingMemory(2, 2, 1, CPU)
    memory.write(torch.tensor([0, 1]), torch.tensor([[1.0], [3.0]]), 0)
    other.load(memory.embeddings)
    memory.write(torch.tensor([0, 1]), torch.tensor([[9.0], [9.0]]), 1)  # a copy, not a view
    assert other.mean(1).tolist() == [[1.0], [3.0]]


def test_nothing_is_remembered_before_the_first_epoch() -> None:
    with pytest.raises(ValueError, match=r"'epochs' must be at least 1 \(got 0\)"):
        EmbeddingMemory(2, 2, 1, CPU).mean(0)
