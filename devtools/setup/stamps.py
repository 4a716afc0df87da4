"""Remembers which set-up steps are done, by a hash of what each was made from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from devtools.paths import LOCAL

FOLDER = LOCAL / "stamps"


def digest(paths: Iterable[Path] = (), words: Iterable[str] = ()) -> str:
    """Hash the names and contents of files, of all files below folders, and some words.

    :raises FileNotFoundError: for an input that is not there, rather than calling the step done.
    """
    hashed = hashlib.sha256()
    for word in words:
        hashed.update(f"{word}\n".encode())
    for path in sorted(file for given in paths for file in _files(given)):
        hashed.update(f"{path}\n".encode())
        hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def is_current(step: str, wanted: str, products: Iterable[Path], folder: Path) -> bool:
    """Tell whether the step was done with the same inputs and all that it made is still there."""
    try:
        return (folder / step).read_text() == wanted and all(product.exists() for product in products)
    except FileNotFoundError:
        return False


def write(step: str, wanted: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / step).write_text(wanted)


def forget(step: str, folder: Path) -> None:
    """Call the step undone: it is about to change what it made before, and may fail halfway."""
    (folder / step).unlink(missing_ok=True)


def _files(path: Path) -> Iterable[Path]:
    if not path.exists():
        raise FileNotFoundError(f"set-up needs {path}, which is missing from this checkout")
    if path.is_dir():
        return (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return (path,)
