"""Prints what the image that this runs in holds, as a CycloneDX 1.6 document: sbom.py IMAGE.

It runs with the image's own Python and nothing else, so it asks for no package. The same image
gives the same document: no time and no random number stand in it.
"""

import importlib.metadata
import json
import pathlib
import re
import sys
import urllib.parse
import uuid


def main(image):
    """Print the document of an image that is named by digest."""
    name, _, digest = image.partition("@")
    components = sorted([*python_packages(), *debian_packages()], key=lambda part: part["purl"])
    if not components:
        sys.exit("no package was found in " + image)
    repository, _, short = name.rpartition("/")
    purl = f"pkg:oci/{short.partition(':')[0]}@{quoted(digest)}"
    if repository:
        purl += "?repository_url=" + urllib.parse.quote(name, safe="/")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": image,
                "name": name,
                "version": digest,
                "purl": purl,
                "properties": image_facts(),
            }
        },
        "components": components,
        "dependencies": [{"ref": image, "dependsOn": [part["bom-ref"] for part in components]}],
    }
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


def python_packages():
    """Return a component for each distribution that this Python can import."""
    found = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if not name:
            continue
        short = re.sub(r"[-_.]+", "-", name).lower()
        purl = f"pkg:pypi/{short}@{quoted(distribution.version)}"
        # The first on the path is the one that is imported.
        found.setdefault(short, component(name, distribution.version, purl))
    return list(found.values())


def debian_packages():
    """Return a component for each package of Debian; those of minimal images stand in a folder."""
    status = pathlib.Path("/var/lib/dpkg/status")
    files = (
        [status] if status.is_file() else sorted(pathlib.Path("/var/lib/dpkg/status.d").glob("*"))
    )
    release = os_release()
    for file in files:
        for entry in file.read_text(errors="replace").split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+): (.+)$", entry, re.MULTILINE))
            installed = fields.get("Status", "install ok installed").endswith(" installed")
            if not installed or not {"Package", "Version"} <= fields.keys():
                continue
            system = release.get("ID", "debian")
            architecture = fields.get("Architecture", "all")
            purl = (
                f"pkg:deb/{system}/{fields['Package']}@{quoted(fields['Version'])}"
                f"?arch={architecture}&distro={system}-{release.get('VERSION_ID', 'unknown')}"
            )
            yield component(fields["Package"], fields["Version"], purl)


def quoted(text):
    """Return a text as a part of a purl."""
    return urllib.parse.quote(text, safe="")


def component(name, version, purl):
    """Return one component; its purl names it within the document as well."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def os_release():
    """Return what /etc/os-release says."""
    try:
        text = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        return {}
    return {
        key: value.strip("\"'") for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
    }


def image_facts():
    """Return what the build of a Tuner image wrote of it: lock, files, revision."""
    try:
        facts = json.loads(pathlib.Path("/app/image.json").read_text())
    except (OSError, ValueError):
        return []
    return [
        {"name": "tuner:" + key, "value": str(facts[key])}
        for key in sorted(facts)
        if isinstance(facts[key], (str, int))
    ]


if __name__ == "__main__":
    main(sys.argv[1])
