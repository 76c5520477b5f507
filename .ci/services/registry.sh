#!/bin/bash
# A real Docker registry on 127.0.0.1, from Debian's package, for the tests.
#
#   eval "$(.ci/services/registry.sh)"        starts it (when it is not up yet) and exports what the tests read
#   .ci/services/registry.sh down             stops what it started; --wipe also removes its data
#
# Exports REGISTRY_URL (deletion enabled, no login) and REGISTRY_PROGRAM (the program, from which tests start registries with TLS, logins
# and faults of their own). Nothing is installed on the machine: the package is unpacked into the state folder.
set -euo pipefail
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/registry
port=${REGISTRY_PORT:-5055}
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "registry: $*" >&2; }
# shellcheck source=debian/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian/packages.sh"

# The process is ours when it still is the program that we started.
running() {
  [ -s "$state/pid" ] && [ "$(readlink "/proc/$(cat "$state/pid")/exe" 2>/dev/null)" = "$(readlink -f "$program")" ]
}

obtain() {
  program=$(command -v docker-registry || true)
  if [ -z "$program" ]; then
    program=$state/root/usr/bin/docker-registry
    if [ ! -x "$program" ]; then
      say "fetching the Debian package docker-registry"
      unpack_debian "$state/root" docker-registry
    fi
  fi
}

up() {
  if ! running; then
    cat >"$state/config.yml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $state/data}
  delete: {enabled: true}
http: {addr: 127.0.0.1:$port}
YAML
    setsid "$program" serve "$state/config.yml" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    for _ in $(seq 200); do
      (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
      kill -0 $! 2>/dev/null || { say "it did not start: $(tail -n 3 "$state/log")"; exit 1; }
      sleep 0.05
    done
  fi
  echo "export REGISTRY_URL=http://127.0.0.1:$port REGISTRY_PROGRAM=$program"
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
  down) obtain && down "${2:-}" ;;
  *) say "usage: registry.sh [up | down [--wipe]]"; exit 2 ;;
esac
