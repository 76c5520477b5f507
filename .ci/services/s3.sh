#!/bin/bash
# A real S3 server on 127.0.0.1 for the tests: Ceph's object gateway with a monitor and one store in memory (Debian packages, unpacked
# into a folder and run from there; nothing is installed on the machine).
#
#   eval "$(.ci/services/s3.sh)"         starts it (when it is not up yet) and exports what the tests read
#   .ci/services/s3.sh run COMMAND...    starts it, runs a command with what the tests read, and stops it when the command ends
#   .ci/services/s3.sh down              stops what it started; --wipe also removes its programs
#
# Exports S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY; S3_DOMAIN, the name under which it also answers to <bucket>.<name>; and for tests that
# kill a server of their own S3_PROGRAM, which runs one more gateway over the same store on the port that it is given. Against a server of your
# own set the first three alone.
#
# Needs root (it runs in a chroot), apt and a Debian mirror. The first run takes a minute and 540 MB, later ones three seconds.
set -euo pipefail
export LC_ALL=C
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/s3
port=${S3_PORT:-25105}
monitor_port=${S3_MONITOR_PORT:-25106}
suite=${S3_DEBIAN_SUITE:-sid}
access_key=testkey secret_key=testsecret
root=$state/root
run=$root/srv/ceph
mkdir -p "$state"
# One at a time: two that start it at once would be in each other's way. What is started does not hold the lock.
if [ "${DATATASK_ALONE:-}" != "$state" ]; then
  exec env DATATASK_ALONE="$state" flock -o "$state.lock" bash "${BASH_SOURCE[0]}" "$@"
fi
unset DATATASK_ALONE
say() { echo "s3: $*" >&2; }
# shellcheck source=debian/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian/packages.sh"
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
# Whether the process of a pid file still is one of the programs that we unpacked.
ours() { [ -s "$1" ] && case "$(readlink "/proc/$(head -n 1 "$1")/exe" 2>/dev/null)" in "$(readlink -f "$root")"/*) true ;; *) false ;; esac; }

unpack() {
  [ -e "$root/complete" ] && return
  say "fetching Ceph"
  unpack_root "$root" "$suite" ceph-mon ceph-osd radosgw
  echo 'nobody:x:65534:65534::/:/bin/sh' >>"$root/etc/passwd"
  touch "$root/complete"
}

# The cluster and its gateway, from nothing: what it held is gone when it is started again.
start_ceph() {
  ours "$run/gateway.pid" && answers && return
  down
  [ -e "$root/dev/null" ] || mount --bind /dev "$root/dev"
  [ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
  rm -rf "$run"
  mkdir -p "$run/mon" "$run/osd"
  local id
  id=$(cat /proc/sys/kernel/random/uuid)
  cat >"$run/ceph.conf" <<CONF
[global]
fsid = $id
mon_initial_members = a
mon_host = [v2:127.0.0.1:$monitor_port]
auth_allow_insecure_global_id_reclaim = false
keyring = /srv/ceph/keyring
run_dir = /srv/ceph
log_file = /srv/ceph/\$name.log
admin_socket = /srv/ceph/\$name.\$pid.asok
pid_file = /srv/ceph/\$name.pid
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
osd_crush_chooseleaf_type = 0
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
[mon]
mon_data = /srv/ceph/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
# Without these two a start takes ten seconds longer.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[osd]
osd_data = /srv/ceph/osd
osd_objectstore = memstore
memstore_device_bytes = ${S3_MEMORY:-4294967296}
[client]
rgw_data = /srv/ceph
rgw_thread_pool_size = 64
# Deleted values leave the memory soon, not after two hours.
rgw_gc_obj_min_wait = 2
rgw_gc_processor_period = 2
rgw_gc_processor_max_time = 2
CONF
  cat >"$run/start.sh" <<'INNER'
set -e
export LC_ALL=C
# Ceph finds its plugins by a path relative to the root.
cd /
d=/srv/ceph
c="-c /srv/ceph/ceph.conf"
ceph-authtool --create-keyring $d/keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool $d/keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool $d/keyring --gen-key -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' >/dev/null
ceph-authtool $d/keyring --gen-key -n osd.0 --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *' >/dev/null
monmaptool --create --clobber --fsid "$1" --addv a "[v2:127.0.0.1:$2]" $d/monmap >/dev/null
ceph-mon --mkfs -i a --monmap $d/monmap --keyring $d/keyring $c >/dev/null
ceph-mon -i a $c
osd=$(cat /proc/sys/kernel/random/uuid)
echo "{\"cephx_secret\":\"$(ceph-authtool $d/keyring -p -n osd.0)\"}" | timeout 60 ceph $c osd new "$osd" -i - >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$osd" $c
ceph-osd -i 0 $c
timeout 90 radosgw-admin $c user create --uid=test --display-name=test --access-key="$3" --secret-key="$4" >/dev/null
INNER
  setsid chroot "$root" /bin/bash /srv/ceph/start.sh "$id" "$monitor_port" "$access_key" "$secret_key" \
    >"$run/start.log" 2>&1 </dev/null || { say "Ceph did not start: $(tail -n 5 "$run/start.log")"; exit 1; }
  setsid "$program" "$port" >"$run/gateway.log" 2>&1 </dev/null &
  echo $! >"$run/gateway.pid"
  disown
  for _ in $(seq 400); do
    answers && return
    sleep 0.05
  done
  say "the gateway did not start: $(tail -n 3 "$run/gateway.log")"
  exit 1
}

# One more gateway, in the foreground.
program=$state/gateway
write_program() {
  cat >"$program.new" <<PROGRAM
#!/bin/bash
exec env LC_ALL=C chroot '$root' radosgw -c /srv/ceph/ceph.conf -n client.rgw.a -f --pid-file= \\
  --rgw-dns-name=localhost --rgw-frontends="beast endpoint=127.0.0.1:\$1 tcp_nodelay=1"
PROGRAM
  chmod +x "$program.new"
  mv "$program.new" "$program"
}

# Asked politely, a gateway without its monitor hangs; nothing here outlives its stop anyway.
stop() {
  ours "$1" || return 0
  local pid
  pid=$(head -n 1 "$1")
  kill -KILL "$pid"
  while ours "$1"; do sleep 0.02; done
}

down() {
  local pid_file
  for pid_file in gateway.pid osd.0.pid mon.a.pid; do stop "$run/$pid_file"; done
  rm -f "$run/gateway.pid"
  local part tries
  for part in dev proc; do
    # What was killed may still hold it for a moment.
    for tries in 1 2 3 4 5 6 7 8 9 10; do
      mountpoint -q "$root/$part" || break
      umount "$root/$part" 2>/dev/null || sleep 0.2
    done
  done
  [ "${1:-}" != --wipe ] || rm -rf --one-file-system "$state"
}

up() {
  [ "$(id -u)" = 0 ] || { say "needs root; or set S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY to a server that you have"; exit 1; }
  unpack && write_program && start_ceph
}

exports="S3_ENDPOINT=http://127.0.0.1:$port S3_ACCESS_KEY=$access_key S3_SECRET_KEY=$secret_key S3_DOMAIN=localhost S3_PROGRAM=$program"
case "${1:-up}" in
  up)
    up
    echo "export $exports"
    ;;
  run)
    shift
    trap down EXIT
    up
    env $exports "$@"
    ;;
  down) down "${2:-}" ;;
  *) say "usage: s3.sh [up | run COMMAND... | down [--wipe]]"; exit 2 ;;
esac
