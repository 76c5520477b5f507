# The images of a cluster, made without any registry, for kubernetes.sh, which sources this: busybox, the same with Deno and curl, and the
# pause of pods. Uses $state, $programs and say.

test_image=localhost/datatask-test:1
deno_image=localhost/datatask-deno:1
pause_image=localhost/datatask-pause:1

# Writes an image as an archive: the name of the archive and of the image, the folder of its files, its command as JSON.
archive_image() {
  local work=$state/images/work digest
  rm -rf "$work"
  mkdir -p "$work/blobs/sha256"
  # Moves a file to its place by content; says its digest.
  blob() { digest=$(sha256sum <"$1" | cut -c1-64); mv "$1" "$work/blobs/sha256/$digest"; echo "$digest"; }
  descriptor() { echo "{\"mediaType\":\"application/vnd.oci.image.$1\",\"digest\":\"sha256:$2\",\"size\":$(stat -c %s "$work/blobs/sha256/$2")$3}"; }
  local layer config manifest
  tar -C "$3" --owner=0 --group=0 --numeric-owner --sort=name --mtime=@0 -cf "$work/part" .
  layer=$(blob "$work/part")
  echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":$4,\"Env\":[\"PATH=/usr/bin:/bin\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$layer\"]}}" >"$work/part"
  config=$(blob "$work/part")
  echo "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":$(descriptor config.v1+json "$config" ""),\"layers\":[$(descriptor layer.v1.tar "$layer" "")]}" >"$work/part"
  manifest=$(blob "$work/part")
  echo "{\"schemaVersion\":2,\"manifests\":[$(descriptor manifest.v1+json "$manifest" ",\"annotations\":{\"io.containerd.image.name\":\"$2\"}")]}" >"$work/index.json"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  tar -C "$work" -cf "$state/images/$1.part" oci-layout index.json blobs
  mv "$state/images/$1.part" "$state/images/$1.tar"
  rm -rf "$work"
}

# Copies a program of this machine and the shared libraries that it needs.
copy_program() {
  local library
  cp -L "$1" "$2/usr/bin/"
  for library in $(ldd "$1" | grep -o '/[^ ]*'); do
    mkdir -p "$2/$(dirname "$library")"
    cp -L "$library" "$2/$library"
  done
}

make_images() {
  [ -e "$state/images/complete" ] && return
  say "making the images"
  local files=$state/images/files applet
  rm -rf "$state/images"
  mkdir -p "$files"/{bin,tmp,etc,root,usr/bin}
  chmod 1777 "$files/tmp"
  cp "$programs/usr/bin/busybox" "$programs/usr/bin/tini-static" "$files/bin/"
  for applet in $("$files/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$files/bin/$applet"; done
  ln -s ../../bin/env "$files/usr/bin/env"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n' >"$files/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$files/etc/group"
  archive_image pause "$pause_image" "$files" '["/bin/tini-static","--","/bin/sleep","inf"]'
  archive_image test "$test_image" "$files" '["/bin/sh"]'
  copy_program "$(deno eval 'console.log(Deno.execPath())')" "$files"
  copy_program "$(command -v curl)" "$files"
  archive_image deno "$deno_image" "$files" '["/bin/sh"]'
  rm -rf "$files"
  touch "$state/images/complete"
}
