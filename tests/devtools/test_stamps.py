"""Set-up repeats a step when what it was made from changed, and only then."""

from pathlib import Path

import pytest

from devtools.setup import stamps


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.css").write_text("a")
    return folder


def test_a_step_is_current_until_a_file_changes(source: Path, marks: Path) -> None:
    stamps.write("assets", stamps.digest([source]), marks)
    assert stamps.is_current("assets", stamps.digest([source]), (), marks)
    (source / "a.css").write_text("b")
    assert not stamps.is_current("assets", stamps.digest([source]), (), marks)


@pytest.mark.parametrize("change", ["add", "rename", "remove"])
def test_names_count_as_well_as_contents(source: Path, change: str) -> None:
    (source / "b.css").write_text("b")
    before = stamps.digest([source])
    if change == "add":
        (source / "c.css").write_text("")
    elif change == "rename":
        (source / "b.css").rename(source / "c.css")
    else:
        (source / "b.css").unlink()
    assert stamps.digest([source]) != before


def test_compiled_files_do_not_count(source: Path) -> None:
    before = stamps.digest([source])
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert stamps.digest([source]) == before


def test_words_are_kept_apart() -> None:
    assert stamps.digest(words=["ab", "c"]) != stamps.digest(words=["a", "bc"])


def test_a_step_whose_product_is_gone_is_not_current(tmp_path: Path, marks: Path) -> None:
    product = tmp_path / "product"
    stamps.write("npm", "x", marks)
    assert not stamps.is_current("npm", "x", (product,), marks)
    product.mkdir()
    assert stamps.is_current("npm", "x", (product,), marks)


def test_a_forgotten_step_is_not_current(marks: Path) -> None:
    stamps.write("venv", "x", marks)
    stamps.forget("venv", marks)
    stamps.forget("venv", marks)
    assert not stamps.is_current("venv", "x", (), marks)


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"assets.*missing"):
        stamps.digest([tmp_path / "assets"])
