#!/bin/sh
# Runs pip inside an image build, for an environment that has none of its own: pip.sh VENV ARGUMENTS…
# The pip is that of /build, which stays behind in the build stage. The secrets `ca` (certificates) and
# `pip` (pip.conf) are used where the build was given them.
set -eu
venv=$1
shift
if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi
if [ -f /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi
exec /build/bin/pip --python "$venv/bin/python3" --no-cache-dir --disable-pip-version-check "$@"
