#!/bin/sh
# Runs the pip of a virtual environment inside an image build: pip.sh VENV ARGUMENTS…
# The secrets `ca` (certificates) and `pip` (pip.conf) are used where the build was given them.
set -eu
venv=$1
shift
if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi
if [ -f /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi
exec "$venv/bin/pip" --no-cache-dir --disable-pip-version-check "$@"
