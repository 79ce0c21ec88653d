"""The tab's own scripts and style sheets, and plotly's script: a fixed table, read once."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from werkzeug import wrappers

from tuner.board.best_trials.answers.requests import ProblemError, Query, handle

_KINDS = {".js": "text/javascript", ".css": "text/css"}
_ROOT = Path(__file__).parents[2] / "static"
INDEX, PLOTLY = "index.js", "plotly.js"
_NO_PLOTLY = (
    "plotly is not installed beside TensorBoard, so this plot cannot be drawn: "
    "pip install 'plotly>=7,<8', then start TensorBoard again"
)


@dataclass(frozen=True)
class _File:
    kind: str
    packed: bytes
    plain: bytes
    tag: str


def serve_static(query: Query) -> wrappers.Response:
    """Answer `static/<name>`: only names that were found in the folder exist.

    Raises:
        ProblemError: it is another name.
    """
    name = query.request.path.rpartition("/static/")[2]
    path = _names().get(name)
    if path is None:
        raise ProblemError("there is no such file", parameter="name", value=name, status=404)
    return _send(query.request, path)


def serve_index(query: Query) -> wrappers.Response:
    """Answer with the module that TensorBoard loads."""
    return _send(query.request, _ROOT / INDEX)


def serve_plotly(query: Query) -> wrappers.Response:
    """Answer with plotly's script.

    Raises:
        ProblemError: it is not installed.
    """
    path = plotly_path()
    if path is None:
        raise ProblemError(_NO_PLOTLY, status=404)
    return _send(query.request, path)


def static_routes() -> dict[str, Any]:
    """Return the applications for these files by route."""
    return {
        f"/{INDEX}": handle(serve_index),
        "/static/*": handle(serve_static),
        f"/{PLOTLY}": handle(serve_plotly),
    }


@cache
def plotly_path() -> Path | None:
    """Return the path of the script in plotly's package; None: it is not installed."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "package_data" / "plotly.min.js"
    return path if path.is_file() else None


@cache
def _names() -> dict[str, Path]:
    return {
        path.relative_to(_ROOT).as_posix(): path
        for path in _ROOT.rglob("*")
        if path.suffix in _KINDS and path.is_file()
    }


def _send(request: wrappers.Request, path: Path) -> wrappers.Response:
    file = _read(path, path.stat().st_mtime_ns)
    packs = "gzip" in request.headers.get("Accept-Encoding", "")
    response = wrappers.Response(file.packed if packs else file.plain, content_type=file.kind)
    response.headers["ETag"] = f'"{file.tag}"'
    # Cached, but always revalidated: a newer release has files of the same names.
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Vary"] = "Accept-Encoding"
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    return response.make_conditional(request)


@cache
def _read(path: Path, _changed_ns: int) -> _File:
    """Return a file; it is read again when it has changed, so that editing needs no restart."""
    content = path.read_bytes()
    kind = f"{_KINDS[path.suffix]}; charset=utf-8"
    tag = hashlib.sha256(content).hexdigest()[:32]
    return _File(kind, gzip.compress(content, 6), content, tag)
