#!/bin/bash
# A server that speaks MongoDB's protocol on 127.0.0.1, for the tests: FerretDB (built from its Go module) over PostgreSQL 18 with the
# DocumentDB extension (Debian packages, unpacked into a folder and run from there; nothing is installed on the machine).
#
#   eval "$(.ci/services/mongodb.sh)"         starts it (when it is not up yet) and exports what the tests read
#   .ci/services/mongodb.sh down              stops what it started; --wipe also removes its data and programs
#
# Exports MONGODB_URL (with user and password), and for tests that start, cut and kill a server of their own: MONGODB_PROGRAM (FerretDB)
# and MONGODB_BACKEND (the URL of its PostgreSQL). Against a MongoDB of your own set MONGODB_URL alone.
#
# Needs root (PostgreSQL runs in a chroot as an unprivileged user), Go, apt and a Debian mirror. The first run takes minutes, later ones
# a second.
set -euo pipefail
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/mongodb
port=${MONGODB_PORT:-27055}
postgres_port=${MONGODB_POSTGRES_PORT:-54355}
ferretdb_version=v2.7.0
user=datatask password=its-test-password
root=$state/root
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "mongodb: $*" >&2; }
# shellcheck source=debian/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian/packages.sh"
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Whether the process of a pid file still is the program that we started.
ours() { [ -s "$1" ] && [ "$(readlink "/proc/$(head -n 1 "$1")/exe" 2>/dev/null)" = "$(readlink -f "$2")" ]; }

ferretdb=$state/bin/ferretdb
postgres=$root/usr/lib/postgresql/18/bin/postgres
postgres_pid=$root/srv/data/postmaster.pid

build_ferretdb() {
  [ -x "$ferretdb" ] && return
  say "building FerretDB $ferretdb_version"
  CGO_ENABLED=0 GOBIN=$state/bin go install "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@$ferretdb_version" 2>"$state/build.log" ||
    { tail -n 5 "$state/build.log" >&2; exit 1; }
}

unpack_postgres() {
  [ -e "$root/complete" ] && return
  say "fetching PostgreSQL 18 and its DocumentDB extension"
  unpack_root "$root" sid postgresql-18 postgresql-18-documentdb
  echo 'postgres:x:999:999::/:/bin/sh' >>"$root/etc/passwd"
  echo 'postgres:x:999:' >>"$root/etc/group"
  # What the packages' own scripts would have linked.
  ln -sf postgis-3.control "$root/usr/share/postgresql/18/extension/postgis.control"
  touch "$root/complete"
}

start_postgres() {
  ours "$postgres_pid" "$postgres" && return
  [ -e "$root/dev/null" ] || mount --bind /dev "$root/dev"
  [ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
  cat >"$root/srv/start.sh" <<'INNER'
set -e
port=$1 user=$2 password=$3 bin=/usr/lib/postgresql/18/bin
export LC_ALL=C.UTF-8 LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/blas:/usr/lib/x86_64-linux-gnu/lapack
as() { setpriv --reuid=999 --regid=999 --clear-groups "$@"; }
chown 999:999 /srv
if [ ! -e /srv/made ]; then
  rm -rf /srv/data
  as $bin/initdb -D /srv/data -A trust -U postgres --no-sync --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  cat >>/srv/data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '/srv'
max_connections = 200
shared_preload_libraries = 'pg_cron, pg_documentdb_core, pg_documentdb'
cron.database_name = 'postgres'
fsync = off
synchronous_commit = off
CONF
fi
rm -f /srv/data/postmaster.pid
as $bin/pg_ctl -D /srv/data -o "-p $port" -l /srv/log -w start >/dev/null
if [ ! -e /srv/made ]; then
  as $bin/psql -h 127.0.0.1 -p "$port" -U postgres -qc "SET client_min_messages = warning" -c "CREATE EXTENSION documentdb CASCADE" \
    -c "CREATE ROLE $user SUPERUSER LOGIN PASSWORD '$password'"
  touch /srv/made
fi
INNER
  setsid chroot "$root" /bin/bash /srv/start.sh "$postgres_port" "$user" "$password" >&2 </dev/null ||
    { tail -n 5 "$root/srv/log" >&2; exit 1; }
}

start_ferretdb() {
  ours "$state/ferretdb.pid" "$ferretdb" && return
  mkdir -p "$state/ferretdb"
  setsid "$ferretdb" --listen-addr="127.0.0.1:$port" --postgresql-url="$backend" --state-dir="$state/ferretdb" --debug-addr=- \
    --telemetry=disable --log-level=error >"$state/ferretdb.log" 2>&1 </dev/null &
  echo $! >"$state/ferretdb.pid"
  for _ in $(seq 200); do
    listening "$port" && return
    kill -0 $! 2>/dev/null || break
    sleep 0.05
  done
  say "FerretDB did not start: $(tail -n 3 "$state/ferretdb.log")"
  exit 1
}

stop() {
  ours "$1" "$2" || return 0
  local pid
  pid=$(head -n 1 "$1")
  kill -INT "$pid"
  while [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$(readlink -f "$2")" ]; do sleep 0.05; done
}

down() {
  stop "$state/ferretdb.pid" "$ferretdb"
  stop "$postgres_pid" "$postgres"
  rm -f "$state/ferretdb.pid"
  for part in dev proc; do ! mountpoint -q "$root/$part" || umount "$root/$part"; done
  [ "${1:-}" != --wipe ] || rm -rf --one-file-system "$state"
}

backend=postgres://postgres@127.0.0.1:$postgres_port/postgres
case "${1:-up}" in
  up)
    [ "$(id -u)" = 0 ] || { say "needs root; or set MONGODB_URL to a MongoDB that you have"; exit 1; }
    build_ferretdb && unpack_postgres && start_postgres && start_ferretdb
    echo "export MONGODB_URL=mongodb://$user:$password@127.0.0.1:$port/ MONGODB_PROGRAM=$ferretdb MONGODB_BACKEND=$backend"
    ;;
  down) down "${2:-}" ;;
  *) say "usage: mongodb.sh [up | down [--wipe]]"; exit 2 ;;
esac
