#!/bin/sh
# Writes the digest to where it is read: PIPELINE_PINS, FILE KEY a line, as `studies/digits.yaml image`
# or `docker/pins.toml images.worker`. The signature goes beside, where verify.sh looks.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

need PIPELINE_PINS "which files name the image, as 'studies/digits.yaml image'"
tool python3
image=$(found image push)
: | left changed
printf '%s\n' "$PIPELINE_PINS" | while read -r file key rest; do
    [ -n "$file" ] || continue
    [ -n "$key" ] && [ -z "$rest" ] || wrong "PIPELINE_PINS: '$file $key $rest': FILE KEY a line"
    python3 "$steps/pin.py" "$file" "$key" "$image"
    printf '%s\n' "$file" >>"$out/changed"
done
if [ -s "$out/statement.json" ]; then
    place=${PIPELINE_SIGNATURES:-signatures}/${image##*@sha256:}
    mkdir -p "$place"
    for file in statement.json statement.json.sig sbom.cdx.json; do
        if [ -s "$out/$file" ]; then install -m 644 "$out/$file" "$place/$file"; fi
    done
    printf '%s\n' "$place" >>"$out/changed"
fi
