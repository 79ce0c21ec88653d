"""What is not pinned in a repository: images, actions, packages.

Files are read as text, line by line, so that examples in documentation and templates count as well.
Of a distribution's packages only those of an image build count: a CI host's are signed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: An image that cannot change: a name, perhaps a tag, and the digest that decides.
PINNED = re.compile(r"[a-z0-9][a-z0-9._:/-]*@sha256:(?:[0-9a-f]{64}|…)")
#: What whoever deploys has to state, or what a pipeline has pushed just before, by digest.
_STATED = re.compile(
    # GitLab's inputs, which tests/unit/test_ci_files.py sees to be digests.
    r"\$\{?[A-Z_]+(?::\?.*|\})?\}?|\$\{\{.*\}\}|\$\[\[ inputs\.\w+_image \]\]"
)
_ACTION = re.compile(r"\./.*|[\w.-]+/[\w./-]+@[0-9a-f]{40}|docker://\S+@sha256:[0-9a-f]{64}")
#: Files of other tools that are read here, and specs that are wrong on purpose.
_FOREIGN = ("tests/data/", "tests/unit/broken_specs/", "node_modules/")
_SPEAKS = re.compile(r"\s*(?:#|//|@?(?:say|echo|printf|fail|refuse)\b)")


def problems(root: Path) -> list[str]:
    """Return what is not pinned below `root`, each as "path:line: what"."""
    found = []
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        if not name.startswith(_FOREIGN):
            text = path.read_text(errors="replace")
            found += [f"{name}:{line}: {what}" for line, what in problems_of(name, text)]
    return found


def _files(root: Path) -> list[Path]:
    """Return the files that git knows or would add; without git, all that there are."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        return [path for path in sorted(root.rglob("*")) if path.is_file()]
    paths = [root / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def problems_of(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each line of a file that has something unpinned, and what."""
    for names, check in _CHECKS:
        if re.search(names, name):
            yield from check(text)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text, those that go on with a backslash as one, with their numbers."""
    start, whole = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not whole:
            start = number
        whole += line.removesuffix("\\") + " " if line.endswith("\\") else line
        if not line.endswith("\\"):
            yield start, whole
            whole = ""
    if whole:
        yield start, whole


def _of_dockerfile(text: str) -> Iterator[tuple[int, str]]:
    arguments: dict[str, str] = {}
    stages: set[str] = set()
    for number, line in _joined(text):
        if given := re.match(r"ARG (\w+)(?:=(\S*))?", line):
            arguments[given[1]] = given[2] or ""
        copied = re.match(r"COPY .*--from=(\S+)", line)
        base = re.match(r"FROM (?:--\S+ )*(\S+)(?: AS (\S+))?", line, re.IGNORECASE)
        if base and base[2]:
            stages.add(base[2])
        for image in [found[1] for found in (base, copied) if found]:
            variable = re.fullmatch(r"\$\{?(\w+)\}?", image)
            # An argument without a default makes whoever builds name an image.
            known = arguments.get(variable[1], image) if variable else image
            if known and known not in stages and not PINNED.fullmatch(known):
                yield number, f"{known}: an image without digest"


def _of_page(text: str) -> Iterator[tuple[int, str]]:
    """Look at what a page shows of a Dockerfile, which alone has lines that begin so."""
    shown = ("ARG ", "FROM ", "COPY ")
    lines = [line if line.startswith(shown) else "" for line in text.splitlines()]
    yield from _of_dockerfile("\n".join(lines))


def _of_downloads(text: str) -> Iterator[tuple[int, str]]:
    for number, line in _joined(text):
        if re.match(r"ADD (?!--checksum).*https?:", line):
            yield number, "a download without a checksum"
        if re.match(r"RUN .*\b(?:apt-get|apt|apk|dnf|yum) +(?:-\S+ +)*(?:install|add)\b", line):
            yield number, "packages of a distribution, whose versions change from day to day"
        if re.match(r"RUN .*\b(?:curl|wget)\b", line) and "sha256sum" not in line:
            yield number, "a download without a checksum"


def _of_references(text: str) -> Iterator[tuple[int, str]]:
    before = ""
    for number, line in _joined(text):
        nested = re.fullmatch(r"\s*(?:- )?image: *", before) is not None
        key = r"(?:image|name)" if nested else r"image"
        found = re.match(rf"\s*(?:- )?{key}: +([\"']?)(.+?)\1\s*(?:#.*)?$", line)
        if found and not found[2].startswith(("{", "&", "*", "|")):
            yield from _of_image(number, found[2])
        if re.match(r"\s*newTag:", line):
            yield number, "newTag: an image by tag; kustomize takes a digest"
        action = re.match(r"\s*(?:- )?uses: *[\"']?([^\s\"'#]+)", line)
        if action and not _ACTION.fullmatch(action[1]):
            yield number, f"{action[1]}: an action without commit"
        if re.search(r"[\w/-]:latest\b", line) and not found:
            yield number, "an image :latest"
        before = line


def _of_image(number: int, image: str) -> Iterator[tuple[int, str]]:
    if image.endswith(":latest"):
        yield number, f"{image}: an image :latest"
    elif not PINNED.fullmatch(image) and not _STATED.fullmatch(image):
        yield number, f"{image}: an image without digest"


def _of_packages(text: str) -> Iterator[tuple[int, str]]:
    for number, line in _joined(text):
        for command in re.split(r"&&|;|\|\|", line):
            if _SPEAKS.match(command):
                continue
            if re.search(r"\bpip(?:3|\.sh \S+)?(?:\"|')? +(?:-\S+ +)*install\b", command):
                is_own = re.search(r"--no-index|--editable \.|-e \.", command)
                if "--require-hashes" not in command and not is_own:
                    yield number, "pip installs packages without hashes"
            if re.search(r"\bnpm +(?:i|install|add)\b|\bnpx +(?!--no-install)", command):
                yield number, "npm installs packages without a lock; npm ci has one"
            if re.search(r"\b(?:go|cargo|gem) +install\b", command):
                yield number, "packages without hashes"


def _of_lock(text: str) -> Iterator[tuple[int, str]]:
    for package in re.finditer(
        r"^([A-Za-z0-9][\w.\[\],-]*)[^\n\\]*(?:\\\n[^\n\\]*)*", text, re.MULTILINE
    ):
        if "--hash=sha256:" not in package[0]:
            line = text.count("\n", 0, package.start()) + 1
            yield line, f"{package[1]}: a package without hashes"


def _of_hooks(text: str) -> Iterator[tuple[int, str]]:
    for number, line in _joined(text):
        if re.match(r"\s*(?:- )?rev: *(?![\"']?[0-9a-f]{40}\b)", line):
            yield number, "a hook without commit"


def _of_package_lock(text: str) -> Iterator[tuple[int, str]]:
    for package in re.finditer(r'^    "(node_modules/[^"]+)": \{(.*?)^    \}', text, re.M | re.S):
        if '"integrity"' not in package[2] and '"link": true' not in package[2]:
            line = text.count("\n", 0, package.start()) + 1
            yield line, f"{package[1]}: a package without hashes"


#: What is looked for in files of which names.
_CHECKS = (
    (r"Dockerfile[^/]*$", _of_dockerfile),
    (r"Dockerfile[^/]*$", _of_downloads),
    (r"\.md$", _of_page),
    (r"\.(?:ya?ml|md)$", _of_references),
    (r"Dockerfile[^/]*$|\.(?:sh|ya?ml)$|^\.ci/|(?:^|/)Makefile$", _of_packages),
    (r"(?:^|/)requirements[^/]*\.(?:lock|txt)$", _of_lock),
    (r"(?:^|/)package-lock\.json$", _of_package_lock),
    (r"(?:^|/)\.pre-commit-config\.yaml$", _of_hooks),
)
