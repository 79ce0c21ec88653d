#!/bin/sh
# Makes in secrets/, beside this file, what compose.yaml needs and nobody else may know. What is there already
# stays as it is; a later release adds what it needs.
#
#   sh secrets.sh [NAME…]       names and addresses by which others reach this host: the certificate is for them
#   sh secrets.sh --user NAME   one more person at TensorBoard; the password is printed once
#
# A certificate of your own: put it and its key into secrets/tls.crt and secrets/tls.key, mode 444, at any time.
#
# Compose shows a secret to a container with the mode its file has, and the containers run as different
# users: so the files are readable, and the folder, which only the host sees, is closed.
set -eu
cd "$(dirname "$0")"
umask 077

# The oldest Docker Compose that the tests run.
needs_major=2 needs_minor=26
# Its name is what Compose says while the secrets are missing.
marker=run-sh-secrets.sh-first

say() { echo "secrets: $*"; }
refuse() {
    echo "secrets: $*" >&2
    exit 2
}
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
have() { command -v "$1" >/dev/null 2>&1; }

require_compose() {
    if version=$(docker compose version --short 2>/dev/null); then
        version=${version#v}
        major=${version%%.*}
        minor=${version#*.}
        minor=${minor%%.*}
        case $major$minor in '' | *[!0-9]*) return ;; esac
        if [ "$major" -lt $needs_major ] || { [ "$major" -eq $needs_major ] && [ "$minor" -lt $needs_minor ]; }; then
            refuse "this host has Docker Compose $version; compose.yaml needs $needs_major.$needs_minor or later"
        fi
    elif have docker-compose; then
        refuse "this host has docker-compose without \`docker compose\`; compose.yaml needs Docker Compose" \
            "$needs_major.$needs_minor or later: install Docker's package docker-compose-plugin"
    else
        say "no Docker Compose found here; compose.yaml needs $needs_major.$needs_minor or later" >&2
    fi
}

require_openssl() {
    have openssl || refuse "openssl is missing, which makes certificate and passwords: sudo apt-get install openssl"
}

# Whether a file is still to be made.
lacks() { [ ! -e "secrets/$1" ]; }

# A file as it is by now: there already, or just made.
now() {
    if [ -e "secrets/$1" ]; then cat "secrets/$1"; else cat "$new/$1"; fi
}

# The password in a URL.
password() { sed -n 's|^[^:]*://[^:]*:\([^@]*\)@.*|\1|p'; }

# The name and SHA-256 of a Redis user; Redis keeps no more than that.
redis_user() { printf 'user %s on #%s' "$1" "$(now "$2" | password | tr -d '\n' | sha256sum | cut -d' ' -f1)"; }

# One line of a password file: user, and what the proxy compares the password with.
board_user() { printf '%s:%s\n' "$1" "$(openssl passwd -6 -stdin)"; }

add_user() {
    case $1 in '' | *[!A-Za-z0-9._@-]*) refuse "$1: a user's name has letters, digits and . _ @ - only" ;; esac
    require_openssl
    [ -e secrets/board_users ] || refuse "secrets/board_users is missing: run this without --user first"
    if cut -d: -f1 secrets/board_users | grep -qxF -- "$1"; then
        refuse "$1 is in secrets/board_users already; remove the line to make a new password"
    fi
    made=$(random 16)
    # Into the same file: a container sees the file that it was started with.
    printf '%s\n' "$made" | board_user "$1" >>secrets/board_users
    say "password of $1 at TensorBoard, which holds at once: $made"
}

# The names of a certificate, as openssl takes them.
certificate_names() {
    printf 'DNS:localhost,IP:127.0.0.1'
    for name in "$(uname -n)" "$@"; do
        case $name in
            *[!A-Za-z0-9.:-]* | '') refuse "$name: is neither a host name nor an address" ;;
            *:* ) printf ',IP:%s' "$name" ;;
            *[!0-9.]*) printf ',DNS:%s' "$name" ;;
            *) printf ',IP:%s' "$name" ;;
        esac
    done
}

make_certificate() {
    names=$(certificate_names "$@") || exit 2
    cat >"$new/openssl.conf" <<END
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = tuner
[extensions]
subjectAltName = $names
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
END
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -config "$new/openssl.conf" \
        -keyout "$new/tls.key" -out "$new/tls.crt" 2>"$new/openssl.log" ||
        refuse "openssl made no certificate: $(tail -n 1 "$new/openssl.log")"
    rm "$new/openssl.conf" "$new/openssl.log"
}

make_redis_conf() {
    # What Redis lets the two do: docs/operations.md.
    cat <<END
user default off
$(redis_user server redis_url) ~rq:* resetchannels -@all +hello +auth +ping +echo +select +reset +info +client|setname +client|info +multi +exec +discard +watch +unwatch +exists +ttl +llen +lrange +smembers +zrange +zcard +zscore +hget +hmget +hgetall +hstrlen +rpush +lrem +del +expire +sadd +srem +hset
$(redis_user worker worker_redis_url) ~rq:* resetchannels -@all +hello +auth +ping +echo +select +reset +info +client|setname +client|info +multi +exec +discard +watch +unwatch +exists +ttl +llen +lrange +smembers +zrange +zcard +zscore +hget +hmget +hgetall +hstrlen +lmove +blmove +lrem +del +expire +persist +sadd +srem +hset +hdel +hincrby +hincrbyfloat +zadd +zrem +zremrangebyscore +xadd
dir /data
appendonly yes
save ""
maxmemory-policy noeviction
END
}

require_compose
if [ "${1:-}" = --user ]; then
    add_user "${2:-}"
    exit 0
fi

new=$(mktemp -d ./.secrets.XXXXXX)
trap 'rm -rf "$new"' EXIT

# In this order they are also put in place: what is made from another file comes after it.
if lacks postgres_password; then random 24 >"$new/postgres_password"; fi
if lacks database_url; then
    printf 'postgresql+psycopg://tuner:%s@postgres:5432/tuner' "$(now postgres_password)" >"$new/database_url"
fi
if lacks redis_url; then printf 'redis://server:%s@redis:6379/0' "$(random 24)" >"$new/redis_url"; fi
if lacks worker_redis_url; then
    # The Redis of an earlier release knows one user.
    if lacks redis.conf; then
        printf 'redis://worker:%s@redis:6379/0' "$(random 24)" >"$new/worker_redis_url"
    else
        now redis_url >"$new/worker_redis_url"
    fi
fi
if lacks redis.conf; then make_redis_conf >"$new/redis.conf"; fi
if lacks token; then printf 'tuner_%s' "$(random 32)" >"$new/token"; fi
if lacks worker_token; then printf 'tuner_%s' "$(random 32)" >"$new/worker_token"; fi
if lacks board_users; then
    require_openssl
    if lacks board_password; then printf '%s\n' "$(random 16)" >"$new/board_password"; fi
    now board_password | board_user tuner >"$new/board_users"
fi
if [ $# -gt 0 ] && ! lacks tls.crt; then
    say "the certificate in secrets/tls.crt stays as it is; for other names remove it with its key and run this again"
fi
if lacks tls.crt && lacks tls.key; then
    require_openssl
    make_certificate "$@"
elif lacks tls.crt || lacks tls.key; then
    refuse "secrets/tls.crt and secrets/tls.key belong together, and one is missing: put it there, or remove both for new ones"
fi
if lacks $marker; then echo "# Everything beside this file was made by secrets.sh." >"$new/$marker"; fi

chmod 444 "$new"/* 2>/dev/null || true
if [ -e "$new/board_users" ]; then chmod 644 "$new/board_users"; fi
# Read by people alone, and shown to no container.
if [ -e "$new/board_password" ]; then chmod 400 "$new/board_password"; fi
mkdir -p secrets
chmod 700 secrets
made=
for name in postgres_password database_url redis_url worker_redis_url redis.conf token worker_token \
    board_password board_users tls.key tls.crt $marker; do
    if [ -e "$new/$name" ]; then
        mv "$new/$name" "secrets/$name"
        made="$made $name"
    fi
done
folder=$(pwd)/secrets
if [ -z "$made" ]; then
    say "$folder is complete; nothing was changed"
else
    say "made in $folder:$made"
    say "the API's token is in secrets/token; TensorBoard's user is tuner, the password in secrets/board_password"
fi
if have openssl && ! openssl x509 -in secrets/tls.crt -noout -checkend 2592000 >/dev/null 2>&1; then
    say "the certificate in secrets/tls.crt ends within 30 days: replace it, or remove it with its key and run this again; then: docker compose restart proxy" >&2
fi
