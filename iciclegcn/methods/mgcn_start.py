"""The network of stage 2 before its first iteration."""

import copy

import torch

from iciclegcn.config import MGCNConfig
from iciclegcn.methods.code_warmup import warm_up_code
from iciclegcn.methods.initial_partition import code_centers
from iciclegcn.methods.training_nodes import TrainingNodes
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.mgcn import MGCN
from iciclegcn.runtime import Runtime


def build_model(
    autoencoder: AutoEncoder, num_streams: int, options: MGCNConfig, runtime: Runtime
) -> MGCN:
    """The network with the auto-encoder given and streams as the options ask.

    Args:
        autoencoder: Copied, not changed.
        num_streams: Number of graphs S.
        options: Fusion weights and the streams' first weights.
        runtime: Seeds the streams' random weights; gives the device.
    """
    runtime.seed_everything("mgcn")
    model = MGCN(
        autoencoder,
        num_streams,
        sigma=options.sigma,
        gamma=options.gamma,
        autoencoder_weight=options.autoencoder_weight,
        shared_weights=options.shared_weights,
        degrees_of_freedom=options.degrees_of_freedom,
    ).to(runtime.device)
    if options.gcn_init == "encoder":
        model.init_from_encoder()
    return model


def start_model(
    autoencoder: AutoEncoder,
    nodes: TrainingNodes,
    num_streams: int,
    options: MGCNConfig,
    runtime: Runtime,
    monitor: StageMonitor,
) -> MGCN:
    """The network before its first iteration: partition, optional warm-up, streams, centres.

    Args:
        autoencoder: That of stage 1; copied, not changed.
        nodes: All nodes.
        num_streams: Number of graphs S.
        options: The options of stage 2.
        runtime: Seed, device and precision.
        monitor: Warned when stage 1 has collapsed.

    Source:
        IcicleGCN (Xu et al., 2024), Algorithm 1, step 7, and the centres below Eq. 20.
    """
    autoencoder = copy.deepcopy(autoencoder).to(runtime.device)
    code = nodes.code(autoencoder)
    partition = nodes.first_partition(code, runtime.numpy_seed("mgcn", "centers"), monitor)
    if options.code_warmup_steps:
        assignments = torch.from_numpy(partition.assignments).to(runtime.device)
        warm_up_code(autoencoder, nodes.x, assignments, options.code_warmup_steps, runtime)
        code = nodes.code(autoencoder)
    model = build_model(autoencoder, num_streams, options, runtime)
    with torch.no_grad():
        model.assignment.centers.copy_(code_centers(partition, code, options))
    return model
