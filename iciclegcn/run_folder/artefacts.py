"""The results in a run folder: what each stage writes and the next one reads."""

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.errors import UserError
from iciclegcn.evaluation.near_duplicates import NearDuplicates
from iciclegcn.evaluation.outliers import Outliers
from iciclegcn.evaluation.per_cluster import ClusterTable
from iciclegcn.evaluation.per_image import UNASSIGNED, image_facts
from iciclegcn.run_folder import tables
from iciclegcn.run_folder.files import read_csv, read_json, write_atomically, write_csv, write_json
from iciclegcn.run_folder.tables import Assignments

if TYPE_CHECKING:
    from torch import Tensor

# What must be there for a stage to count as finished.
ARTEFACTS: dict[str, tuple[str, ...]] = {
    "data": ("images.csv",),
    "pretrain": ("checkpoints/pretrain.safetensors",),
    "embed": ("features.npy", "pretrained_code.npy"),
    "extract": ("features.npy",),
    "graph": ("neighbors.npz",),
    "encode": ("checkpoints/encoder.safetensors", "pretrained_code.npy"),
    "cluster": ("checkpoints/mgcn.safetensors", "assignments_soft.npz", "assignments.csv"),
    "train": ("checkpoints/classifier.safetensors",),
    "assign": ("features.npy", "assignments_soft.npz", "assignments.csv"),
    "evaluate": ("metrics.json", "clusters.csv", "outliers.csv", "near_duplicates.csv"),
}

_IMAGES = ("index", "position", "path")
_REMEDY = "delete it, and 'iciclegcn run' with the same options makes it again"


class Listing(NamedTuple):
    """The images of a run, row by row.

    Attributes:
        paths: What names each image.
        kept: Position of each in the source's listing, int64 [N].
    """

    paths: list[str]
    kept: npt.NDArray[np.int64]


class RunArtefacts:
    """Reads and writes the results of one run folder.

    Reading needs no lock: every file appears whole.

    Args:
        path: The run folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exist(self, stage: str) -> bool:
        """Whether all results of a stage are there."""
        return all((self.path / name).is_file() for name in ARTEFACTS[stage])

    def write_listing(
        self,
        paths: Sequence[str],
        kept: npt.NDArray[np.int64],
        skipped: Sequence[tuple[str, str]],
    ) -> None:
        """Write ``images.csv``, and ``skipped.csv`` where images are unreadable."""
        if skipped:
            write_csv(self.path / "skipped.csv", ("path", "reason"), skipped)
        else:
            (self.path / "skipped.csv").unlink(missing_ok=True)
        rows = ((index, kept[index], path) for index, path in enumerate(paths))
        write_csv(self.path / "images.csv", _IMAGES, rows)

    def read_listing(self) -> Listing:
        """Read ``images.csv``."""
        file = self.path / "images.csv"
        rows = read_csv(file, _IMAGES)
        try:
            return Listing([row[2] for row in rows], np.array([int(row[1]) for row in rows]))
        except ValueError as error:
            raise UserError(f"'{file}' is damaged; {_REMEDY}") from error

    def write_model(
        self, name: str, state: Mapping[str, "Tensor"], metadata: Mapping[str, object]
    ) -> None:
        """Write ``checkpoints/<name>.safetensors``: tensors and JSON, nothing executable."""
        from safetensors.torch import save  # imports torch

        # The file has no memory formats: channels_last weights are laid out anew.
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
        content = save(tensors, {"iciclegcn": json.dumps(metadata)})
        write_atomically(self._model(name), lambda stream: stream.write(content))

    def read_model(self, name: str) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
        """Tensors on the CPU and metadata of a finished model.

        Raises:
            UserError: If the file is absent or damaged.
        """
        from safetensors import SafetensorError, safe_open  # imports torch

        file = self._model(name)
        try:
            with safe_open(file, framework="pt") as content:
                metadata = json.loads(content.metadata()["iciclegcn"])
                return {key: content.get_tensor(key) for key in content.keys()}, metadata  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"'{file}' is absent or damaged; {_REMEDY}") from error

    def write_array(self, name: str, array: npt.NDArray[Any]) -> None:
        """Write ``<name>.npy``."""
        write_atomically(self.path / f"{name}.npy", lambda stream: np.save(stream, array))

    def write_rows(
        self, name: str, blocks: Iterable[npt.NDArray[np.float32]], shape: tuple[int, int]
    ) -> None:
        """Write ``<name>.npy`` some rows at a time.

        Args:
            name: Without its ending.
            blocks: The rows in order, float32 [n, D] each.
            shape: (N, D) of all of them.
        """
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}

        def write(stream: BinaryIO) -> None:
            np.lib.format.write_array_header_1_0(stream, header)
            for rows in blocks:
                stream.write(np.ascontiguousarray(rows, "<f4").data)

        write_atomically(self.path / f"{name}.npy", write)

    def read_array(self, name: str, *, mapped: bool = False) -> npt.NDArray[Any]:
        """Read ``<name>.npy``, or map it into memory: changes do not reach the file."""
        file = self.path / f"{name}.npy"
        try:
            array: npt.NDArray[Any] = np.load(
                file, mmap_mode="c" if mapped else None, allow_pickle=False
            )
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"'{file}' is absent or damaged; {_REMEDY}") from error
        return array

    def write_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write ``<name>.npz``."""
        contents: dict[str, Any] = dict(arrays)
        write_atomically(self.path / f"{name}.npz", lambda stream: np.savez(stream, **contents))

    def read_arrays(self, name: str, *wanted: str) -> dict[str, npt.NDArray[Any]]:
        """Read ``<name>.npz``: all its arrays, or the wanted ones alone."""
        file = self.path / f"{name}.npz"
        try:
            with np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in wanted or archive.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"'{file}' is absent or damaged; {_REMEDY}") from error

    def write_assignments(
        self,
        paths: Sequence[str],
        probabilities: npt.NDArray[Any],
        heads: Sequence[npt.NDArray[Any]] = (),
        *,
        abstain: float = 0.0,
    ) -> None:
        """Write ``assignments.csv``: each image's most probable cluster, rows in index order.

        Args:
            paths: What names each image.
            probabilities: Soft assignments [N, K].
            heads: Those [N, K] of the streams, or networks, behind them: they agree or not.
            abstain: Share of the images left unassigned: the least certain.
        """
        facts = image_facts(probabilities, heads, abstain=abstain)
        tables.write_assignments(self.path / "assignments.csv", paths, facts)

    def read_assignments(self) -> Assignments:
        """Read ``assignments.csv``."""
        return tables.read_assignments(self.path / "assignments.csv")

    def read_every_cluster(self) -> npt.NDArray[np.int64]:
        """Clusters int64 [N]; where the image was left unassigned, its most probable one."""
        clusters = self.read_assignments().clusters
        left_out = clusters == UNASSIGNED
        if left_out.any():
            soft = self.read_arrays("assignments_soft", "output")["output"]
            clusters[left_out] = soft[left_out].argmax(axis=1)
        return clusters

    def write_clusters(self, table: ClusterTable) -> None:
        """Write ``clusters.csv``: one row a cluster."""
        tables.write_clusters(self.path / "clusters.csv", table)

    def read_clusters(self) -> ClusterTable:
        """Read ``clusters.csv``."""
        return tables.read_clusters(self.path / "clusters.csv")

    def write_outliers(self, outliers: Outliers, given: Assignments) -> None:
        """Write ``outliers.csv``, with the paths and clusters that were given."""
        file = self.path / "outliers.csv"
        tables.write_outliers(file, outliers, given.paths, given.clusters)

    def read_outliers(self) -> Outliers:
        """Read ``outliers.csv``."""
        return tables.read_outliers(self.path / "outliers.csv")

    def write_near_duplicates(self, found: NearDuplicates, paths: Sequence[str]) -> None:
        """Write ``near_duplicates.csv``, with the paths of all images."""
        tables.write_near_duplicates(self.path / "near_duplicates.csv", found, paths)

    def read_near_duplicates(self) -> NearDuplicates:
        """Read ``near_duplicates.csv``."""
        return tables.read_near_duplicates(self.path / "near_duplicates.csv")

    def write_graph(self, facts: Mapping[str, object]) -> None:
        """Write ``graph.json``: how neighbours were searched, and what the graphs look like."""
        write_json(self.path / "graph.json", facts)

    def read_graph(self) -> dict[str, Any]:
        """Read ``graph.json``."""
        return read_json(self.path / "graph.json")

    def write_metrics(self, metrics: Mapping[str, object]) -> None:
        """Write ``metrics.json``."""
        write_json(self.path / "metrics.json", metrics)

    def read_metrics(self) -> dict[str, Any]:
        """Read ``metrics.json``."""
        return read_json(self.path / "metrics.json")

    def _model(self, name: str) -> Path:
        return self.path / "checkpoints" / f"{name}.safetensors"
