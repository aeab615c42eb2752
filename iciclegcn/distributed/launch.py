"""Starting the processes of a run with Lightning Fabric, and what happens when one fails."""

import logging
import multiprocessing
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from iciclegcn.errors import EXIT_INTERRUPTED, UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from iciclegcn.distributed.heartbeat import Heartbeat
    from iciclegcn.distributed.ranks import Ranks

_GRACE = 10.0  # seconds for who knows better to tell, and to end this process
_FOREVER = timedelta(days=3650)


@dataclass(frozen=True)
class Job:
    """What rank 0 does; the others wait for it to summon them.

    Attributes:
        run: The work, a function of a module (or a partial of one); returns the exit code.
        tell: Tells the user of an error and returns the exit code.
    """

    run: Callable[[], int]
    tell: Callable[[BaseException], int]


@dataclass(frozen=True)
class Processes:
    """How many processes a run has.

    Attributes:
        devices: Processes on each machine: one a GPU, or so many on the CPU.
        num_nodes: Machines.
        started: Whether torchrun or another launcher has started them: this is one of them.
    """

    devices: int
    num_nodes: int
    started: bool

    @property
    def size(self) -> int:
        """Processes on all machines."""
        return self.devices * self.num_nodes


def processes(devices: int | None, num_nodes: int | None) -> Processes:
    """The processes of a run, from options and from what torchrun says; loads no torch.

    Args:
        devices: ``--devices``; None: not given.
        num_nodes: ``--num-nodes``; None: not given.

    Raises:
        UserError: If a number is not positive, or not what torchrun was told.
    """
    for name, value in (("devices", devices), ("num-nodes", num_nodes)):
        if value is not None and value < 1:
            raise UserError(f"'--{name}' must be at least 1 (got {value})")
    if "LOCAL_RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Processes(devices or 1, num_nodes or 1, started=False)
    size = int(os.environ["WORLD_SIZE"])
    local = int(os.environ.get("LOCAL_WORLD_SIZE", devices or size))
    found = Processes(local, size // local, started=True)
    for name, value, there in (
        ("devices", devices, found.devices),
        ("num-nodes", num_nodes, found.num_nodes),
    ):
        if value is not None and value != there:
            raise UserError(
                f"'--{name} {value}' does not fit the {there} that this process was started "
                "with; leave it out under torchrun"
            )
    return found


def launch(job: Job, wanted: Processes, device: str) -> int:
    """Do a job on several processes.

    Args:
        job: What rank 0 does.
        wanted: How many processes, and who starts them.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        The exit code: the job's, or 1 when a process is lost.

    Raises:
        UserError: If Lightning Fabric is not installed, there are fewer GPUs than processes, or
            machines are not told where the first one is.
    """
    fabric = _fabric(wanted, device)
    work = partial(_work, job=job, devices=wanted.devices, supervised=not wanted.started)
    if wanted.started:
        return int(fabric.launch(work))
    from torch.multiprocessing.spawn import ProcessExitedException

    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    try:
        return int(fabric.launch(work))
    except ProcessExitedException as error:
        if error.signal_name is None:
            return error.exit_code  # it has told why
        from iciclegcn.distributed.heartbeat import EXIT_LOST, REMEDY

        message = f"process {error.error_index} of {wanted.size} was ended by {error.signal_name}"
        print(f"iciclegcn: error: {message}; {REMEDY}", file=sys.stderr, flush=True)
        return EXIT_LOST
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def _fabric(wanted: Processes, device: str) -> "Fabric":
    try:
        from lightning_fabric import Fabric

        from iciclegcn.distributed.strategy import QuietDDPStrategy
    except ImportError as error:
        raise UserError(
            "several processes need the package lightning-fabric, which is not installed: "
            "pip install lightning-fabric"
        ) from error
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UserError(
            f"'--device {device}' names one device for {wanted.size} processes; use cuda or cpu"
        )
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpu and (found := torch.cuda.device_count()) < wanted.devices:
        raise UserError(
            f"'--devices' must be at most the number of GPUs of a machine, {found} here (got "
            f"{wanted.devices}); or use --device cpu"
        )
    told = {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= os.environ.keys()
    if wanted.num_nodes > 1 and not (wanted.started or told or "SLURM_PROCID" in os.environ):
        raise UserError(
            f"'--num-nodes {wanted.num_nodes}' needs MASTER_ADDR, MASTER_PORT and NODE_RANK in the "
            "environment of every machine; or use torchrun or srun"
        )
    return Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=wanted.devices,
        num_nodes=wanted.num_nodes,
        strategy=QuietDDPStrategy(start_method="popen" if wanted.started else "spawn"),
    )


def _work(fabric: "Fabric", job: Job, devices: int, supervised: bool) -> int:
    """The life of one rank. Only rank 0 returns; a failure ends the process at once."""
    ranks, heartbeat = _connect(fabric, devices, _GRACE if supervised else 0.0)
    try:
        code = _take_part(job, ranks, heartbeat)
    except (Exception, KeyboardInterrupt) as error:
        code = _after_error(error, job, ranks, heartbeat, supervised)
    if code != 0:
        if ranks.is_main and not supervised:
            heartbeat.end_others()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the connections may be broken: nothing that asks them
    return code


def _connect(fabric: "Fabric", devices: int, grace: float) -> "tuple[Ranks, Heartbeat]":
    import torch
    import torch.distributed as dist

    from iciclegcn.distributed.heartbeat import Heartbeat
    from iciclegcn.distributed.ranks import Ranks, use_ranks

    if fabric.global_rank != 0:
        warnings.simplefilter("ignore")  # rank 0 shows them
    if fabric.device.type == "cuda":
        torch.cuda.set_device(fabric.device)
    control = dist.new_group(backend="gloo", timeout=_FOREVER)
    ranks = Ranks(fabric.global_rank, fabric.world_size, fabric.local_rank, devices, control)
    use_ranks(ranks)
    host = os.environ["MASTER_ADDR"]
    heartbeat = Heartbeat(host, 0, 0, ranks.size, grace) if ranks.is_main else None
    port = ranks.broadcast(heartbeat.port if heartbeat else None)
    heartbeat = heartbeat or Heartbeat(host, port, ranks.rank, ranks.size, grace)
    heartbeat.start()
    return ranks, heartbeat


def _take_part(job: Job, ranks: "Ranks", heartbeat: "Heartbeat") -> int:
    import torch.distributed as dist

    if ranks.is_main:
        code = job.run()
        ranks.dismiss()
    else:
        ranks.serve()
        code = 0
    heartbeat.stop()
    ranks.barrier()  # nobody leaves while another still watches
    dist.destroy_process_group()
    return code


def _after_error(
    error: BaseException, job: Job, ranks: "Ranks", heartbeat: "Heartbeat", supervised: bool
) -> int:
    """Tell the user once, on whichever rank knows best; the exit code of this one."""
    from iciclegcn.distributed.heartbeat import EXIT_LOST, is_loss

    if is_loss(error):
        heartbeat.report_loss(f"process {ranks.rank} of {ranks.size} lost another")
        return EXIT_LOST
    if isinstance(error, KeyboardInterrupt):
        heartbeat.stop()
        if ranks.is_main and not supervised:
            job.tell(error)
        return EXIT_INTERRUPTED
    if isinstance(error, FloatingPointError) and not ranks.is_main:
        time.sleep(_GRACE)  # rank 0 found the same, tells, and ends the run
        return EXIT_LOST
    heartbeat.claim()
    if isinstance(error, UserError | FloatingPointError):
        return job.tell(error)
    traceback.print_exception(error)  # a defect
    return EXIT_LOST
