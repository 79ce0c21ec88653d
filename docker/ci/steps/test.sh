#!/bin/sh
# Tests what the image will hold: PIPELINE_TEST, a command line of the team's own.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

need PIPELINE_TEST "the command that tests your code, as 'make test'"
say "$PIPELINE_TEST"
sh -euc "$PIPELINE_TEST"
