import subprocess
import sys

import pytest

import iciclegcn


def test_every_public_name_loads_from_its_home() -> None:
    for name in iciclegcn.__all__:
        assert getattr(iciclegcn, name).__name__ == name


def test_unknown_names_are_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'cluster_everything'"):
        _ = iciclegcn.cluster_everything


def test_naming_the_configuration_loads_no_torch() -> None:
    program = (
        "import sys, iciclegcn; iciclegcn.preset_config('quick', 'digits'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
