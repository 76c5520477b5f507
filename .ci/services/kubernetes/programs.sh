# The programs of a cluster, for kubernetes.sh, which sources this: Kubernetes built from its Go module, the others from Debian's packages,
# unpacked into a folder. Uses $state, $programs, say and separate_apt.

kubernetes_version=1.36.2
kubernetes=$programs/kubernetes-$kubernetes_version
kubernetes_programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet)

# `go install` refuses a module with replacements, and the parts of Kubernetes replace each other by folders that are not in the module.
# So a module of our own replaces each by what was published of it (1.36.2 has the parts 0.36.2).
build_kubernetes() {
  [ -x "$kubernetes" ] && return
  say "building Kubernetes $kubernetes_version from its Go module: 10 to 30 minutes, once"
  local work=$state/build built=0 line module version=k8s.io/component-base/version
  mkdir -p "$work" "$programs"
  cp "$here/kubernetes/main.go" "$work/main.go"
  (
    cd "$work"
    export GOFLAGS="-mod=mod -buildvcs=false" GOWORK=off CGO_ENABLED=0 GOCACHE=$work/cache
    printf 'module cluster\n\ngo 1.26.0\n' >go.mod
    module=$(go mod download -json "k8s.io/kubernetes@v$kubernetes_version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cp "$module/go.sum" go.sum
    chmod u+w go.sum
    {
      printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes_version"
      sed -n "s/^\t\(k8s\.io\/[a-z0-9-]*\) v0\.0\.0\$/\t\1 => \1 v0.${kubernetes_version#1.}/p" "$module/go.mod"
      echo ')'
    } >>go.mod
    nice -n 10 go build -v -p "$(nproc)" -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w -X $version.gitTreeState=clean -X $version.gitCommit=
      -X $version.gitVersion=v$kubernetes_version -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes_version")" -o kubernetes . 2>&1 |
      while IFS= read -r line; do
        echo "$line"
        [[ $line = *" "* ]] || built=$((built + 1))
        ((built == 0 || built % 300)) || say "$built of about 2500 packages" 2>&3
      done
  ) 3>&2 >"$state/build.log" 2>&1 || { say "the build failed: $(tail -n 5 "$state/build.log")"; exit 1; }
  mv "$work/kubernetes" "$kubernetes"
  rm -rf "$work"
}

# Debian sid has what this Kubernetes asks for (containerd 2); its runc wants a newer C library than many machines have, bookworm's does not.
unpack_packages() {
  [ -e "$programs/complete" ] && return
  say "fetching etcd, containerd, runc and the network plugins"
  local apt=$state/apt
  separate_apt "$apt" sid bookworm
  mkdir -p "$programs"
  (
    cd "$apt"
    apt-get "${apt_options[@]}" download etcd-server/sid containerd/sid containernetworking-plugins/sid busybox-static/sid \
      runc/bookworm libseccomp2/bookworm tini/bookworm
    for package in *.deb; do dpkg -x "$package" "$programs"; done
  )
  rm -rf "$apt"
  touch "$programs/complete"
}

obtain_programs() {
  unpack_packages
  build_kubernetes
  for program in "${kubernetes_programs[@]}"; do ln -sf "$kubernetes" "$programs/usr/bin/$program"; done
}
