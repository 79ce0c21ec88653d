#!/bin/sh
# Installs the locked dependencies and this clone into .venv; `make setup` calls it.
#
# It checks first, prints the command that repairs what is missing, and does nothing when nothing has
# changed since the last time. When the locks have changed it brings .venv up to date in place, so that
# packages of your own stay; another Python needs a new .venv, and what goes with the old one is said
# first. PYTHON=/path/to/python chooses the interpreter.
set -eu

cd "$(dirname "$0")"
venv=.venv
lock=requirements-dev.lock
stamp=$venv/.tuner-setup
new_mb=3072
update_mb=1536

say() { printf 'setup: %s\n' "$*"; }

# fail WHAT REPAIR: what is missing and the command that repairs it.
fail() {
    printf 'setup: %s\n' "$1" >&2
    printf 'setup: to repair it: %s\n' "$2" >&2
    exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }

# package NAME-ON-DEBIAN NAME-ON-FEDORA: the command that installs a package here.
package() {
    if have apt-get; then
        printf 'sudo apt-get install -y %s' "$1"
    elif have dnf; then
        printf 'sudo dnf install -y %s' "$2"
    else
        printf 'install %s with the package manager of this machine' "$1"
    fi
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

check_machine() {
    machine=$(uname -m)
    case "$(uname -s)-$machine" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) fail "this is $(uname -s) on $machine; the locks are for Linux on x86_64 and aarch64" \
        "use a Linux machine or container, or an environment of your own (docs/install.md says what works where)" ;;
    esac
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        supported "$PYTHON" || fail \
            "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13" "unset PYTHON, or name such a Python"
        python=$PYTHON
        return
    fi
    # The interpreter that was chosen last time, so that PYTHON= need not be repeated.
    python=$(sed -n 2p "$stamp" 2>/dev/null || true)
    if [ -n "$python" ] && supported "$python"; then return; fi
    for python in python3 python3.12 python3.11 python3.13; do
        if have "$python" && supported "$python"; then return; fi
    done
    found=$(python3 --version 2>&1 || true)
    fail "Python 3.11, 3.12 or 3.13 is needed; python3 is: ${found:-not there}" \
        "$(package 'python3.11 python3.11-venv' python3.11), then PYTHON=python3.11 make setup"
}

check_venv_module() {
    # Debian ships venv without ensurepip, so that `import venv` alone proves nothing.
    "$python" -c 'import venv, ensurepip' 2>/dev/null || fail \
        "$python has no venv module" "$(package "python$version-venv" "python$version")"
}

# check_disk MB
check_disk() {
    free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free_mb" -ge "$1" ] || fail \
        "$free_mb MB are free in $(pwd); $1 MB are needed (TensorFlow alone takes 1 GB)" \
        "free some space there ('make clean' removes an old .venv), or clone to a larger disk"
}

# own_packages: what is installed in .venv and was not put there by this script, as NAME==VERSION.
own_packages() {
    "$venv/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable 2>/dev/null |
        awk -F '[= ;@]+' 'NR == FNR { if (/^[a-z0-9]/) ours[$1]; next }
            { name = tolower($1); gsub(/[_.]+/, "-", name) }
            name != "tuner-service" && !(name in ours)' "$venv/locked.txt" -
}

# The names in `own_packages` on one line.
listed() { printf '%s\n' "$1" | tr '\n' ' ' | sed 's/ *$//'; }

# Whether .venv is one of this Python's that can be brought up to date in place.
can_update() {
    [ -f "$venv/locked.txt" ] && [ "${before##*-}" = "$version" ] &&
        "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

make_venv() {
    own=
    if [ -f "$venv/locked.txt" ]; then own=$(own_packages || true); fi
    if [ -n "$own" ]; then
        say "$venv is made anew (it was for Python ${before##*-}); packages of your own go with it: $(listed "$own")"
    fi
    say "installing into $venv with $("$python" --version) (a few minutes the first time)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

install_all() {
    # Until it is through, the next call must not find it done; the chosen Python stays.
    printf '%s\n' "unfinished-$version" "$(command -v "$python")" >"$stamp"
    cp "$lock" "$venv/locked.txt"
    "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off --quiet \
        --no-compile --require-hashes -r "$venv/locked.txt" || fail \
        "pip could not install $lock (its message stands above)" \
        "repair what pip names, then 'make setup' again"
    # The build backend is in the lock, so nothing unlocked is fetched to build this clone.
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet \
        --no-deps --no-build-isolation --editable .
    # On all cores: pip compiles 12 000 files one after the other. Some are of another Python.
    "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null 2>&1 || true
}

check_machine
find_python
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
wanted=$(cat pyproject.toml "$lock" setup.sh | sha256sum | cut -d ' ' -f 1)-$version
before=$(sed -n 1p "$stamp" 2>/dev/null || true)

if [ "$before" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
check_venv_module
own=
if can_update; then
    check_disk "$update_mb"
    say "bringing $venv up to date; packages of your own stay"
else
    check_disk "$new_mb"
    make_venv
fi
install_all
printf '%s\n' "$wanted" "$(command -v "$python")" >"$stamp"
if [ -n "$own" ]; then
    say "your own packages again: $venv/bin/python -m pip install $(listed "$own")"
fi
say "done; 'make run' tunes the example, 'make test' runs the tests, .venv/bin/tuner is the command"
