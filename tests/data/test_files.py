import os
from collections.abc import Callable
from pathlib import Path

import pytest

from iciclegcn.data.decode import UnreadableImageError
from iciclegcn.data.files import FileSource, open_folder, open_list
from iciclegcn.errors import UserError

SaveImage = Callable[..., Path]


def reason(source: FileSource, index: int) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        source.read(index, 4, 1)
    return str(caught.value)


def test_folder_lists_images_at_any_depth_in_sorted_order(
    tmp_path: Path, save_image: SaveImage
) -> None:
    names = ["b.png", "a/z.JPG", "a/b/c.Tiff", "a.webp", "B.gif", "c.jpeg", "d.bmp", "e.tif"]
    for grey, name in enumerate(sorted(names)):
        save_image(tmp_path / name, 20 * grey)
    (tmp_path / "notes.txt").write_text("no image")
    source = open_folder("x", tmp_path)
    assert source.paths == sorted(names)
    assert source.read(6, 4, 1)[0, 0, 0] == pytest.approx(20 * 6, abs=2)


def test_folder_leaves_hidden_files_out(tmp_path: Path, save_image: SaveImage) -> None:
    for name in ("kept.png", ".hidden.png", ".folder/x.png", "__MACOSX/x.png", "a/._x.png"):
        save_image(tmp_path / name)
    assert open_folder("x", tmp_path).paths == ["kept.png"]


def test_folder_leaves_run_folders_out(tmp_path: Path, save_image: SaveImage) -> None:
    for name in ("kept.png", "runs/first/suggest_k.png", "runs/kept.png", "app/kept.png"):
        save_image(tmp_path / name)
    for name in ("runs/first/manifest.json", "runs/first/config.yaml", "app/manifest.json"):
        (tmp_path / name).touch()
    expected = ["app/kept.png", "kept.png", "runs/kept.png"]
    assert open_folder("photos", tmp_path).paths == expected


def test_folder_follows_links_but_not_in_circles(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "data" / "a" / "x.png")
    save_image(tmp_path / "elsewhere" / "y.png")
    (tmp_path / "data" / "a" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "elsewhere")
    assert open_folder("x", tmp_path / "data").paths == ["a/x.png", "b/y.png"]


def test_broken_link_is_an_unreadable_image(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    source = open_folder("x", tmp_path)
    assert source.paths == ["a.png", "b.png"]
    assert reason(source, 1) == "no such file"


def test_pipe_named_like_an_image_is_left_out(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert open_folder("x", tmp_path).paths == ["a.png"]


def test_name_that_is_not_utf8_is_read_and_shown_with_a_mark(
    tmp_path: Path, save_image: SaveImage
) -> None:
    save_image(tmp_path / "a.png", 9).rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    source = open_folder("x", tmp_path)
    assert source.paths == ["�.png"]
    assert source.read(0, 4, 1)[0, 0, 0] == 9
    assert len(source.fingerprint()) == 64


@pytest.mark.parametrize("fill", [[], ["notes.txt"], [".hidden/x.png"]])
def test_folder_without_images_is_refused(
    tmp_path: Path, save_image: SaveImage, fill: list[str]
) -> None:
    for name in fill:
        path = tmp_path / name
        save_image(path) if path.suffix == ".png" else path.write_text("")
    with pytest.raises(UserError, match="holds no images"):
        open_folder("x", tmp_path)


def test_fingerprint_follows_the_files(tmp_path: Path, save_image: SaveImage) -> None:
    image = save_image(tmp_path / "a.png")

    def fingerprint() -> str:
        return open_folder("x", tmp_path).fingerprint()

    seen = [fingerprint()]
    assert fingerprint() == seen[0]
    os.utime(image, ns=(0, 1))
    seen.append(fingerprint())
    image.chmod(0o600 if image.stat().st_mode & 0o777 != 0o600 else 0o644)
    seen.append(fingerprint())
    save_image(tmp_path / "b.png")
    seen.append(fingerprint())
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    seen.append(fingerprint())
    assert len(set(seen)) == len(seen)


def test_text_list_keeps_its_order_and_is_relative_to_itself(
    tmp_path: Path, save_image: SaveImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = save_image(tmp_path / "far" / "x.png", 30)
    save_image(tmp_path / "lists" / "b.png", 10)
    save_image(tmp_path / "lists" / "a.png", 20)
    file = tmp_path / "lists" / "list.txt"
    file.write_text(f"\ufeffb.png\n\n# a remark\n  a.png \r\n{far}\n../far/x.png\n")
    monkeypatch.chdir(tmp_path / "far")
    source = open_list("x", file)
    assert source.paths == ["b.png", "a.png", str(far), "../far/x.png"]
    assert [int(source.read(i, 4, 1)[0, 0, 0]) for i in range(4)] == [10, 20, 30, 30]
    assert source.locations()[3] == str(far.resolve())


@pytest.mark.parametrize(
    "text",
    [
        "id,path\n1,b.png\n2,a.png\n",
        "Path\nb.png\na.png\n",
        "file,label\nb.png,cat\na.png,dog\n",
        'b.png,cat\n"a.png",dog\n',
    ],
)
def test_csv_list_takes_the_path_column_or_the_first(
    tmp_path: Path, save_image: SaveImage, text: str
) -> None:
    save_image(tmp_path / "a.png")
    save_image(tmp_path / "b.png")
    file = tmp_path / "list.csv"
    file.write_text(text)
    assert open_list("x", file).paths == ["b.png", "a.png"]


def test_missing_files_of_a_list_are_unreadable(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "a.png")
    file = tmp_path / "list.txt"
    file.write_text("gone.png\na.png\nnull\0.png\n" + "long" * 200 + ".png\n")
    source = open_list("x", file)
    assert reason(source, 0) == "no such file"
    assert "null" in reason(source, 2)
    assert "too long" in reason(source, 3)
    assert source.read(1, 4, 1).shape == (1, 4, 4)
    assert len(source.fingerprint()) == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no images"),
        (b"# only a remark\n", "names no images"),
        (b"\xff\xd8\xff\xe0", "UTF-8"),
        (b"gone.png\nlost.png\n", "none of the 2 files .*gone.png"),
    ],
)
def test_lists_without_images_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    with pytest.raises(UserError, match=message):
        open_list("x", file)


def test_empty_csv_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("\n")
    with pytest.raises(UserError, match="names no images"):
        open_list("x", file)
