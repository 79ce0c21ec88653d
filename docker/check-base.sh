#!/bin/sh
# Refuses a base image that the locks have no place for, in one sentence, before anything is installed.
# pyproject.toml says which Pythons they are made for.
set -eu

refuse() {
    printf '\n*** %s\n*** Name another base with --build-arg BASE_IMAGE=NAME:TAG@sha256:…\n\n' "$1" >&2
    exit 1
}

command -v python3 >/dev/null 2>&1 || refuse "The base image has no python3."
range=$(sed -n 's/^requires-python = ">=\(.*\),<\(.*\)"$/\1 \2/p' pyproject.toml)
# Of the oldest Python that there is: it must be able to say that it is too old.
python3 - $range <<'END' || exit 1
import platform, sys
low, high = sys.argv[1:]
have = sys.version_info[:2]
numbers = [tuple(int(part) for part in text.split(".")) for text in (low, high)]
if not numbers[0] <= have < numbers[1]:
    sys.stderr.write(
        "\n*** The base image has Python %s; the locks are for Python %s up to, but without, %s.\n"
        "*** Name another base with --build-arg BASE_IMAGE=NAME:TAG@sha256:…\n\n"
        % (platform.python_version(), low, high)
    )
    sys.exit(1)
END
python3 -c 'import venv, ensurepip' 2>/dev/null ||
    refuse "The base image's Python has no module venv: on Debian that is the package python3-venv."
