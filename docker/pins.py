"""Writes docker/pins.toml into the files that name an image, an action or a tool: `make pins`.

python docker/pins.py            write; says which files were changed
python docker/pins.py --check    change nothing; exit status 1 where a file says something else
python docker/pins.py --resolve  first ask the registries what the tags are now, and note it there
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Where pins are written; other files may quote an old one, as the changelog does.
_PLACES = ("docker", "docs", ".ci", ".github", ".gitlab-ci.yml", "Makefile", "README.md")
_SUFFIXES = ("", ".Dockerfile", ".yaml", ".yml", ".sh", ".md", ".env", ".example")
_HEX = re.compile(r"[0-9a-f]+")
#: What stands before an image that a file runs or builds on.
_BEFORE_IMAGE = r"(?:image: *[\"']?|FROM (?:--\S+ )*|^ARG \w+=|IMAGE[:=] *[\"']?)"


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What docker/pins.toml says: references, commits with their version, versions."""

    images: dict[str, str]
    actions: dict[str, str]
    tools: dict[str, str]

    def write_into(self, text: str) -> str:
        """Return `text` with every image, action and tool that is known as it is pinned."""
        for image in self.images.values():
            name = re.escape(image.partition("@")[0].rpartition(":")[0])
            tag = r"[\w.-]+"
            text = re.sub(rf"(?<![\w./-]){name}:{tag}@sha256:[0-9a-f]+", image, text)
            loose = rf"({_BEFORE_IMAGE}){name}(?::{tag})?(?![\w:@./-])"
            text = re.sub(loose, rf"\g<1>{image}", text, flags=re.MULTILINE)
        for action, commit in self.actions.items():
            used = rf"(uses: *){re.escape(action)}((?:/[\w./-]+)?)@\S+(?: +#.*)?"
            text = re.sub(used, rf"\g<1>{action}\g<2>@{commit}", text)
        for tool, version in self.tools.items():
            name = tool.upper().replace("-", "_")
            text = re.sub(rf"(\b{name}_VERSION *:?[=:] *[\"']?)[\w.]+", rf"\g<1>{version}", text)
        return text


def load_pins(path: Path) -> Pins:
    """Return what a file of pins says.

    Raises:
        ValueError: an image has no tag or no digest, or an action no commit.
    """
    found = tomllib.loads(path.read_text())
    for key, image in found["images"].items():
        name, _, digest = image.partition("@sha256:")
        if ":" not in name or len(digest) != 64 or not _HEX.fullmatch(digest):
            raise ValueError(f"{path}: images.{key}: {image}: NAME:TAG@sha256:DIGEST")
    for action, commit in found["actions"].items():
        if not re.fullmatch(r"[0-9a-f]{40} # v[\w.]+", commit):
            raise ValueError(f"{path}: actions.{action}: {commit}: COMMIT # VERSION")
    return Pins(images=found["images"], actions=found["actions"], tools=found["tools"])


def pinned_files(root: Path) -> Iterator[Path]:
    """Yield the files that pins are written into."""
    for place in _PLACES:
        path = root / place
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.is_file() and file.suffix in _SUFFIXES)


def stale_files(root: Path, pins: Pins) -> dict[Path, str]:
    """Return the files that say something else than the pins, each with the text it should have."""
    stale = {}
    for path in pinned_files(root):
        text = path.read_text()
        wanted = pins.write_into(text)
        if wanted != text:
            stale[path] = wanted
    return stale


def resolve(path: Path, pins: Pins) -> None:
    """Ask each registry, and the home of each action, what the tags are now; write it into `path`.

    Raises:
        RuntimeError: one of them did not answer; nothing was written.
    """
    text = path.read_text()
    for image in pins.images.values():
        tagged = image.partition("@")[0]
        digest = _ask("docker", "buildx", "imagetools", "inspect", tagged).partition("Digest:")[2]
        text = text.replace(image, f"{tagged}@{digest.split()[0]}")
    for action, commit in pins.actions.items():
        version = commit.partition("# ")[2]
        tag = f"refs/tags/{version}"
        # A tag with a message is an object of its own; the commit behind it comes last.
        lines = _ask("git", "ls-remote", f"https://github.com/{action}", tag, f"{tag}^{{}}")
        text = text.replace(commit, f"{lines.splitlines()[-1].split()[0]} # {version}")
    path.write_text(text)


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        said = (done.stderr.strip() or "no answer").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command)}: {said}; nothing was changed")
    return done.stdout


def main() -> int:
    """Write, check or resolve; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    parser.add_argument("--resolve", action="store_true", help="ask the registries first")
    arguments = parser.parse_args()
    path = ROOT / "docker" / "pins.toml"
    try:
        if arguments.resolve:
            resolve(path, load_pins(path))
        stale = stale_files(ROOT, load_pins(path))
    except (ValueError, RuntimeError) as exc:
        print(f"pins: {exc}", file=sys.stderr)
        return 2
    for file, text in stale.items():
        if not arguments.check:
            file.write_text(text)
        said = (
            "says something else than docker/pins.toml" if arguments.check else "brought up to date"
        )
        print(f"pins: {file.relative_to(ROOT)} {said}")
    if not stale:
        print("pins: every file says what docker/pins.toml says")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
