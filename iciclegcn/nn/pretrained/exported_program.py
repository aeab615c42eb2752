"""ExportedProgram files, and what of them could execute code."""

import ast
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iciclegcn.errors import UserError

# torch.export.load unpickles these parts, and loads those compiled ones, without asking.
_OBJECTS = ("constants/custom_obj", "constants/opaque_obj")
_COMPILED = ("aotinductor/", "executorch/")
_SAMPLES = "data/sample_inputs/"
# It evaluates sizes as Python. Those that it writes are sums and such of numbers and symbols, made
# by classes of sympy and its own; builtin functions are small letters alone.
_SIZE_NODES = (
    *(ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant),
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
)
_SIZE_NAME = re.compile(r"[A-Z]\w*|[a-z]+[0-9]+|floor|ceiling|true|false")
_SIZE_TEXT = re.compile(r"[\w.+-]*")  # sympy evaluates text within as well


class ExportedNetwork:
    """A network of ``torch.export.save``.

    Args:
        file: The ``.pt2`` file.

    Attributes:
        batch: Images that it takes at a time; None: any number.
        image_size: Side in pixels that it was exported for; None: any.

    Raises:
        UserError: If the file holds more than a graph and tensors.
    """

    def __init__(self, file: Path) -> None:
        refuse_code(file)
        program = torch.export.load(file)
        names = program.graph_signature.user_inputs
        shapes = [node.meta["val"].shape for node in program.graph.nodes if node.name in names]
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise UserError(f"'{file}' must take one batch of images [N, 3, S, S]")
        sides = {side for side in shapes[0][2:] if isinstance(side, int)}
        self.batch = shapes[0][0] if isinstance(shapes[0][0], int) else None
        self.image_size = sides.pop() if len(sides) == 1 else None
        self._module = program.module()

    def run(self, images: Tensor) -> object:
        """Images [N, 3, S, S] to what the network gives."""
        return self._module.to(images.device)(images)


def refuse_code(file: Path) -> None:
    """Refuse an archive with parts that loading would unpickle, or native code.

    Args:
        file: The ``.pt2`` file.

    Raises:
        UserError: If there is such a part, or the file is no such archive.
    """
    if not zipfile.is_zipfile(file):
        raise UserError(f"'{file}' holds no ExportedProgram; save one with torch.export.save")
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        # Upper and lower case are one to PyTorch's reader.
        parts = {name.lower().partition("/")[2]: name for name in names}
        # Files without a folder are of a PyTorch before 2.8, whose parts are all pickled; of two
        # parts of one name it is not sure which is read.
        if len({name.partition("/")[0] for name in names}) > 1 or len(parts) < len(names):
            raise UserError(
                f"'{file}' is laid out as none of today's ExportedPrograms, and loading it could "
                "execute code; save the network anew with torch.export.save"
            )
        found = [part for part in parts if _executes(part)]
        for part, name in parts.items():
            if part.startswith(_SAMPLES) and not _is_data(archive.read(name)):
                found.append(part)
            if part.startswith("models/") and not _has_plain_sizes(archive.read(name)):
                found.append(part)
            if part.endswith("_config.json"):
                entries = json.loads(archive.read(name)).get("config", {}).values()
                found += [part for entry in entries if entry.get("use_pickle")]
    if found:
        raise UserError(
            f"'{file}' holds '{found[0]}', and loading that could execute code; export the network "
            "with plain tensors alone, or give ONNX"
        )


def _executes(part: str) -> bool:
    legacy = part.endswith(".pt") and not part.startswith(_SAMPLES)
    return legacy or any(word in part for word in (*_OBJECTS, *_COMPILED))


def _is_data(pickled: bytes) -> bool:
    """Whether a part is read without executing anything: else PyTorch would read it regardless."""
    try:
        torch.load(io.BytesIO(pickled), map_location="cpu", weights_only=True)
    except Exception:  # whatever unpickling damaged or hostile bytes raises
        return not pickled
    return True


def _has_plain_sizes(graph: bytes) -> bool:
    """Whether all sizes of a graph, a JSON file, are arithmetic."""
    sizes: list[str] = []

    def note(entry: dict[str, Any]) -> None:
        if "expr_str" in entry:
            sizes.append(entry["expr_str"])

    json.loads(graph.decode(), object_hook=note)
    return all(map(_is_plain_size, set(sizes)))


def _is_plain_size(size: str) -> bool:
    try:
        nodes = list(ast.walk(ast.parse(size.strip(), mode="eval")))
    except SyntaxError:
        return False
    makers = [node.func for node in nodes if isinstance(node, ast.Call)]
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return (
        all(isinstance(node, _SIZE_NODES) for node in nodes)
        and all(isinstance(maker, ast.Name) for maker in makers)
        and all(map(_SIZE_NAME.fullmatch, names))
        and all(map(_SIZE_TEXT.fullmatch, map(str, texts)))
    )
