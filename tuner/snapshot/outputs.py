"""Outputs beside the code, which a snapshot leaves out with a notice: logs, plots, models.

What the code reads must be kept. So a picture or an array is kept if the code names it (see
`mentions`), and everything else only if it is small.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tuner.snapshot.ignore import IGNORE_FILE, parse_rule

#: Bytes above which a file that no code names is taken for data.
LARGE_BYTES = 2 << 20

#: Left out unless the code names the very file.
_LOGS = (
    "*.log",
    "*.log.[0-9]*",
    "*.out",
    "*.err",
    "nohup.out",
    "wandb/",
    "mlruns/",
    "lightning_logs/",
    "catboost_info/",
)
#: Folders of which everything but modules is left out, likewise.
_FOLDERS = (
    "artifacts",
    "checkpoints",
    "ckpt",
    "ckpts",
    "fig",
    "figs",
    "figures",
    "logs",
    "out",
    "output",
    "outputs",
    "plots",
    "reports",
    "results",
    "runs",
    "saved_models",
    "tb_logs",
    "tensorboard",
)
#: Left out unless the code names the file, its kind or its folder.
_PICTURES = (
    ".bmp",
    ".eps",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pdf",
    ".png",
    ".svg",
    ".tif",
    ".tiff",
    ".webp",
)
_MODELS = (".ckpt", ".h5", ".hdf5", ".keras", ".onnx", ".pt", ".pth", ".safetensors", ".tflite")
_ARRAYS = (".joblib", ".npy", ".npz", ".pickle", ".pkl")
_MODULES = (".py", ".so", ".pyc")

_LOG_RULES = [rule for line in _LOGS if (rule := parse_rule(line)) is not None]
_MAX_NAMES = 4


@dataclass(frozen=True, kw_only=True)
class FoundOutputs:
    """A file of the folder: `path` relative and with slashes, `size` in bytes."""

    path: str
    size: int


def is_by_name_output(path: str) -> bool:
    """Return whether a file's name marks it as a log or as part of a folder of outputs."""
    if path.endswith(_MODULES):
        return False
    parts = path.split("/")
    if any(part in _FOLDERS for part in parts[:-1]):
        return True
    for depth in range(1, len(parts) + 1):
        name, folder = "/".join(parts[:depth]), depth < len(parts)
        if any((folder or not r.only_folders) and r.pattern.fullmatch(name) for r in _LOG_RULES):
            return True
    return False


def is_likely_output(path: str) -> bool:
    """Return whether a file is a picture, a model or an array by its kind, or an output by name."""
    name = posixpath.basename(path).lower()
    return (
        is_by_name_output(path)
        or name.endswith((*_PICTURES, *_MODELS, *_ARRAYS))
        or ".ckpt." in name
    )


def choose_outputs(
    files: Iterable[FoundOutputs],
    names_file: Callable[[str], bool],
    names_kind: Callable[[str], bool],
) -> list[FoundOutputs]:
    """Return the files that are left out.

    Args:
        files: of the folder, without those that the user's ignore file decides on.
        names_file: whether the code names this very file.
        names_kind: whether it names the file, its kind (`*.png`) or its folder.
    """
    return [
        file
        for file in files
        if not file.path.endswith(_MODULES) and not _is_kept(file, names_file, names_kind)
    ]


def _is_kept(
    file: FoundOutputs, names_file: Callable[[str], bool], names_kind: Callable[[str], bool]
) -> bool:
    if is_by_name_output(file.path):
        return names_file(file.path)
    if is_likely_output(file.path) or file.size > LARGE_BYTES:
        return names_kind(file.path)
    return True


def describe_left_out(left_out: Iterable[FoundOutputs], kept: Iterable[str]) -> str:
    """Return a sentence on what was left out, with wholly omitted folders as one item; or "".

    Args:
        kept: paths of the files that were included.
    """
    taken = {parent for path in kept for parent in _parents(path)}
    sizes: dict[str, int] = {}
    for file in left_out:
        folder = next((p for p in _parents(file.path) if p not in taken), None)
        name = file.path if folder is None else f"{folder}/"
        sizes[name] = sizes.get(name, 0) + file.size
    if not sizes:
        return ""
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    shown = [f"{printable(name)} ({_size(sizes[name])})" for name in names[:_MAX_NAMES]]
    if len(names) > _MAX_NAMES:
        shown.append(f"{len(names) - _MAX_NAMES} more")
    return (
        f"{', '.join(shown)}: outputs and large files that the code does not name; "
        f"a line !{printable(names[0])} in {IGNORE_FILE} takes one along"
    )


def printable(path: str) -> str:
    """Return a path in a form that can be printed and sent, whatever bytes its name has."""
    text = path.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _parents(path: str) -> list[str]:
    """Return the folders that contain a file, outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{max(1, round(size / 1e3))} kB"
