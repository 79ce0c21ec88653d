"""Writes an image into one line of a file, and leaves every other byte as it is.

    pin.py FILE KEY IMAGE      pin.py --read FILE KEY

A spec (`.yaml`) has the key `image` at its beginning of a line, a list of pins (`.toml`) has
`name = "…"` in a table: `images.worker`.
"""

import argparse
import os
import pathlib
import re
import sys

PINNED = re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]*@sha256:[0-9a-f]{64}")
#: A value as a plain, single or double quoted text, and what follows it: blanks and a comment.
VALUE = (
    r"""(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s#"'\[{&*!|>%@`\n][^\s#\n]*|)"""
    r"(?P<rest>[ \t]*(?:[ \t]#[^\n]*)?)"
)


def main():
    """Read the command line; write or print the pin."""
    parser = argparse.ArgumentParser(description="Write an image into one line of a file.")
    parser.add_argument("--read", action="store_true", help="print what the file names")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("key")
    parser.add_argument("image", nargs="?")
    given = parser.parse_args()
    try:
        text = given.file.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        refuse(f"{given.file}: cannot be read: {exc}")
    if given.read:
        found = find(text, given.file, given.key)
        if not found or not found["value"].strip("\"'"):
            refuse(f"{given.file}: names no {given.key}")
        sys.stdout.write(found["value"].strip("\"'") + "\n")
        return
    if not given.image or not PINNED.fullmatch(given.image):
        refuse(f"{given.image}: no image by digest, as registry.example/team/digits@sha256:…")
    new = pinned(text, given.file, given.key, given.image)
    if new == text:
        sys.stdout.write(f"{given.file}: {given.key} is this image already\n")
        return
    beside = given.file.with_name(f".{given.file.name}.{os.getpid()}")
    beside.write_text(new)
    beside.chmod(given.file.stat().st_mode & 0o777)
    beside.replace(given.file)
    sys.stdout.write(f"{given.file}: {given.key} = {given.image}\n")


def pinned(text, file, key, image):
    """Return the text with that image; a spec that names none gets a line."""
    found = find(text, file, key)
    if found:
        quoted = f'"{image}"' if file.suffix == ".toml" else image
        start, end = found.span("value")
        space = (
            " " if found.start("value") == found.end("head") and found["head"][-1:] == ":" else ""
        )
        return text[:start] + space + quoted + text[end:]
    if file.suffix == ".toml":
        refuse(f"{file}: has no {key}; add the line with any image first")
    # Behind the study's name, where people look for what it is.
    name = re.search(r"^study:[^\n]*\n", text, re.MULTILINE)
    if not name:
        refuse(f"{file}: is not a study spec: it has no line `study:`")
    return text[: name.end()] + f"{key}: {image}\n" + text[name.end() :]


def find(text, file, key):
    """Return the match of the key's one line, None where it has none."""
    if file.suffix in (".yaml", ".yml"):
        if key != "image":
            refuse(f"{file}: a spec names its image under the key image, not {key}")
        found = list(re.finditer(r"^(?P<head>image:[ \t]*)" + VALUE + "$", text, re.MULTILINE))
    elif file.suffix == ".toml":
        table, _, name = key.rpartition(".")
        start = re.search(rf"^\[{re.escape(table)}\][ \t]*(?:#[^\n]*)?$", text, re.MULTILINE)
        if not table or not start:
            refuse(f"{file}: has no table [{table}]")
        rest = text[start.end() :]
        end = re.search(r"^\[", rest, re.MULTILINE)
        size = start.end() + (end.start() if end else len(rest))
        line = re.compile(
            rf'^(?P<head>(?:{re.escape(name)}|"{re.escape(name)}")[ \t]*=[ \t]*)' + VALUE + "$",
            re.MULTILINE,
        )
        found = list(line.finditer(text, start.end(), size))
    else:
        refuse(f"{file}: neither a spec (.yaml) nor a list of pins (.toml)")
    if len(found) > 1:
        refuse(f"{file}: names {key} {len(found)} times")
    if not found and re.search(r"^image\s*:", text, re.MULTILINE) and file.suffix != ".toml":
        refuse(
            f"{file}: the line of {key} is not one that can be replaced; write it as image: NAME"
        )
    return found[0] if found else None


def refuse(message):
    """End with the code of wrong input."""
    sys.stderr.write(f"pin: {message}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
