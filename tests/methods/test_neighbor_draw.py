import torch

from iciclegcn.methods.neighbor_draw import NeighborDraw

# Node 0 has the neighbours 1, 2 and 3; 4 has only its self-loop, 5 nothing at all.
EDGES = torch.tensor([[0, 0, 0, 0, 1, 1, 2, 3, 4], [0, 1, 2, 3, 0, 1, 0, 0, 4]])


def test_every_draw_is_a_neighbour_and_never_the_node_itself_if_it_has_one() -> None:
    draw, generator = NeighborDraw(EDGES, 6), torch.Generator().manual_seed(0)
    for _ in range(50):
        partner = draw(generator).tolist()
        assert partner[0] in (1, 2, 3)
        assert partner[1:] == [0, 0, 0, 4, 5]


def test_neighbours_are_drawn_with_the_same_chance() -> None:
    draw, generator = NeighborDraw(EDGES, 6), torch.Generator().manual_seed(0)
    counts = torch.bincount(torch.stack([draw(generator)[0] for _ in range(600)]), minlength=4)
    # Three standard deviations of a binomial of 600 and 1/3 are 35.
    assert (counts[1:] - 200).abs().max() < 35


def test_the_generator_alone_decides() -> None:
    draw = NeighborDraw(EDGES, 6)
    first, again = (draw(torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, again)


def test_a_graph_of_self_loops_gives_every_node_itself() -> None:
    draw = NeighborDraw(torch.arange(3).expand(2, 3), 3)
    assert draw(torch.Generator()).tolist() == [0, 1, 2]
