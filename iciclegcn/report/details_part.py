"""The small print: how the run was made, and where everything is."""

import shlex

from iciclegcn.config.values import to_yaml
from iciclegcn.progress import duration
from iciclegcn.report.contents import Contents
from iciclegcn.report.html import details, section, table, text
from iciclegcn.report.part import Part
from iciclegcn.run_folder.manifest import DONE

_FILES = (
    ("assignments.csv", "the cluster of every item, with its confidence"),
    ("clusters.csv", "size, confidence, density and nearest cluster of every cluster"),
    ("outliers.csv", "items far from their neighbours"),
    ("near_duplicates.csv", "groups of items that are all but equal"),
    ("metrics.json", "every figure of this page"),
    ("history.jsonl", "every loss term by step"),
    ("config.yaml", "every choice of the run"),
    ("figures", "the figures of this page as SVG"),
)


def details_part(contents: Contents) -> Part:
    """Stages and times, versions, files, and the configuration."""
    manifest = contents.manifest
    times = []
    for stage in manifest.stages:
        known = manifest.stage(stage)
        if manifest.state(stage) == DONE:
            runtime = known.get("runtime") or {}
            computed = ", ".join(
                str(runtime[key]) for key in ("device", "precision") if key in runtime
            )
            times.append([stage, duration(float(known.get("seconds", 0))), computed])
    versions = [[name, version] for name, version in manifest.versions.items()]
    files = [
        [name, text]
        for name, text in _FILES
        if name == "figures" or (contents.path / name).exists()
    ]
    again = f"iciclegcn report {shlex.quote(contents.path.name)}"
    html = section(
        "details",
        "Details",
        f"Seed {contents.config.seed}. <code>{text(again)}</code>, from the folder above, makes "
        "this page again.",
        table(["stage", "time", "computed on"], times, "Stages", names=3),
        table(["file", "what it holds"], files, "Files beside this page", names=2),
        details("Versions", table(["package", "version"], versions, "Versions", names=2)),
        details("Configuration", f"<pre tabindex='0'>{text(to_yaml(contents.config))}</pre>"),
    )
    return Part("details", "Details", html)
