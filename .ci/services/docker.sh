#!/bin/bash
# A real Docker Engine with everything of its own (socket, data, bridge), from Debian's packages, for the tests. Nothing is installed on
# the machine, no firewall rule is made, and another engine on it is left alone.
#
#   eval "$(.ci/services/docker.sh)"          starts it (when it is not up yet) and exports what the tests read
#   .ci/services/docker.sh down               stops what it started; --wipe also removes its data and programs
#
# Exports DOCKER_SOCKET and DOCKER_HOST, TEST_IMAGE (busybox, built here without any registry) and DOCKER_PROGRAMS (the unpacked packages,
# from which tests start engines of their own: DOCKER_PROGRAMS=... DATATASK_SERVICES=<folder> DOCKER_BRIDGE=<name> docker.sh, with
# DOCKER_SUBNET and DOCKER_SETTINGS, a daemon.json, where these are to be others).
#
# Needs root, apt with a Debian mirror, curl and ip (iproute2). The first run fetches 65 MB, later ones take a second.
set -euo pipefail
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/docker
programs=${DOCKER_PROGRAMS:-$state/root}
bridge=${DOCKER_BRIDGE:-dt-docker0}
subnet=${DOCKER_SUBNET:-172.31.255.1/24}
settings=${DOCKER_SETTINGS:-}
image=datatask-test:1
socket=$state/docker.sock
dockerd=$programs/usr/sbin/dockerd
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "docker: $*" >&2; }
# shellcheck source=debian/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian/packages.sh"
api() { curl -sS --fail-with-body --unix-socket "$socket" "$@"; }
# Whether the process of the pid file still is the program that we started.
running() { [ -s "$state/pid" ] && [ "$(readlink "/proc/$(cat "$state/pid")/exe" 2>/dev/null)" = "$(readlink -f "$dockerd")" ]; }

obtain() {
  [ -e "$programs/complete" ] && return
  say "fetching Debian's packages of Docker"
  rm -rf "$state/root"
  unpack_debian "$state/root" docker.io containerd runc busybox-static tini iptables libip4tc2 libip6tc2 libnftnl11 libnetfilter-conntrack3 \
    libnfnetlink0 libxtables12
  ln -sf tini-static "$state/root/usr/bin/docker-init"
  touch "$state/root/complete"
}

start() {
  running && return
  rm -f "$socket" "$state/docker.pid"
  # The containerd of an engine that was killed has gone with it; where nobody has asked how, it would be taken for one that is there.
  local containerd=$state/exec/containerd/containerd.pid
  [ ! -s "$containerd" ] || readlink "/proc/$(cat "$containerd")/exe" >/dev/null 2>&1 || rm -f "$containerd"
  ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
  [ -n "$(ip -4 -o address show dev "$bridge")" ] || ip address add "$subnet" dev "$bridge"
  # An address of its own: otherwise it takes one of its ports', which changes as containers come and go, and is for a while known wrongly.
  ip link set "$bridge" address 02:da:7a:00:00:01
  ip link set "$bridge" up
  PATH="$programs/usr/sbin:$programs/usr/bin:$programs/sbin:$PATH" LD_LIBRARY_PATH="$programs/usr/lib/x86_64-linux-gnu" setsid "$dockerd" \
    --host "unix://$socket" --data-root "$state/data" --exec-root "$state/exec" --pidfile "$state/docker.pid" \
    --config-file "$state/daemon.json" --bridge "$bridge" --iptables=false --ip-forward=false --ip-masq=false --userland-proxy=false \
    --log-level warn >"$state/log" 2>&1 </dev/null &
  echo $! >"$state/pid"
  for _ in $(seq 600); do
    api http://engine/_ping >/dev/null 2>&1 && return
    kill -0 $! 2>/dev/null || break
    sleep 0.05
  done
  say "it did not start: $(tail -n 5 "$state/log")"
  exit 1
}

# A file system with busybox and nothing else.
build() {
  api "http://engine/images/$image/json" >/dev/null 2>&1 && return
  local files=$state/image busybox
  busybox=$(find "$programs/bin" "$programs/usr/bin" -name busybox -type f 2>/dev/null | head -n 1)
  rm -rf "$files"
  mkdir -p "$files"/{bin,tmp,etc,usr/bin}
  chmod 1777 "$files/tmp"
  cp "$busybox" "$files/bin/busybox"
  for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$files/bin/$applet"; done
  ln -s ../../bin/env "$files/usr/bin/env"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$files/etc/passwd"
  tar -C "$files" -c . | api -X POST -T - \
    "http://engine/images/create?fromSrc=-&repo=${image%:*}&tag=${image#*:}&changes=ENV%20PATH=/usr/bin:/bin" >/dev/null
  rm -rf "$files"
}

down() {
  if running; then
    kill "$(cat "$state/pid")"
    while running; do sleep 0.05; done
  fi
  rm -f "$state/pid"
  ! ip link show "$bridge" >/dev/null 2>&1 || ip link delete "$bridge"
  for mount in $(awk -v at="$state/" 'index($2, at) == 1 { print $2 }' /proc/mounts | sort -r); do umount "$mount" || true; done
  [ "${1:-}" != --wipe ] || rm -rf --one-file-system "$state"
}

case "${1:-up}" in
  up)
    [ "$(id -u)" = 0 ] || { say "needs root; or set DOCKER_SOCKET, DOCKER_HOST and TEST_IMAGE for an engine that you have"; exit 1; }
    obtain && echo "${settings:-"{}"}" >"$state/daemon.json" && start && build
    echo "export DOCKER_SOCKET=$socket DOCKER_HOST=unix://$socket TEST_IMAGE=$image DOCKER_PROGRAMS=$programs"
    ;;
  down) down "${2:-}" ;;
  *) say "usage: docker.sh [up | down [--wipe]]"; exit 2 ;;
esac
