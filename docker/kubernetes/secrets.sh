#!/bin/sh
# Makes the secrets of the manifests as files in docker/kubernetes/secrets/, once, and puts them into the cluster
# that kubectl speaks to, namespace tuner. What is there already stays as it is: put your own files there first, such
# as the URLs of a managed PostgreSQL and Redis.
#
#   sh secrets.sh           makes the files that are missing, and the Secrets
#   sh secrets.sh --print   the same, and prints the Secrets in place of asking a cluster (they are not encrypted)
#
# With Vault or External Secrets none of this is needed: docs/kubernetes.md.
set -eu
cd "$(dirname "$0")"
umask 077

case ${1:-} in
'') printing=no ;;
--print) printing=yes ;;
*)
    echo "secrets: ${1}: an option that there is not; --print or none" >&2
    exit 2
    ;;
esac
command -v kubectl >/dev/null 2>&1 || {
    echo "secrets: kubectl is missing" >&2
    exit 2
}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
token() { printf 'tuner_%s' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"; }
# Writes what comes in to a file, unless there is one.
keep() {
    if [ -s "secrets/$1" ]; then
        cat >/dev/null
    else
        cat >"secrets/.$1"
        mv "secrets/.$1" "secrets/$1"
    fi
}

mkdir -p secrets
for name in postgres_password redis_server_password redis_worker_password keda_password; do
    random | keep $name
done
token | keep token
token | keep worker_token
postgres=$(cat secrets/postgres_password)
server=$(cat secrets/redis_server_password)
worker=$(cat secrets/redis_worker_password)
# The pods of components/stores; a managed store has another address, and sslmode=verify-full.
printf 'postgresql+psycopg://tuner:%s@postgres:5432/tuner' "$postgres" | keep database_url
printf 'postgresql://tuner_keda:%s@postgres.tuner.svc:5432/tuner?sslmode=disable' "$(cat secrets/keda_password)" |
    keep keda_connection
printf 'redis://server:%s@redis:6379/0' "$server" | keep redis_url
printf 'redis://worker:%s@redis:6379/0' "$worker" | keep worker_redis_url
# What Redis lets the two do: docs/operations.md.
keep redis.conf <<END
user default off
user server on >$server ~rq:* resetchannels -@all +hello +auth +ping +echo +select +reset +info +client|setname +client|info +multi +exec +discard +watch +unwatch +exists +ttl +llen +lrange +smembers +zrange +zcard +zscore +hget +hmget +hgetall +hstrlen +rpush +lrem +del +expire +sadd +srem +hset
user worker on >$worker ~rq:* resetchannels -@all +hello +auth +ping +echo +select +reset +info +client|setname +client|info +multi +exec +discard +watch +unwatch +exists +ttl +llen +lrange +smembers +zrange +zcard +zscore +hget +hmget +hgetall +hstrlen +lmove +blmove +lrem +del +expire +persist +sadd +srem +hset +hdel +hincrby +hincrbyfloat +zadd +zrem +zremrangebyscore +xadd
dir /data
appendonly yes
save ""
maxmemory-policy noeviction
END

# secret NAME KEY=FILE…: the values stay in files and out of the process list.
secret() {
    name=$1
    shift
    echo ---
    for pair in "$@"; do
        set -- "$@" "--from-file=${pair%%=*}=secrets/${pair#*=}"
        shift
    done
    kubectl create secret generic "$name" --namespace tuner --dry-run=client --output yaml "$@"
}
all() {
    secret tuner-server database_url=database_url redis_url=redis_url worker_redis_url=worker_redis_url \
        token=token worker_token=worker_token
    secret tuner-worker token=worker_token
    secret tuner-keda connection=keda_connection
    secret postgres password=postgres_password
    secret redis redis.conf=redis.conf
}
if [ $printing = yes ]; then
    all
    exit 0
fi
# Server-side, so that no annotation keeps a second copy of what is in them.
all | kubectl apply --server-side --filename -
echo "secrets: made from docker/kubernetes/secrets/, which holds the API's token: keep it closed"
