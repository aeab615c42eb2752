"""Seed, device, precision and threads: decided once, in one place."""

import contextlib
import hashlib
import random
from dataclasses import dataclass, field

import numpy as np
import torch

from iciclegcn.distributed.ranks import Ranks, current_ranks
from iciclegcn.errors import UserError


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed of its own for each named use, so that one use never shifts another's draws."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") % (2**63)


def cpu_has_fast_bf16() -> bool:
    """Whether bf16 matrix products have instructions of their own (AMX or AVX512-BF16)."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)


@dataclass(frozen=True)
class Runtime:
    """Where and how tensors are computed.

    Attributes:
        seed: The run's seed; every random draw derives from it.
        device: The torch device of the training loops.
        precision: ``fp32``, ``bf16`` or ``fp16``; parameters stay in fp32 in all of them.
        ranks: The processes that compute together; by default this one alone.
    """

    seed: int
    device: torch.device
    precision: str
    ranks: Ranks = field(default_factory=Ranks)

    @classmethod
    def create(cls, seed: int = 0, device: str = "auto", precision: str = "auto") -> "Runtime":
        """Resolve ``auto`` and seed every global generator.

        Raises:
            UserError: If the device is not there or cannot compute in the precision.
        """
        resolved = cls.resolve(seed, device, precision)
        resolved.seed_everything()
        return resolved

    @classmethod
    def resolve(cls, seed: int = 0, device: str = "auto", precision: str = "auto") -> "Runtime":
        """The same for what draws nothing: the global generators stay as they are."""
        ranks = current_ranks()
        place = _resolve_device(device)
        if ranks.size > 1 and place.type == "cuda":  # one GPU a process
            place = torch.device("cuda", ranks.local_rank)
        return cls(seed, place, _resolve_precision(precision, place), ranks)

    def seed_everything(self, *names: str | int) -> None:
        """Seed the global generators (weight initialisation draws from them)."""
        value = derive_seed(self.seed, "global", *names)
        random.seed(value)
        np.random.seed(value % (2**32))
        torch.manual_seed(value)

    def generator(self, *names: str | int) -> torch.Generator:
        """A generator on the run's device for one named use."""
        return torch.Generator(self.device).manual_seed(derive_seed(self.seed, *names))

    def cpu_generator(self, *names: str | int) -> torch.Generator:
        """A generator for draws that stay on the host, such as the order of images."""
        return torch.Generator().manual_seed(derive_seed(self.seed, *names))

    def numpy_seed(self, *names: str | int) -> int:
        """A 31-bit seed for scikit-learn and FAISS."""
        return derive_seed(self.seed, *names) % (2**31)

    @property
    def compute_dtype(self) -> torch.dtype:
        """The dtype of matrix products."""
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[
            self.precision
        ]

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Mixed precision for the forward pass; a no-op in fp32."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.compute_dtype)


def _resolve_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"'--device' must be auto, cpu or cuda[:N] (got {device!r})") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"'--device {device}' asks for a GPU and torch sees none; use cpu or auto")
    if resolved.type == "cuda" and (resolved.index or 0) >= (found := torch.cuda.device_count()):
        raise UserError(
            f"'--device {device}' asks for a GPU that is not there (torch sees {found})"
        )
    if resolved.type not in ("cpu", "cuda"):
        raise UserError(f"'--device' must be auto, cpu or cuda[:N] (got {device!r})")
    return resolved


def _resolve_precision(precision: str, device: torch.device) -> str:
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return "bf16" if cpu_has_fast_bf16() else "fp32"
    if precision not in ("fp32", "bf16", "fp16"):
        raise UserError(f"'--precision' must be auto, fp32, bf16 or fp16 (got {precision!r})")
    if precision == "fp16" and device.type == "cpu":
        raise UserError("'--precision fp16' needs a GPU; use bf16 or fp32 on the CPU")
    return precision
