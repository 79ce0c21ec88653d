"""The scripts that draw a report's plots: plotly and the tab's own modules, in one file.

A page opened from a mail has no server to ask. A browser loads modules only by their addresses, so
each module is in the page as an address that contains it (`data:`), and an import map maps its name
to that. Plotly is compressed, 2 MB instead of 5: browsers decompress it themselves.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import posixpath
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tuner.board.best_trials.report.html import Html

#: The folder of the modules; only these are ever put into a page.
STATIC = Path(__file__).resolve().parents[2] / "static"
_ENTRY = "report/report.js"
_STYLES = ("report/report.css", "plots/plots.css")
_IMPORT = re.compile(r"""(\b(?:from|import)\s*\(?\s*)(["'])(\.{1,2}/[^"']+\.js)\2""")
#: Prefix of a module's path in the import map.
_SCHEME = "tuner:"


def has_plots() -> bool:
    """Return whether the modules of the plots, and plotly's script, are installed here."""
    return _plotly_path() is not None and (STATIC / "plots" / "catalogue.js").is_file()


def styles() -> Html:
    """Return the style sheets of the page."""
    sheets = (STATIC / name for name in _STYLES)
    text = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets if sheet.is_file())
    # The plots link their style sheet themselves if the page lacks it.
    return Html(f"<style data-plot-styles>{text.replace('</', '<_')}</style>")


@lru_cache(maxsize=1)
def scripts() -> Html:
    """Return import map, plotly's script and the module that draws; empty without plots."""
    plotly = _plotly_path()
    if plotly is None or not has_plots():
        return Html("")
    addresses = {f"{_SCHEME}{name}": _address(body) for name, body in _modules().items()}
    packed = base64.b64encode(gzip.compress(plotly.read_bytes(), 9, mtime=0)).decode()
    return Html(
        f'<script type="importmap">{json.dumps({"imports": addresses})}</script>\n'
        f'<script type="text/plain" id="plotly">{packed}</script>\n'
        f'<script type="module">import "{_SCHEME}{_ENTRY}";</script>'
    )


def _modules() -> dict[str, str]:
    """Return the modules that the entry needs, by path, with imports by names in the map."""
    found: dict[str, str] = {}
    waiting = [_ENTRY]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        whole = (STATIC / name).read_text(encoding="utf-8")
        folder = posixpath.dirname(name)
        code = re.sub(r"/\*\*.*?\*/\n?", "", whole, flags=re.DOTALL)
        paths = {path: posixpath.normpath(f"{folder}/{path}") for path in _needed(code)}
        found[name] = _renamed(code, paths)
        waiting += paths.values()
    return found


def _needed(code: str) -> list[str]:
    return [match[3] for match in _IMPORT.finditer(code)]


def _renamed(code: str, paths: Mapping[str, str]) -> str:
    def name(match: re.Match[str]) -> str:
        return f'{match[1]}"{_SCHEME}{paths[match[3]]}"'

    return _IMPORT.sub(name, code)


def _address(body: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(body.encode()).decode()}"


def _plotly_path() -> Path | None:
    """Return the script in the package plotly, which is not imported; None without one."""
    spec = importlib.util.find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    return None
