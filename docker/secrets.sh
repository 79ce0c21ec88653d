#!/bin/sh
# Makes the secrets of compose.yaml in docker/secrets/, once. A second run changes nothing that is there, and
# adds what a newer release needs.
#
# Compose shows a secret to a container with the mode its file has, and the containers run as different
# users: so the files are readable, and the folder, which only the host sees, is closed.
set -eu
cd "$(dirname "$0")"
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
token() { printf 'tuner_%s' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"; }

if [ -d secrets ]; then
    echo "secrets: docker/secrets is there already; remove it to make new ones (the database keeps its old password)"
    if [ ! -e secrets/worker_token ]; then
        token >secrets/worker_token
        # Workers go on with the only user that this Redis has.
        [ -e secrets/worker_redis_url ] || cp secrets/redis_url secrets/worker_redis_url
        chmod 444 secrets/worker_token secrets/worker_redis_url
        echo "secrets: added worker_token: workers get a token of their own, which can only work"
    fi
    exit 0
fi
new=$(mktemp -d ./.secrets.XXXXXX)
trap 'rm -rf "$new"' EXIT

postgres=$(random)
server=$(random)
worker=$(random)
printf '%s' "$postgres" >"$new/postgres_password"
printf 'postgresql+psycopg://tuner:%s@postgres:5432/tuner' "$postgres" >"$new/database_url"
printf 'redis://server:%s@redis:6379/0' "$server" >"$new/redis_url"
printf 'redis://worker:%s@redis:6379/0' "$worker" >"$new/worker_redis_url"
# What Redis lets the two do: docs/operations.md.
cat >"$new/redis.conf" <<END
user default off
user server on >$server ~rq:* resetchannels -@all +hello +auth +ping +echo +select +reset +info +client|setname +client|info +multi +exec +discard +watch +unwatch +exists +ttl +llen +lrange +smembers +zrange +zcard +zscore +hget +hmget +hgetall +hstrlen +rpush +lrem +del +expire +sadd +srem +hset
user worker on >$worker ~rq:* resetchannels -@all +hello +auth +ping +echo +select +reset +info +client|setname +client|info +multi +exec +discard +watch +unwatch +exists +ttl +llen +lrange +smembers +zrange +zcard +zscore +hget +hmget +hgetall +hstrlen +lmove +blmove +lrem +del +expire +persist +sadd +srem +hset +hdel +hincrby +hincrbyfloat +zadd +zrem +zremrangebyscore +xadd
dir /data
appendonly yes
save ""
maxmemory-policy noeviction
END
token >"$new/token"
token >"$new/worker_token"
chmod 444 "$new"/*
mv "$new" secrets
trap - EXIT
echo "secrets: made docker/secrets; the API's token is in secrets/token"
