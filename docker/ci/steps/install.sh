#!/bin/sh
# Installs the command `tuner` for the steps that follow: PIPELINE_LOCK with its hashes, then the file PIPELINE_WHEEL.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

need PIPELINE_WHEEL "a wheel of Tuner, as ci/tuner_service-0.1.0-py3-none-any.whl (docs/install.md)"
tool python3
lock=${PIPELINE_LOCK:-requirements-server.lock}
[ -f "$PIPELINE_WHEEL" ] || wrong "PIPELINE_WHEEL=$PIPELINE_WHEEL: there is no such file"
[ -f "$lock" ] || wrong "PIPELINE_LOCK=$lock: there is no such file"
: | left installed
python3 -m venv "$out/tuner"
"$out/tuner/bin/pip" install --quiet --require-hashes --only-binary=:all: -r "$lock"
"$out/tuner/bin/pip" install --quiet --no-deps --no-index "$PIPELINE_WHEEL"
"$out/tuner/bin/tuner" --version | left installed
say "$(cat "$out/installed")"
