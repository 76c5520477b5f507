#!/bin/bash
# A real Kubernetes with one node, for the tests: etcd, apiserver, controller manager, scheduler, containerd and kubelet, with everything of
# its own (addresses, bridge, control groups, data). Nothing is installed on the machine, no firewall rule is made, and pods need no registry.
#
#   eval "$(.ci/services/kubernetes.sh)"       starts a new, empty cluster (when it is not up yet) and exports what the tests read
#   .ci/services/kubernetes.sh down            stops what it started, and the cluster is gone; --wipe also removes programs and images
#
#   .ci/services/kubernetes.sh stop NAME [SIGNAL]     for tests of faults: ends kubelet, apiserver, scheduler or controllers
#   .ci/services/kubernetes.sh start NAME             starts it again; returns when it answers
#   .ci/services/kubernetes.sh compact                forgets the past: after a restart of the apiserver old versions are 410 Gone
#   .ci/services/kubernetes.sh restart-apiserver [SIGNAL]    the three of them: an outage, and watchers that must list again
#
# Exports KUBERNETES_TEST_CONFIG (a kubeconfig that may do everything; not called KUBECONFIG, so that tests never meet a cluster that somebody
# works with), KUBERNETES_TEST_IMAGE (busybox), KUBERNETES_DENO_IMAGE (the same with Deno and curl), KUBERNETES_HOST_ADDRESS (this machine as
# pods see it) and, for tests of faults, KUBERNETES_PROGRAM (this script, for this cluster). Against a cluster of your own set the first four.
#
# Pods reach each other, this machine, and the apiserver as in every cluster (KUBERNETES_SERVICE_HOST); other services have no address that
# works, there are no names, and no way out to the network. A second cluster beside: DATATASK_SERVICES=<folder> KUBERNETES_NETWORK=10.252
# KUBERNETES_BRIDGE=<name>.
#
# Needs root, Go, apt with a Debian mirror, Deno, curl, openssl and ip (iproute2). The first run builds Kubernetes, later ones take seconds.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${DATATASK_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/datatask/services}/kubernetes
programs=$state/programs
run=$state/run              # all of one cluster
bridge=${KUBERNETES_BRIDGE:-dt-kube0}
network=${KUBERNETES_NETWORK:-10.251}
[ ! -e "$run/names" ] || read -r bridge network <"$run/names"
gateway=$network.0.1        # this machine, for pods
address=$network.1.1        # the first service address: that of the apiserver, as pods are told
etcd_address=127.$(cut -d. -f2 <<<"$network").0.1
node=datatask
pki=$run/pki
# Folders that kubelet, containerd and the network plugins have no option for. They see empty ones of their own.
private=(/run/containerd /run/netns /var/lib/cni /var/lib/kubelet /var/log/containers)
# What kubelet sets on the machine.
settings=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes)
mkdir -p "$state"
say() { echo "kubernetes: $*" >&2; }
# shellcheck source=debian/packages.sh
source "$here/debian/packages.sh"
# shellcheck source=kubernetes/programs.sh
source "$here/kubernetes/programs.sh"
# shellcheck source=kubernetes/images.sh
source "$here/kubernetes/images.sh"

program() {
  case "$1" in
    apiserver | scheduler) echo "$programs/usr/bin/kube-$1" ;;
    controllers) echo "$programs/usr/bin/kube-controller-manager" ;;
    etcd | containerd | kubelet) echo "$programs/usr/bin/$1" ;;
    *) say "there is no $1: etcd, apiserver, controllers, scheduler, containerd or kubelet"; exit 2 ;;
  esac
}
# Whether the process that we noted still is the program that we started. (A process that nobody has waited for yet has no command line.)
running() { [ -s "$run/pids/$1" ] && [ "$(tr '\0' '\n' 2>/dev/null <"/proc/$(cat "$run/pids/$1")/cmdline" | head -n 1)" = "$(program "$1")" ]; }
end() { # name, signal
  ! running "$1" || kill "${2:--TERM}" "$(cat "$run/pids/$1")" 2>/dev/null || true
  while running "$1"; do sleep 0.02; done
  rm -f "$run/pids/$1"
}
# Starts a program that goes on when this script has ended: its name, then the whole command.
spawn() {
  local name=$1
  shift
  setsid "$@" >>"$run/logs/$name" 2>&1 </dev/null 9>&- &
  echo $! >"$run/pids/$name"
  until running "$name" || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
}
# Asks again and again until it is so: what is waited for, the program that must be alive meanwhile, the question.
await() {
  local what=$1 name=$2
  shift 2
  for _ in $(seq 1200); do
    ! "$@" >/dev/null 2>&1 || return 0
    running "$name" || break
    sleep 0.1
  done
  say "$what: no. $(grep -E '^[EF]|level=(error|fatal)|"level":"(error|fatal)|[Ee]rror:' "$run/logs/$name" | tail -n 5)"
  exit 1
}
api() { curl -fsS --max-time 20 --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" -A kubernetes.sh "https://$address$1"; }
etcd_api() { curl -fsS --max-time 20 -d "$2" "http://$etcd_address:2379$1"; }

certificate() { # name, subject, usage, alternative names
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>/dev/null
  printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\n%s' "$3" "${4:+subjectAltName=$4}" >"$pki/$1.ext"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
    -extfile "$pki/$1.ext" -out "$pki/$1.crt" 2>/dev/null
  rm "$pki/$1.csr" "$pki/$1.ext"
}
kubeconfig() { # name
  cat >"$run/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{ name: datatask, cluster: { server: "https://$address", certificate-authority-data: $(base64 -w0 "$pki/ca.crt") } }]
users: [{ name: $1, user: { client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key") } }]
contexts: [{ name: datatask, context: { cluster: datatask, user: $1 } }]
current-context: datatask
END
}
make_identities() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=datatask-test -days 3650 -keyout "$pki/ca.key" -out "$pki/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature 2>/dev/null
  openssl genrsa -out "$pki/accounts.key" 2048 2>/dev/null
  openssl rsa -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub" 2>/dev/null
  certificate apiserver /CN=kube-apiserver serverAuth "IP:$address,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate node "/O=system:nodes/CN=system:node:$node" serverAuth "IP:$address,DNS:$node"
  certificate to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
  certificate admin /O=system:masters/CN=admin clientAuth
  certificate controllers /CN=system:kube-controller-manager clientAuth
  certificate scheduler /CN=system:kube-scheduler clientAuth
  certificate kubelet "/O=system:nodes/CN=system:node:$node" clientAuth
  for user in admin controllers scheduler kubelet; do kubeconfig "$user"; done
}

write_settings() {
  cat >"$run/containerd.toml" <<END
version = 3
root = "$run/containerd/root"
state = "$run/containerd/state"
disabled_plugins = [
  "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "$run/c.sock"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
pinned_images.sandbox = "$pause_image"
[plugins."io.containerd.cri.v1.runtime"]
# A machine whose root lacks CAP_SYS_RESOURCE cannot give the pause of a pod the usual score.
restrict_oom_score_adj = true
cni = { bin_dirs = ["$programs/usr/lib/cni"], conf_dir = "$run/cni" }
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
options = { BinaryName = "$programs/usr/sbin/runc", SystemdCgroup = false }
END
  cat >"$run/cni/datatask.conflist" <<END
{ "cniVersion": "1.0.0", "name": "datatask", "plugins": [{
  "type": "bridge", "bridge": "$bridge", "ipMasq": false, "hairpinMode": true,
  "ipam": { "type": "host-local", "ranges": [[{ "subnet": "$network.0.0/24" }]], "routes": [{ "dst": "0.0.0.0/0", "gw": "$gateway" }] }
}] }
END
  cat >"$run/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
healthzPort: 0
authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: $pki/ca.crt } }
authorization: { mode: Webhook }
tlsCertFile: $pki/node.crt
tlsPrivateKeyFile: $pki/node.key
containerRuntimeEndpoint: unix://$run/c.sock
cgroupDriver: cgroupfs
cgroupRoot: /$bridge
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
oomScoreAdj: 0
resolvConf: $run/resolv.conf
podLogsDir: $run/pods
volumePluginDir: $run/volume-plugins
maxPods: 200
# The suites read 100 MB of output back. A node looks every 10 s and begins another file after what is over this.
containerLogMaxSize: 100Mi
# The disk of this machine is nobody's quota, and a node that nobody hears of is noticed in seconds.
evictionHard: { memory.available: 50Mi, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%, imagefs.inodesFree: 0% }
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
nodeLeaseDurationSeconds: 8
END
  : >"$run/resolv.conf"
}

prepare_machine() {
  local setting folder controller
  for setting in "${settings[@]}"; do [ ! -e "/proc/sys/$setting" ] || echo "$setting $(cat "/proc/sys/$setting")"; done >"$run/settings"
  for folder in "${private[@]}"; do [ -d "$folder" ] || { mkdir -p "$folder" && echo "$folder"; }; done >"$run/folders"
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    for controller in cpu cpuset memory pids; do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true; done
    mkdir -p "/sys/fs/cgroup/$bridge"
  else
    for controller in /sys/fs/cgroup/*/cgroup.procs; do mkdir -p "$(dirname "$controller")/$bridge"; done
  fi
  # With an address of its own: otherwise it takes one of its ports', which changes as pods come and go, and is for a while known wrongly.
  ip link add "$bridge" address 02:da:7a:00:00:02 type bridge
  ip address add "$gateway/24" dev "$bridge"
  ip address add "$address/32" dev "$bridge"
  ip link set "$bridge" up
}

start_etcd() {
  spawn etcd "$(program etcd)" --name test --data-dir "$run/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "http://$etcd_address:2379" --advertise-client-urls "http://$etcd_address:2379" \
    --listen-peer-urls "http://$etcd_address:2380" --initial-advertise-peer-urls "http://$etcd_address:2380" \
    --initial-cluster "test=http://$etcd_address:2380"
}
start_apiserver() {
  spawn apiserver "$(program apiserver)" --bind-address "$address" --advertise-address "$address" --secure-port 443 --service-cluster-ip-range "$network.1.0/24" \
    --endpoint-reconciler-type none --etcd-servers "http://$etcd_address:2379" --authorization-mode Node,RBAC \
    --enable-admission-plugins NodeRestriction --allow-privileged --profiling=false \
    --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/accounts.pub" \
    --service-account-signing-key-file "$pki/accounts.key" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$pki/to-kubelet.crt" --kubelet-client-key "$pki/to-kubelet.key" --kubelet-certificate-authority "$pki/ca.crt"
  await "the apiserver is ready" apiserver api /readyz
}
# Without --kube-api-qps the many controllers would wait seconds for their tokens.
start_controllers() {
  spawn controllers "$(program controllers)" --kubeconfig "$run/controllers.kubeconfig" --authentication-kubeconfig "$run/controllers.kubeconfig" \
    --authorization-kubeconfig "$run/controllers.kubeconfig" --secure-port 0 --leader-elect=false --kube-api-qps 300 --kube-api-burst 600 \
    --use-service-account-credentials --service-account-private-key-file "$pki/accounts.key" --root-ca-file "$pki/ca.crt" \
    --node-monitor-period 1s --node-monitor-grace-period 16s --profiling=false
}
start_scheduler() {
  spawn scheduler "$(program scheduler)" --kubeconfig "$run/scheduler.kubeconfig" --authentication-kubeconfig "$run/scheduler.kubeconfig" \
    --authorization-kubeconfig "$run/scheduler.kubeconfig" --secure-port 0 --leader-elect=false --profiling=false
}
# Mounts that containerd and kubelet make are seen by them alone and go when they have ended.
start_containerd() {
  local mounts
  mounts=$(printf 'mount -t tmpfs tmpfs %s; ' "${private[@]}")
  # shellcheck disable=SC2016
  LD_LIBRARY_PATH=$programs/usr/lib/x86_64-linux-gnu spawn containerd \
    unshare --mount --propagation slave bash -ec "$mounts"'exec "$@"' - \
    "$(program containerd)" --config "$run/containerd.toml" --log-level warn
  await "containerd answers" containerd ctr version
}
ctr() { "$programs/usr/bin/ctr" --address "$run/c.sock" --namespace k8s.io "$@"; }
import_images() {
  for image in "$state"/images/*.tar; do
    ctr images import --local "$image" >>"$run/logs/import" 2>&1 || { say "$image: $(tail -n 2 "$run/logs/import")"; exit 1; }
  done
}
node_ready() { api "/api/v1/nodes/$node" | grep -q '"type":"Ready","status":"True"'; }
start_kubelet() {
  spawn kubelet nsenter "--mount=/proc/$(cat "$run/pids/containerd")/ns/mnt" \
    "$(program kubelet)" --config "$run/kubelet.yaml" --kubeconfig "$run/kubelet.kubeconfig" --root-dir "$run/kubelet" \
    --hostname-override "$node" --node-ip "$address"
  await "the node is ready" kubelet node_ready
}

start() {
  local name
  if [ -e "$run/complete" ] && running etcd && running containerd; then # one of the others may have ended
    for name in apiserver controllers scheduler kubelet; do running "$name" || "start_$name"; done
    return
  fi
  down # what is left of a cluster that broke
  mkdir -p "$run"/{pki,logs,pids,cni,pods,volume-plugins}
  mkdir -m 700 "$run/etcd"
  chmod 700 "$run"
  echo "$bridge $network" >"$run/names"
  make_identities
  write_settings
  prepare_machine
  start_etcd
  start_containerd
  import_images & local import=$!
  start_apiserver
  start_controllers
  start_scheduler
  wait "$import"
  start_kubelet
  await "the service account is there" controllers api /api/v1/namespaces/default/serviceaccounts/default
  touch "$run/complete"
}

compact() {
  local revision
  revision=$(etcd_api /v3/maintenance/status '{}' | sed -n 's/.*"revision":"\([0-9]*\)".*/\1/p')
  # With nothing written since the last time there is nothing left to forget.
  [ "$revision" != "$(cat "$run/compacted" 2>/dev/null)" ] || return 0
  etcd_api /v3/kv/compaction "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null
  echo "$revision" >"$run/compacted"
}

# Processes of ours that no pid file tells: those of containers, and the ones that watch them.
leftovers() {
  find /sys/fs/cgroup/{,*/}"$bridge" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  find /proc -maxdepth 2 -name exe -lname "$programs/*" 2>/dev/null | cut -d/ -f3 || true
}
down() {
  local name setting value folder pid
  for name in kubelet scheduler controllers apiserver etcd; do end "$name" -KILL; done
  while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done < <(leftovers | sort -u)
  end containerd -KILL
  for _ in $(seq 200); do
    sleep 0.05
    [ -z "$(leftovers)" ] || continue
    find /sys/fs/cgroup/{,*/}"$bridge" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "$bridge")" ] || break
  done
  ! ip link show "$bridge" >/dev/null 2>&1 || ip link delete "$bridge"
  [ ! -e "$run/settings" ] || while read -r setting value; do echo "$value" >"/proc/sys/$setting" || true; done <"$run/settings"
  [ ! -e "$run/folders" ] || while read -r folder; do rmdir "$folder" 2>/dev/null || true; done <"$run/folders"
  rm -rf --one-file-system "$run"
  [ "${1:-}" != --wipe ] || rm -rf --one-file-system "$state"
}

[ "$(id -u)" = 0 ] || { say "needs root; or set KUBERNETES_TEST_CONFIG and the others for a cluster that you have"; exit 1; }
exec 9>"$state/lock"
flock 9
case "${1:-up}" in
  up)
    obtain_programs
    make_images
    start
    printf '#!/bin/bash\nDATATASK_SERVICES=%q exec %q "$@"\n' "$(dirname "$state")" "$here/kubernetes.sh" >"$run/program"
    chmod +x "$run/program"
    echo "export KUBERNETES_TEST_CONFIG=$run/admin.kubeconfig KUBERNETES_TEST_IMAGE=$test_image KUBERNETES_DENO_IMAGE=$deno_image" \
      "KUBERNETES_HOST_ADDRESS=$gateway KUBERNETES_PROGRAM=$run/program"
    ;;
  down) down "${2:-}" ;;
  stop) end "${2:?what to stop}" "${3:--TERM}" ;;
  start) running "${2:?what to start}" || "start_$2" ;;
  compact) compact ;;
  restart-apiserver)
    end apiserver "${2:--TERM}"
    compact
    start_apiserver
    ;;
  *) say "usage: kubernetes.sh [up | down [--wipe] | stop NAME [SIGNAL] | start NAME | compact | restart-apiserver [SIGNAL]]"; exit 2 ;;
esac
