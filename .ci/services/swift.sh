#!/bin/bash
# A second server of S3 on 127.0.0.1, of another dialect, for the tests: OpenStack Swift behind its own S3 middleware (packages of Python,
# in a folder of their own; nothing is installed on the machine). It knows no writes on a condition, wants Content-MD5 with deletions of
# many, and answers with success, and no ETag, when it keeps a value that it takes for newer.
#
#   eval "$(.ci/services/swift.sh)"      starts it (when it is not up yet) and exports what the tests read
#   .ci/services/swift.sh down           stops what it started; --wipe also removes its programs and data
#
# Exports SWIFT_ENDPOINT, SWIFT_ACCESS_KEY and SWIFT_SECRET_KEY.
#
# Needs Python with venv, a package index of Python, and a disk that keeps extended attributes. The first run takes half a minute.
set -euo pipefail
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/swift
port=${SWIFT_PORT:-25205}
access_key=test:tester secret_key=testing
venv=$state/venv
etc=$state/etc
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "swift: $*" >&2; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Whether the process of a pid file still is one of those that we started.
ours() { [ -s "$1" ] && tr '\0' ' ' <"/proc/$(cat "$1")/cmdline" 2>/dev/null | grep -qF "$venv/bin/"; }

obtain() {
  [ -e "$venv/complete" ] && return
  say "fetching Swift"
  rm -rf "$venv"
  python3 -m venv "$venv" || { say "needs python3 with venv (Debian: python3-venv)"; exit 1; }
  # Swift itself and a dependency have no wheels; the one that is C has.
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary pyeclib 'swift==2.38.*' 'setuptools<81' >&2
  touch "$venv/complete"
}

# The servers of the three rings and the proxy before them: kind, offset of the port.
servers="account:3 container:2 object:1 proxy:0"

write_settings() {
  mkdir -p "$etc" "$state/data/disk" "$state/cache"
  printf '[swift-hash]\nswift_hash_path_suffix = datatask\nswift_hash_path_prefix = tests\n[storage-policy:0]\nname = only\ndefault = yes\n' >"$etc/swift.conf"
  local server kind at
  for server in $servers; do
    kind=${server%:*} at=$((port + ${server#*:}))
    {
      printf '[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = %s\nworkers = 0\nswift_dir = %s\ndevices = %s\n' "$at" "$etc" "$state/data"
      printf 'mount_check = false\nfallocate_reserve = 0\nlog_level = ERROR\nlog_address = /nonexistent\nuser = %s\n' "$(id -un)"
      [ "$kind" != proxy ] || continue
      printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\nrecon_cache_path = %s\n' \
        "$kind" "$kind" "$kind" "$state/cache"
      # What the container is not told within this time (1 second, if nothing is said) is listed later, by a program that does not run here.
      [ "$kind" != object ] || echo "container_update_timeout = 60"
    } >"$etc/$kind.conf"
    [ "$kind" = proxy ] || [ -e "$etc/$kind.ring.gz" ] || (
      cd "$etc"
      "$venv/bin/swift-ring-builder" "$kind.builder" create 2 1 1
      "$venv/bin/swift-ring-builder" "$kind.builder" add "r1z1-127.0.0.1:$at/disk" 1
      "$venv/bin/swift-ring-builder" "$kind.builder" rebalance
    ) >/dev/null 2>&1
  done
  cat >>"$etc/proxy.conf" <<CONF
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
# Tests write as a server does whose clock is wrong.
shunt_inbound_x_timestamp = false
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = $secret_key .admin
[filter:copy]
use = egg:swift#copy
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
CONF
}

up() {
  obtain
  local server kind at
  if ! ours "$state/proxy.pid"; then
    write_settings
    for server in $servers; do
      kind=${server%:*}
      ours "$state/$kind.pid" && continue
      setsid "$venv/bin/swift-$kind-server" "$etc/$kind.conf" --verbose >"$state/$kind.log" 2>&1 </dev/null &
      echo $! >"$state/$kind.pid"
      disown
    done
    for server in $servers; do
      kind=${server%:*} at=$((port + ${server#*:}))
      for _ in $(seq 600); do
        answers "$at" && continue 2
        kill -0 "$(cat "$state/$kind.pid")" 2>/dev/null || break
        sleep 0.05
      done
      say "the server of $kind did not start: $(tail -n 3 "$state/$kind.log")"
      exit 1
    done
  fi
  echo "export SWIFT_ENDPOINT=http://127.0.0.1:$port SWIFT_ACCESS_KEY=$access_key SWIFT_SECRET_KEY=$secret_key"
}

down() {
  local server pid_file
  for server in proxy:0 $servers; do
    pid_file=$state/${server%:*}.pid
    if ours "$pid_file"; then
      kill -KILL "$(cat "$pid_file")"
      while ours "$pid_file"; do sleep 0.02; done
    fi
    rm -f "$pid_file"
  done
  [ "${1:-}" != --wipe ] || rm -rf --one-file-system "$state"
}

case "${1:-up}" in
  up) up ;;
  down) down "${2:-}" ;;
  *) say "usage: swift.sh [up | down [--wipe]]"; exit 2 ;;
esac
