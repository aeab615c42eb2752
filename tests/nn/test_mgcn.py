"""The trident network against independent implementations of it, and its properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iciclegcn.losses.self_training import (
    kl_divergence,
    reconstruction_loss,
    target_distribution,
)
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.nn.mgcn import MGCNOutput, propagate_features
from iciclegcn.nn.propagate import Propagation, prepare_propagation

FOLDER = Path(__file__).parents[1] / "golden"
OFFICIAL, PAPER = (np.load(FOLDER / f"mgcn_{name}.npz") for name in ("official", "paper"))
ENCODER = ("ae.enc_1", "ae.enc_2", "ae.enc_3", "ae.z_layer")
DECODER = ("ae.dec_1", "ae.dec_2", "ae.dec_3", "ae.x_bar_layer")


def golden_graphs(name: str, dtype: torch.dtype) -> list[Propagation]:
    matrices = np.load(FOLDER / f"graph_{name}.npz")
    graphs = []
    for key in ("adj_k1", "adj_k10"):
        target, source = torch.from_numpy(matrices[key]).nonzero().T
        weight = torch.from_numpy(matrices[key])[target, source].to(dtype)
        graphs.append(prepare_propagation(torch.stack([source, target]), weight, 60))
    return graphs


def fill(layers: nn.ModuleList, weights: list[Tensor], biases: list[Tensor]) -> None:
    with torch.no_grad():
        for layer, weight, bias in zip(layers, weights, biases, strict=True):
            layer.weight.copy_(weight)  # type: ignore[operator]
            layer.bias.copy_(bias)  # type: ignore[operator]


def official_model() -> MGCN:
    def parameters(names: tuple[str, ...], part: str) -> list[Tensor]:
        return [torch.from_numpy(OFFICIAL[f"param/{name}.{part}"]) for name in names]

    model = MGCN(
        AutoEncoder(16, (20, 24, 40), 4),
        sigma=0.5,
        gamma=0.2,
        autoencoder_weight=0.5,
        shared_weights=True,
    )
    coder = model.autoencoder
    fill(coder.encoder, parameters(ENCODER, "weight"), parameters(ENCODER, "bias"))
    fill(coder.decoder, parameters(DECODER, "weight"), parameters(DECODER, "bias"))
    with torch.no_grad():
        for i, conv in enumerate(model.gcn.stream_layers(0), start=1):
            conv.lin.weight.copy_(torch.from_numpy(OFFICIAL[f"param/gnn_{i}.weight"]).T)
        model.assignment.centers.copy_(torch.from_numpy(OFFICIAL["param/cluster_layer"]))
    return model


def official_terms(x: Tensor, output: MGCNOutput) -> tuple[Tensor, dict[str, Tensor]]:
    p = target_distribution(output.q)
    terms = {
        "recon": reconstruction_loss(x, output.x_hat, "entry_mean"),
        "kl_q": kl_divergence(p, output.q),
        "kl_a": kl_divergence(p, output.streams[0]),
        "kl_b": kl_divergence(p, output.streams[1]),
    }
    weights = {"recon": 1.0, "kl_q": 0.1, "kl_a": 0.05, "kl_b": 0.01}
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum(), terms


def assert_outputs(output: MGCNOutput, golden: dict[str, np.ndarray], prefix: str = "") -> None:
    outputs = {"q": output.q, "g_a": output.streams[0], "g_b": output.streams[1]}
    if not prefix:
        outputs |= {"x_hat": output.x_hat, "z": output.code, "p": target_distribution(output.q)}
    for name, value in outputs.items():
        np.testing.assert_allclose(
            value.detach().numpy(), golden[prefix + name], rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_official_forward_terms_and_gradient_norms_agree_with_golden_values() -> None:
    x, model = torch.from_numpy(OFFICIAL["x"]), official_model()
    output = model(x, golden_graphs("official", torch.float32))
    assert_outputs(output, OFFICIAL)
    loss, terms = official_terms(x, output)
    assert loss.item() == pytest.approx(float(OFFICIAL["loss"]), rel=1e-6)
    for name, term in terms.items():
        assert term.item() == pytest.approx(float(OFFICIAL[name]), rel=1e-4, abs=2e-8), name
    loss.backward()  # type: ignore[no-untyped-call]
    coder = model.autoencoder
    named = {"cluster_layer": model.assignment.centers}
    for names, layers in ((ENCODER, coder.encoder), (DECODER, coder.decoder)):
        for name, layer in zip(names, layers, strict=True):
            named |= {f"{name}.{part}": value for part, value in layer.named_parameters()}
    named |= {f"gnn_{i + 1}.weight": c.lin.weight for i, c in enumerate(model.gcn.stream_layers(0))}
    expected = {key[9:]: float(OFFICIAL[key]) for key in OFFICIAL if key.startswith("gradnorm/")}
    assert named.keys() == expected.keys()
    for name, parameter in named.items():
        assert parameter.grad is not None
        assert parameter.grad.norm().item() == pytest.approx(expected[name], rel=1e-4), name


def test_ten_steps_of_adam_agree_with_golden_values() -> None:
    x, model = torch.from_numpy(OFFICIAL["x"]), official_model()
    graphs = golden_graphs("official", torch.float32)
    propagated = propagate_features(x, graphs)
    optimizer = torch.optim.Adam(model.parameters(), float(OFFICIAL["adam_lr"]), fused=True)
    for expected in OFFICIAL["loss_trajectory"]:
        loss, _ = official_terms(x, model(x, graphs, propagated))
        assert loss.item() == pytest.approx(float(expected), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert_outputs(model(x, graphs), OFFICIAL, prefix="final_")


def test_paper_forward_and_loss_agree_with_golden_values() -> None:
    model = MGCN(AutoEncoder(16, (20, 24, 40), 4)).double()
    for part, layers in (("enc", model.autoencoder.encoder), ("dec", model.autoencoder.decoder)):
        weights = [torch.from_numpy(PAPER[f"{part}_w{i}"]).T for i in range(4)]
        fill(layers, weights, [torch.from_numpy(PAPER[f"{part}_b{i}"]) for i in range(4)])
    with torch.no_grad():
        for u, stream in enumerate("ab"):
            for i, conv in enumerate(model.gcn.stream_layers(u)):
                conv.lin.weight.copy_(torch.from_numpy(PAPER[f"gcn_{stream}_w{i}"]).T)
        model.assignment.centers.copy_(torch.from_numpy(PAPER["centers"]))
    x = torch.from_numpy(PAPER["x"])
    output = model(x, golden_graphs("paper", torch.float64))
    assert_outputs(output, PAPER)
    p = target_distribution(output.q)
    loss = (
        reconstruction_loss(x, output.x_hat)
        + float(PAPER["alpha"]) * kl_divergence(p, output.q)
        + float(PAPER["beta"]) * kl_divergence(p, output.streams[0])
        + float(PAPER["eta"]) * kl_divergence(p, output.streams[1])
    )
    assert loss.item() == pytest.approx(float(PAPER["loss_eq26_batchmean_kl"]), rel=1e-6)


def small_model(num_streams: int, hidden: tuple[int, ...] = (6, 12)) -> MGCN:
    torch.manual_seed(0)
    return MGCN(AutoEncoder(5, hidden, 3), num_streams)


def random_graphs(num_graphs: int, num_nodes: int = 11) -> list[Propagation]:
    generator = torch.Generator().manual_seed(1)
    edges = [torch.randint(num_nodes, (2, 30), generator=generator) for _ in range(num_graphs)]
    return [prepare_propagation(e, torch.full((30,), 0.3), num_nodes) for e in edges]


@pytest.mark.parametrize("num_streams", [1, 2, 3])
@pytest.mark.parametrize("hidden", [(6, 12), (12, 6), (4,)])
def test_streams_are_the_layers_applied_one_by_one(
    num_streams: int, hidden: tuple[int, ...]
) -> None:
    model, graphs = small_model(num_streams, hidden), random_graphs(num_streams)
    x = torch.randn(11, 5)
    states = [x] * num_streams
    for layer, h in enumerate([x, *model.autoencoder.encode(x)]):
        inputs = states if layer == 0 else [state.relu() for state in states]
        states = []
        for u, graph in enumerate(graphs):
            conv = model.gcn.stream_layers(u)[layer]
            peers = [*inputs[:u], *inputs[u + 1 :]]
            states.append(
                conv.lin(graph_product(graph, x))
                if layer == 0
                else conv(inputs[u], graph, peers=peers, h=h)
            )
    for stream, expected in zip(model(x, graphs).streams, states, strict=True):
        torch.testing.assert_close(stream, expected.softmax(1), rtol=1e-5, atol=1e-6)


def graph_product(graph: Propagation, x: Tensor) -> Tensor:
    return propagate_features(x, [graph])[0]


def test_renumbering_the_nodes_renumbers_every_output() -> None:
    model, x = small_model(2), torch.randn(11, 5)
    order = torch.randperm(11)
    new_number = order.argsort()
    edges = torch.randint(11, (2, 30))
    weight = torch.rand(30)
    graphs = [prepare_propagation(edges, weight, 11)] * 2
    renumbered = [prepare_propagation(new_number[edges], weight, 11)] * 2
    out, moved = model(x, graphs), model(x[order], renumbered)
    torch.testing.assert_close(moved.q, out.q[order])
    torch.testing.assert_close(moved.streams, [stream[order] for stream in out.streams])


def test_streams_started_from_the_encoder_repeat_it_where_no_edge_joins_the_nodes() -> None:
    model = small_model(2)
    with torch.no_grad():
        for layer in model.autoencoder.encoder:
            layer.bias.zero_()  # type: ignore[operator]
    model.init_from_encoder(last_scale=5.0)
    loops = torch.arange(11).expand(2, 11)
    graphs = [prepare_propagation(loops, torch.ones(11), 11)] * 2
    x = torch.randn(11, 5)
    out = model(x, graphs)
    # All states of a depth are equal, so fusing changes nothing until the last layer, which mixes
    # the ReLU of the stream's logits (.6) with the code (.4).
    logits = model.autoencoder.encoder[-1](model.autoencoder.encode(x)[-2])
    last = 5 * (0.6 * logits.relu() + 0.4 * out.code)
    for stream in out.streams:
        torch.testing.assert_close(stream, last.softmax(1))


def test_shared_weights_hold_one_set_of_layers_for_all_streams() -> None:
    autoencoder = AutoEncoder(5, (6,), 3)
    shared, separate = (MGCN(autoencoder, 3, shared_weights=share) for share in (True, False))
    assert shared.gcn.stream_layers(0)[0] is shared.gcn.stream_layers(2)[0]
    assert separate.gcn.stream_layers(0)[0] is not separate.gcn.stream_layers(2)[0]


def test_the_given_autoencoder_is_copied() -> None:
    autoencoder = AutoEncoder(5, (6,), 3)
    model = MGCN(autoencoder)
    assert all(
        a.data_ptr() != b.data_ptr()
        for a, b in zip(autoencoder.parameters(), model.autoencoder.parameters(), strict=True)
    )


def test_gradients_reach_features_that_want_them() -> None:
    model, graphs = small_model(2), random_graphs(2)
    x = torch.randn(11, 5, requires_grad=True)
    model(x, graphs).streams[0][:, 0].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_bf16_outputs_are_single_precision_and_close() -> None:
    model, graphs, x = small_model(2), random_graphs(2), torch.randn(11, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(x, graphs)
    for value, expected in zip(
        (out.q, out.code, *out.streams),
        (model(x, graphs).q, model(x, graphs).code, *model(x, graphs).streams),
        strict=True,
    ):
        assert value.dtype is torch.float32
        torch.testing.assert_close(value, expected, rtol=0.05, atol=0.02)


def test_graphs_and_streams_must_match() -> None:
    with pytest.raises(ValueError, match="3 streams"):
        small_model(3)(torch.randn(11, 5), random_graphs(2))
    with pytest.raises(ValueError, match="num_streams"):
        MGCN(AutoEncoder(5, (6,), 3), 0)
