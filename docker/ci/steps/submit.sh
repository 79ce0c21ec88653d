#!/bin/sh
# Runs the study of PIPELINE_SPEC on the team's server, with the image that it pins and nothing that nobody signed.
# The exit code is that of `tuner submit --watch`: 0 reached, 1 not reached, 2 wrong input, 3 the study failed,
# 4 the time was up, 5 the server did not answer. The study goes on after a 4; a job that is cancelled leaves it too.
# shellcheck source=docker/ci/steps/lib.sh
. "$(dirname "$0")/lib.sh"

need PIPELINE_SPEC "the spec, as studies/digits.yaml"
need TUNER_API_URL "the address of the team's server"
[ -n "${TUNER_TOKEN:-}${TUNER_TOKEN_FILE:-}" ] || wrong "TUNER_TOKEN_FILE is not set: a token with the scope submit"
if [ -x "$out/tuner/bin/tuner" ]; then PATH=$(cd "$out/tuner/bin" && pwd):$PATH; fi
tool tuner
# PIPELINE_SIGN=none is for a team that signs nothing: it has to say so.
if [ "${PIPELINE_SIGN:-ssh}" = none ]; then
    say "PIPELINE_SIGN=none: nobody has looked at who made the image"
else
    sh "$steps/verify.sh"
fi

set -- "$PIPELINE_SPEC" --watch
if [ -n "${PIPELINE_AS:-}" ]; then set -- "$@" --as "$PIPELINE_AS"; fi
if [ -n "${PIPELINE_FAIL_UNDER:-}" ]; then set -- "$@" --fail-under "$PIPELINE_FAIL_UNDER"; fi
if [ -n "${PIPELINE_FAIL_OVER:-}" ]; then set -- "$@" --fail-over "$PIPELINE_FAIL_OVER"; fi
if [ -n "${PIPELINE_TIMEOUT:-}" ]; then set -- "$@" --timeout "$PIPELINE_TIMEOUT"; fi
: | left summary.md
code=0
tuner submit "$@" --summary "$out/summary.md" || code=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -s "$out/summary.md" ]; then cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
exit $code
