#!/bin/sh
# Makes the secrets of compose.yaml in docker/secrets/, once: a second run changes nothing.
#
# Compose shows a secret to a container with the mode its file has, and the containers run as different
# users: so the files are readable, and the folder, which only the host sees, is closed.
set -eu
cd "$(dirname "$0")"

if [ -d secrets ]; then
    echo "secrets: docker/secrets is there already; remove it to make new ones (the database keeps its old password)"
    exit 0
fi
umask 077
new=$(mktemp -d ./.secrets.XXXXXX)
trap 'rm -rf "$new"' EXIT

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

postgres=$(random)
redis=$(random)
printf '%s' "$postgres" >"$new/postgres_password"
printf 'postgresql+psycopg://tuner:%s@postgres:5432/tuner' "$postgres" >"$new/database_url"
printf 'redis://:%s@redis:6379/0' "$redis" >"$new/redis_url"
printf '%s\n' "requirepass $redis" 'dir /data' 'appendonly yes' 'save ""' \
    'maxmemory-policy noeviction' >"$new/redis.conf"
random >"$new/token"
chmod 444 "$new"/*
mv "$new" secrets
trap - EXIT
echo "secrets: made docker/secrets; the API's token is in secrets/token"
