"""What this machine computes with: processors, FAISS's build, memory and disk."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """What was found.

    Attributes:
        system: Operating system and architecture.
        python: Version and path of the interpreter.
        cores: Processors that this process may use.
        threads: Threads that torch computes with.
        instructions: The vector instructions torch uses.
        precision: What ``--precision auto`` is here.
        gpus: Name and GiB of every GPU that torch sees.
        cuda: The CUDA version torch was built for; None: a build without.
        faiss_build: FAISS's instructions.
        faiss_gpus: GPUs that FAISS sees; None: its build for CPUs.
        memory_free: GiB this process could get now, within its control group's limit.
        memory_total: GiB of the machine.
        cache: Where decoded images are kept.
        cache_free: GiB free there.
        cache_writable: Whether it can be written.
    """

    system: str
    python: str
    cores: int
    threads: int
    instructions: str
    precision: str
    gpus: tuple[tuple[str, float], ...]
    cuda: str | None
    faiss_build: str
    faiss_gpus: int | None
    memory_free: float
    memory_total: float
    cache: Path
    cache_free: float
    cache_writable: bool


def examine_machine() -> Machine:
    """Look at the machine; loads torch and FAISS.

    Raises:
        ImportError: If one of them is missing or broken.
    """
    import faiss
    import torch

    from iciclegcn.data.cache import default_cache_dir
    from iciclegcn.methods.memory import available_bytes
    from iciclegcn.runtime import Runtime

    cache = default_cache_dir()
    disk = _nearest_existing(cache)
    is_gpu_build = hasattr(faiss, "StandardGpuResources")
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_version()} ({sys.executable})",
        cores=_usable_cores(),
        threads=torch.get_num_threads(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        precision=Runtime.create().precision,
        gpus=tuple((gpu.name, gpu.total_memory / _GIB) for gpu in gpus),
        cuda=torch.version.cuda,
        faiss_build=faiss.get_compile_options().strip(),
        faiss_gpus=faiss.get_num_gpus() if is_gpu_build else None,
        memory_free=available_bytes(torch.device("cpu")) / _GIB,
        memory_total=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB,
        cache=cache,
        cache_free=shutil.disk_usage(disk).free / _GIB,
        cache_writable=disk.is_dir() and os.access(disk, os.W_OK | os.X_OK),
    )


def search_works() -> bool:
    """Whether FAISS and torch find neighbours together: two pairs of points, far apart."""
    import numpy as np

    from graphs import knn

    x = np.array([[0, 0], [0, 1], [9, 9], [9, 8]], dtype=np.float32)
    return bool((knn(x, 1).indices[:, 0] == [1, 0, 3, 2]).all())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _nearest_existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())
