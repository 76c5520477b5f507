# Packages of Debian, unpacked into a folder: nothing is installed on the machine. For the scripts beside this folder, which source this.
# Uses say.

# Unpacks packages, without what they need, from the sources of this machine: the folder, then the packages.
unpack_debian() {
  local into=$1 fetched=$1.fetch package
  shift
  rm -rf "$fetched"
  mkdir -p "$fetched" "$into"
  (
    cd "$fetched"
    apt-get download "$@" >/dev/null 2>&1 || { apt-get update >/dev/null && apt-get download "$@" >/dev/null; }
    for package in ./*.deb; do dpkg -x "$package" "$into"; done
  )
  rm -rf "$fetched"
}

# Makes apt ready that knows nothing of this machine but its mirror, in a folder: the folder, then the suites. Sets apt_options.
separate_apt() {
  local apt=$1 mirror suite keys=/usr/share/keyrings/debian-archive-keyring.gpg
  shift
  [ -e "$keys" ] || { say "needs the package debian-archive-keyring"; exit 1; }
  mirror=${DEBIAN_MIRROR:-$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1 || true)}
  mirror=${mirror:-$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' /etc/apt/sources.list 2>/dev/null || true)}
  rm -rf "$apt"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  : >"$apt/status"
  for suite; do
    echo "deb [signed-by=$keys] ${mirror:?no source of Debian packages is known here: set DEBIAN_MIRROR} $suite main"
  done >"$apt/sources.list"
  apt_options=(
    -qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::Status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root -o APT::Architectures=amd64 -o Debug::NoLocking=1
  )
  apt-get "${apt_options[@]}" update
}

# Makes a folder into which one can chroot, with packages and all they need: the folder, the suite, then the packages.
unpack_root() {
  local root=$1 apt=$1.apt suite=$2 part package
  shift 2
  rm -rf --one-file-system "$root"
  separate_apt "$apt" "$suite"
  apt-get "${apt_options[@]}" -y --no-install-recommends --download-only install \
    base-files bash dash coreutils util-linux libc-bin "$@" >/dev/null
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
  for part in bin sbin lib lib64; do ln -s "usr/$part" "$root/$part"; done
  for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink \
      --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
  done
  mkdir -p "$root"/{proc,dev,tmp,srv,etc}
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0::/root:/bin/bash\n' >"$root/etc/passwd"
  printf 'root:x:0:\n' >"$root/etc/group"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  rm -rf "$apt"
}
