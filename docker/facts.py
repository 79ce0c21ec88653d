"""Writes /app/image.json in an image build: what the image was made of, for the worker to tell.

It stops the build where a label would say something else than the image holds.
"""

import argparse
import hashlib
import importlib.metadata
import json
import platform
import re
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Write the facts of the image that this runs in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--revision", required=True, help="commit of the source")
    parser.add_argument("--stated-version", required=True, help="as the label has it, or empty")
    parser.add_argument("--stated-lock", required=True, help="the same for the lock's sha256")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    version = importlib.metadata.version("tuner-service")
    lock = hashlib.sha256(arguments.lock.read_bytes()).hexdigest()
    require_same("VERSION", arguments.stated_version, version, "the version that is installed")
    require_same("LOCK_SHA256", arguments.stated_lock, lock, f"the sha256 of {arguments.lock.name}")
    measured = subprocess.run(
        [sys.executable, "-m", "workers", "measure", "--json"], check=True, stdout=subprocess.PIPE
    )
    facts = {
        "version": version,
        "revision": arguments.revision or "unknown",
        "flavour": flavour(arguments.lock.name),
        "python": platform.python_version(),
        "lock": lock,
        "files": json.loads(measured.stdout)["files"],
    }
    arguments.to.write_text(json.dumps(facts, indent=1) + "\n")


def flavour(lock: str) -> str:
    """Return the flavour that a lock makes: "plain" of requirements-worker-plain.lock."""
    found = re.fullmatch(r"requirements-(?:worker-)?(.+)\.lock", lock)
    return found[1] if found else lock


def require_same(argument: str, stated: str, found: str, what: str) -> None:
    """Stop the build where a build argument is given and says something else than what is there."""
    if stated and stated != found:
        sys.exit(
            f"*** --build-arg {argument}={stated}, but {what} is {found}; leave it out, or mend it"
        )


if __name__ == "__main__":
    main()
