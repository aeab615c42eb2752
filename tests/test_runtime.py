import random

import numpy as np
import pytest
import torch

from iciclegcn.errors import UserError
from iciclegcn.runtime import Runtime, cpu_has_fast_bf16, derive_seed


def fake_cpu(
    monkeypatch: pytest.MonkeyPatch, capability: str, *, amx: bool = False, avx: bool = False
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx, raising=False)


def fake_gpus(monkeypatch: pytest.MonkeyPatch, count: int, *, bf16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpus(monkeypatch, 0)


def test_derived_seeds_stay_what_they_are() -> None:
    # The first 8 bytes of SHA-256 of "0/pretrain/3": a resumed run must draw the same anywhere.
    assert derive_seed(0, "pretrain", 3) == 2686831736040584407
    assert derive_seed(7, "order", 0) == 9130041145265067830
    assert derive_seed(0) == 4066689987807800415


def test_derived_seeds_differ_by_seed_and_name() -> None:
    seeds = {
        derive_seed(seed, name, epoch)
        for seed in range(5)
        for name in ("order", "pretrain", "mgcn")
        for epoch in range(20)
    }
    assert len(seeds) == 300
    assert derive_seed(0, "a", "b") != derive_seed(0, "b", "a")
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("capability", "amx", "avx", "fast"),
    [
        ("AVX512", True, False, True),
        ("AVX512", False, True, True),
        ("AVX512", False, False, False),
        ("AVX2", True, True, False),
        ("DEFAULT", False, False, False),
    ],
)
def test_bf16_is_fast_with_instructions_of_its_own(
    capability: str, amx: bool, avx: bool, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cpu(monkeypatch, capability, amx=amx, avx=avx)
    assert cpu_has_fast_bf16() is fast
    assert Runtime.create(0, "cpu").precision == ("bf16" if fast else "fp32")


def test_bf16_is_not_fast_where_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cpu(monkeypatch, "AVX512")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert cpu_has_fast_bf16() is False


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "fp16")])
def test_auto_takes_the_gpu_and_the_precision_it_has(
    bf16: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gpus(monkeypatch, 1, bf16=bf16)
    monkeypatch.setattr(Runtime, "seed_everything", lambda _self: None)  # would start CUDA
    runtime = Runtime.create(0, "auto", "auto")
    assert runtime.device == torch.device("cuda")
    assert runtime.precision == precision


def test_auto_takes_the_cpu_without_a_gpu() -> None:
    assert Runtime.create(0).device == torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_a_named_precision_is_the_one_computed_in(precision: str, dtype: torch.dtype) -> None:
    runtime = Runtime.create(0, "cpu", precision)
    assert runtime.compute_dtype is dtype
    with runtime.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype is dtype
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


@pytest.mark.parametrize(
    ("device", "precision", "fragment"),
    [
        ("cuda", "auto", "'--device cuda' asks for a GPU and torch sees none; use cpu or auto"),
        ("cuda:1", "auto", "torch sees none"),
        ("banana", "auto", "must be auto, cpu or cuda[:N] (got 'banana')"),
        ("mps", "auto", "must be auto, cpu or cuda[:N] (got 'mps')"),
        ("cpu", "fp16", "'--precision fp16' needs a GPU; use bf16 or fp32 on the CPU"),
        ("cpu", "fp8", "must be auto, fp32, bf16 or fp16 (got 'fp8')"),
    ],
)
def test_what_is_not_there_is_refused(device: str, precision: str, fragment: str) -> None:
    with pytest.raises(UserError) as caught:
        Runtime.create(0, device, precision)
    assert fragment in str(caught.value)


def test_a_gpu_number_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpus(monkeypatch, 2)
    with pytest.raises(UserError, match=r"'--device cuda:2' asks for a GPU .* \(torch sees 2\)"):
        Runtime.create(0, "cuda:2")


def test_the_seed_fixes_every_global_generator() -> None:
    def draws(seed: int, *names: str) -> tuple[float, float, float]:
        runtime = Runtime.create(seed, "cpu", "fp32")
        if names:
            runtime.seed_everything(*names)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert draws(3) == draws(3)
    assert draws(3, "mgcn") == draws(3, "mgcn")
    for other in (draws(4), draws(3, "mgcn")):
        assert all(a != b for a, b in zip(draws(3), other, strict=True))


def test_generators_are_fixed_by_their_name() -> None:
    runtime = Runtime.create(5, "cpu", "fp32")
    for make in (runtime.generator, runtime.cpu_generator):
        first = torch.rand(3, generator=make("views", 1))
        torch.rand(1)  # the global generator has no say
        assert torch.equal(torch.rand(3, generator=make("views", 1)), first)
        assert not torch.equal(torch.rand(3, generator=make("views", 2)), first)
    assert runtime.generator("views").device == runtime.device


def test_numpy_seeds_fit_scikit_learn() -> None:
    runtime = Runtime.create(5, "cpu", "fp32")
    seeds = [runtime.numpy_seed("mgcn", i) for i in range(50)]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == 50


def test_resolving_gives_the_same_runtime_and_leaves_the_generators_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate()
    resolved = Runtime.resolve(3, "cpu", "fp32")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert Runtime.create(3, "cpu", "fp32") == resolved
    assert not torch.equal(torch.get_rng_state(), before[0])
