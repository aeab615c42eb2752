import json
from pathlib import Path

import pytest

from iciclegcn.cli.main import main
from iciclegcn.data.named import NAMED


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ICICLEGCN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def test_every_data_set_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "images", "pixels", "clusters", "here"]
    assert [line.split()[0] for line in lines] == list(NAMED)
    assert " ".join(lines[0].split()) == "digits 1,797 8 x 8 10 yes comes with scikit-learn"
    assert "60,000   32 x 32  20        no    downloaded into 'data' when first used" in lines[3]
    assert " any " in lines[6]


def test_another_root_is_looked_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sets" / "cifar-10-batches-py").mkdir(parents=True)
    assert main(["datasets", "--root", "sets", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == set(NAMED)
    assert found["cifar10"]["here"] is True
    assert found["cifar10"]["where"] == str(Path("sets/cifar-10-batches-py"))
    assert found["cifar10"]["num_images"] == 60000
    assert found["cifar100"]["here"] is False


def test_a_root_that_is_no_folder_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "--root", "nowhere"]) == 2
    assert "'--root' must be a folder (got 'nowhere')" in capsys.readouterr().err
