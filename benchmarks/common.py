"""What every benchmark shares: the machine's description and the result file."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
_PACKAGES = ("torch", "torch-geometric", "torchvision", "faiss-cpu", "numpy", "scipy")


def machine() -> dict[str, object]:
    """Processor, usable cores, memory in GiB and versions: what a figure depends on."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
    }


def write_result(name: str, payload: Mapping[str, object], out: Path | None = None) -> Path:
    """Write ``payload`` and the machine as JSON, whole or not at all.

    Args:
        name: File name without ending, under ``benchmarks/results``.
        payload: Plain values: question, command, figures.
        out: Another file to write instead.

    Returns:
        The file written.
    """
    path = out if out is not None else RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"benchmark": name, "machine": machine(), **payload}, indent=2)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
