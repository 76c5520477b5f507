#!/bin/bash
# A real OpenSSH server on 127.0.0.1, from Debian's package, for the tests. It lets in one key, for the user who starts it, whose home
# it puts into the state folder; it runs without root where it is not started by root.
#
#   eval "$(.ci/services/sshd.sh)"        starts it (when it is not up yet) and exports what the tests read
#   .ci/services/sshd.sh down             stops what it started; --wipe also removes its keys and program
#
# Exports SSH_HOST, SSH_PORT, SSH_USER, SSH_KEY (a file), SSH_KNOWN_HOSTS (a file), and for tests that start, cut and kill a server of
# their own: SSH_PROGRAM (the server), SSH_BUSYBOX (busybox, when it could be had). Nothing is installed on the machine: packages are
# unpacked into the state folder.
set -euo pipefail
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/sshd
port=${SSH_TEST_PORT:-22055}
umask 022
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "sshd: $*" >&2; }
# shellcheck source=debian/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian/packages.sh"

# The process is ours when it still is the program that we started.
running() {
  [ -s "$state/pid" ] && [ "$(readlink "/proc/$(cat "$state/pid")/exe" 2>/dev/null)" = "$(readlink -f "$server")" ]
}

obtain() {
  server=/usr/sbin/sshd program=$state/sshd
  if [ ! -x "$server" ]; then
    server=$state/root/usr/sbin/sshd
    [ -x "$server" ] || { say "fetching the Debian package openssh-server"; unpack_debian "$state/root" openssh-server libwrap0; }
  fi
  # Started by root it wants a user "sshd", whom it alone shall see; and it is to find its libraries when it starts itself again.
  cat >"$program.new" <<PROGRAM
#!/bin/sh
export LD_LIBRARY_PATH='$state/root/usr/lib/$(uname -m)-linux-gnu'
if [ "\$(id -u)" != 0 ]; then exec '$server' "\$@"; fi
mkdir -p /run/sshd
if grep -q '^sshd:' /etc/passwd; then exec '$server' "\$@"; fi
exec unshare --mount --propagation slave sh -c 'mount --bind "\$0" /etc/passwd && exec "\$@"' '$state/passwd' '$server' "\$@"
PROGRAM
  chmod +x "$program.new"
  mv "$program.new" "$program"
  { cat /etc/passwd; echo 'sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin'; } >"$state/passwd"
  busybox=$(command -v busybox || true)
  if [ -z "$busybox" ]; then
    busybox=$state/root/bin/busybox
    [ -x "$busybox" ] || unpack_debian "$state/root" busybox-static || { say "no busybox"; busybox=; }
  fi
}

up() {
  mkdir -p "$state/home"
  for key in host id; do
    [ -e "$state/$key" ] || ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$state/$key"
  done
  if ! running; then
    cp "$state/id.pub" "$state/authorized_keys"
    cat >"$state/config" <<CONF
Port $port
ListenAddress 127.0.0.1
HostKey $state/host
PidFile $state/pid
AuthorizedKeysFile $state/authorized_keys
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PrintMotd no
Subsystem sftp internal-sftp
MaxStartups 100
AllowTcpForwarding yes
# The user's own start files have no say.
SetEnv HOME=$state/home XDG_CACHE_HOME=$state/home/.cache
CONF
    "$program" -f "$state/config" -E "$state/log"
    for _ in $(seq 200); do
      running && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
      sleep 0.05
    done
    running || { say "it did not start: $(tail -n 3 "$state/log")"; exit 1; }
  fi
  echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$state/host.pub")" >"$state/known_hosts"
  echo "export SSH_HOST=127.0.0.1 SSH_PORT=$port SSH_USER=$(id -un) SSH_KEY=$state/id SSH_KNOWN_HOSTS=$state/known_hosts" \
    "SSH_PROGRAM=$program SSH_BUSYBOX=$busybox"
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
  *) say "usage: sshd.sh [up | down [--wipe]]"; exit 2 ;;
esac
