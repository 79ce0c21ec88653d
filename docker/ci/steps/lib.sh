# What the steps share; each begins with `. "$(dirname "$0")/lib.sh"`. docs/ci.md lists the variables.
#
# A step reads its settings from PIPELINE_* variables and what an earlier step found from files in
# $PIPELINE_OUT. Secrets come as files or variables and never stand in a command's arguments.
# shellcheck shell=sh
set -eu

step=$(basename "$0" .sh)
# shellcheck disable=SC2034 # for the steps
steps=$(cd "$(dirname "$0")" && pwd)
out=${PIPELINE_OUT:-.pipeline}
# Goes with the step, and with it every secret that had to be a file.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { printf '%s: %s\n' "$step" "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
# For what its caller has to change: nothing was done.
wrong() {
    say "$*"
    exit 2
}

# need NAME MEANING: stops where a setting is missing.
need() {
    eval "value=\${$1:-}"
    [ -n "$value" ] || wrong "$1 is not set: $2 (docs/ci.md)"
}

have() { command -v "$1" >/dev/null 2>&1; }

# tool NAME…: stops where a program is missing.
tool() {
    for name; do have "$name" || wrong "the program $name is not installed where this runs"; done
}

# found FILE STEP: prints what an earlier step left.
found() {
    [ -s "$out/$1" ] || wrong "$out/$1 is not there: run the step $2 first"
    cat "$out/$1"
}

# left FILE: keeps standard input for later steps, whole or not at all.
left() {
    mkdir -p "$out"
    [ -e "$out/.gitignore" ] || printf '*\n' >"$out/.gitignore"
    cat >"$out/.$1.new"
    mv "$out/.$1.new" "$out/$1"
}

# secret NAME: prints a secret that is given as NAME or as the file NAME_FILE; nothing where it is not.
secret() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$file" ]; then
        [ -r "$file" ] || wrong "$1_FILE=$file cannot be read"
        cat "$file"
    else
        printf '%s' "$value"
    fi
}

# A reference by digest, as a spec has it: NAME@sha256:HEX or NAME:TAG@sha256:HEX.
pinned() { printf '%s\n' "$1" | grep -Eq '^[a-z0-9][a-zA-Z0-9._:/-]*@sha256:[0-9a-f]{64}$'; }

# login REPOSITORY: logs in to its registry, for this step alone, where a password is given.
login() {
    password=$(secret PIPELINE_REGISTRY_PASSWORD)
    [ -n "$password" ] || return 0
    need PIPELINE_REGISTRY_USER "whose password PIPELINE_REGISTRY_PASSWORD is"
    plugins=${DOCKER_CONFIG:-${HOME:-}/.docker}/cli-plugins
    export DOCKER_CONFIG="$scratch/docker"
    mkdir "$DOCKER_CONFIG"
    if [ -d "$plugins" ]; then ln -s "$(cd "$plugins" && pwd)" "$DOCKER_CONFIG/cli-plugins"; fi
    printf '%s' "$password" |
        docker login --username "$PIPELINE_REGISTRY_USER" --password-stdin "${1%%/*}" >&2
}
