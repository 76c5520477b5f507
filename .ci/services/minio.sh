#!/bin/bash
# A third server of S3 on 127.0.0.1, for the tests: MinIO, built from its Go module at the last version under the Apache licence (2021). It
# knows no writes on a condition; newer ones, which CI on GitHub meets, do.
#
#   eval "$(.ci/services/minio.sh)"      starts it (when it is not up yet) and exports what the tests read
#   .ci/services/minio.sh down           stops what it started; --wipe also removes its program and data
#
# Exports MINIO_ENDPOINT, MINIO_ACCESS_KEY and MINIO_SECRET_KEY.
#
# Needs Go. The first run builds MinIO, which takes 3 to 15 minutes.
set -euo pipefail
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/minio
port=${MINIO_PORT:-25405}
access_key=testkey secret_key=testsecret
version=v0.0.0-20210422020608-a7acfa6158ea
program=$state/minio-$version
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "minio: $*" >&2; }

# The process is ours when it still is the program that we started.
running() {
  [ -s "$state/pid" ] && [ "$(readlink "/proc/$(cat "$state/pid")/exe" 2>/dev/null)" = "$(readlink -f "$program")" ]
}

obtain() {
  [ -x "$program" ] && return
  command -v go >/dev/null || { say "needs Go to build MinIO"; exit 1; }
  say "building MinIO from its Go module: 3 to 15 minutes, once"
  local work=$state/build module
  rm -rf "$work"
  mkdir -p "$work"
  (
    # What it needs is what its own module file says: so it is built where that is.
    export GOFLAGS=-buildvcs=false GOWORK=off CGO_ENABLED=0 GOCACHE=$work/cache
    cd "$work"
    module=$(go mod download -json "github.com/minio/minio@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cp -r "$module" source
    chmod -R u+w source
    cd source
    # Packages of its time name what Go keeps to itself by now.
    nice -n 10 go build -p "$(nproc)" -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w -checklinkname=0" -o ../minio .
  ) >"$state/build.log" 2>&1 || { say "the build failed: $(tail -n 5 "$state/build.log")"; exit 1; }
  mv "$work/minio" "$program"
  chmod -R u+w "$work"
  rm -rf "$work"
}

up() {
  if ! running; then
    MINIO_ROOT_USER=$access_key MINIO_ROOT_PASSWORD=$secret_key MINIO_BROWSER=off MINIO_UPDATE=off HOME=$state \
      setsid "$program" server --quiet --address "127.0.0.1:$port" "$state/data" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    local up=
    for _ in $(seq 600); do
      if [[ "$(answer 2>/dev/null)" = *" 200 "* ]]; then
        up=true
        break
      fi
      kill -0 $! 2>/dev/null || break
      sleep 0.05
    done
    [ -n "$up" ] || { say "it did not start: $(tail -n 3 "$state/log")"; exit 1; }
  fi
  echo "export MINIO_ENDPOINT=http://127.0.0.1:$port MINIO_ACCESS_KEY=$access_key MINIO_SECRET_KEY=$secret_key"
}

# The first line of what it says of its health.
answer() {
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET /minio/health/ready HTTP/1.0\r\n\r\n' >&3
  head -n 1 <&3
}

down() {
  if running; then
    kill "$(cat "$state/pid")"
    while running; do sleep 0.05; done
  fi
  rm -f "$state/pid"
  [ "${1:-}" != --wipe ] || rm -rf "$state"
}

case "${1:-up}" in
  up) obtain && up ;;
  down) down "${2:-}" ;;
  *) say "usage: minio.sh [up | down [--wipe]]"; exit 2 ;;
esac
