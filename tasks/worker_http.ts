/**
 * The part of the worker's shell that talks with the agent: one request, whatever client the worker has.
 *
 * `curl`, the `wget` of GNU, or `nc`: the `wget` of busybox can send no bytes, so where it is the only one its neighbour `nc` does it all. The
 * token is on no command line: curl and wget read it from a file of mode 600, and `printf`, which is no program, writes it for `nc`.
 *
 * @module
 */

/**
 * Shell functions, POSIX sh, seen to work in dash, bash and busybox. They want `_dt_w` (a folder that is the worker's alone), `_dt_a` (the
 * address of the agent, or a file that holds it), `_dt_p` (what comes after it), `_dt_t` (the token), `_dt_ca` (a file of certificates, or
 * nothing) and `_dt_x` (a path for what a request leaves behind; each process has its own).
 *
 * - `_dt_client` finds a client. It fails with the reason in `_dt_why`.
 * - `_dt_http METHOD PATH FILE [HEADER]...` asks: the body of the answer goes to FILE; `_dt_body` is what a PUT sends, `_dt_from` what a GET
 *   leaves out. Afterwards `_dt_s` is the status (000: none), `_dt_r` is 0 when all has come (23: it could not be written), and
 *   `_dt_x.head` holds the headers of the answer, `_dt_x.err` what the client said.
 *   An answer is the agent's own when it says the agent's name; others, but those of a gate in between, are none.
 * - `_dt_field NAME` prints a header of the last answer.
 */
export const WORKER_HTTP: string = `_dt_cr=$(printf '\\r')
_dt_nw=
_dt_client() {
  _dt_base
  if command -v curl >/dev/null 2>&1; then _dt_c=curl
  elif wget --version 2>/dev/null | head -n 1 | grep GNU >/dev/null; then _dt_c=wget
  elif command -v nc >/dev/null 2>&1; then
    _dt_c=nc
    # To others this would be the time that may pass between two bytes.
    ! nc --help 2>&1 | grep BusyBox >/dev/null || _dt_nw="-w 20"
    case $_dt_b in https:*)
      _dt_why="the agent speaks TLS, which takes curl or the wget of GNU, and neither is there; install one of them"
      return 1 ;;
    esac
  elif command -v wget >/dev/null 2>&1; then
    _dt_why="the only client there is this wget, which can send no files; install curl or the wget of GNU"
    return 1
  else
    _dt_why="neither curl nor wget is there; install one of them"
    return 1
  fi
  {
    if [ $_dt_c = curl ]; then
      printf 'header = "Authorization: Bearer %s"\\nsilent\\nshow-error\\ngloboff\\nconnect-timeout = 20\\nspeed-limit = 1\\n' "$_dt_t"
      [ -z "$_dt_ca" ] || printf 'cacert = "%s"\\n' "$(printf '%s' "$_dt_ca" | sed 's/[\\\\"]/\\\\&/g')"
    else
      printf 'header = Authorization: Bearer %s\\nhsts = off\\nmax_redirect = 0\\n' "$_dt_t"
      [ -z "$_dt_ca" ] || printf 'ca_certificate = %s\\n' "$_dt_ca"
    fi
  } | cat >"$_dt_w/client"
}
_dt_base() {
  _dt_b=
  case $_dt_a in
    /*) read -r _dt_b 2>/dev/null <"$_dt_a" ;;
    *) _dt_b=$_dt_a ;;
  esac
  [ -n "$_dt_b" ]
}
_dt_http() {
  _dt_m=$1 _dt_u=$2 _dt_o=$3 _dt_s=000 _dt_r=1
  shift 3
  # Not by the null command, at which some shells leave when no file can be made.
  true >"$_dt_x.head"
  true >"$_dt_o"
  if ! _dt_base; then echo "there is no address in $_dt_a" >"$_dt_x.err"; return 0; fi
  _dt_u=$_dt_b$_dt_p$_dt_u
  "_dt_$_dt_c" "$@"
  _dt_ours=
  while read -r _dt_l _dt_v _dt_e; do
    case $_dt_l in
      HTTP/*) _dt_s=\${_dt_v%"$_dt_cr"} ;;
      [Xx]-[Dd]atatask-[Aa]gent:) [ "/\${_dt_v%"$_dt_cr"}" != "$_dt_p" ] || _dt_ours=1 ;;
    esac
  done <"$_dt_x.head"
  case $_dt_s$_dt_ours in
    [2-5][0-9][0-9]1|400|413|5[0-9][0-9]) ;;
    [2-5][0-9][0-9]) echo "another server does ($_dt_s)" >"$_dt_x.err"; _dt_s=000 _dt_r=1 ;;
    *) _dt_s=000 ;;
  esac
  if [ "$_dt_r" = 0 ] && [ $_dt_m = GET ]; then
    _dt_v=$(_dt_field content-length)
    [ -z "$_dt_v" ] || [ "$_dt_v" = "$(_dt_size "$_dt_o")" ] || _dt_r=1
  fi
  return 0
}
_dt_field() {
  tr '[:upper:]' '[:lower:]' <"$_dt_x.head" | sed -n "s/^$1: *//p" | tail -n 1 | tr -d '\\r'
}
_dt_size() { echo $(($(wc -c <"$1"))); }
_dt_wait() {
  wait "$_dt_q"
  _dt_r=$?
  _dt_q=
}
_dt_curl() {
  [ "$_dt_from" = 0 ] || set -- "$@" "Range: bytes=$_dt_from-"
  for _dt_l; do shift; set -- "$@" -H "$_dt_l"; done
  case $_dt_m in
    PUT) set -- "$@" --speed-time 900 -T "$_dt_body" ;;
    HEAD) set -- "$@" --speed-time 300 -I ;;
    *) set -- "$@" --speed-time 300 ;;
  esac
  no_proxy=$_dt_near curl -q -K "$_dt_w/client" -D "$_dt_x.head" -o "$_dt_o" "$@" "$_dt_u" 2>"$_dt_x.err" &
  _dt_q=$!
  _dt_wait
}
_dt_wget() {
  for _dt_l; do shift; set -- "$@" --header "$_dt_l"; done
  [ "$_dt_from" = 0 ] || set -- "$@" --start-pos="$_dt_from"
  case $_dt_m in
    PUT) set -- "$@" --timeout=900 --method=PUT --header 'Content-Type: application/octet-stream' --body-file="$_dt_body" ;;
    *) set -- "$@" --timeout=300 --method=$_dt_m ;;
  esac
  WGETRC=$_dt_w/client no_proxy=$_dt_near wget -q -S --tries=1 --connect-timeout=20 --content-on-error -O "$_dt_o" "$@" "$_dt_u" 2>"$_dt_x.err" &
  _dt_q=$!
  _dt_wait
  sed 's/^ *//' "$_dt_x.err" >"$_dt_x.head"
  case $_dt_r in 3) _dt_r=23 ;; 8) _dt_r=0 ;; esac
}
_dt_nc() {
  [ "$_dt_from" = 0 ] || set -- "$@" "Range: bytes=$_dt_from-"
  _dt_l=\${_dt_u#http://}
  _dt_v=/\${_dt_l#*/} _dt_l=\${_dt_l%%/*}
  case \${_dt_l##*:} in *[!0-9]*) _dt_l=$_dt_l:80 ;; esac
  _dt_e=\${_dt_l%:*}
  _dt_e=\${_dt_e#"["}
  set -- "\${_dt_e%"]"}" "\${_dt_l##*:}" "$@"
  LC_ALL=C rm -f "$_dt_x.fifo"
  mkfifo "$_dt_x.fifo" 2>"$_dt_x.err" || return 0
  nc $_dt_nw "$1" "$2" <"$_dt_x.fifo" 2>"$_dt_x.err" | {
    while IFS= read -r _dt_l && _dt_l=\${_dt_l%"$_dt_cr"} && [ -n "$_dt_l" ]; do printf '%s\\n' "$_dt_l"; done >"$_dt_x.head"
    cat 2>/dev/null >"$_dt_o" || exit 23
  } &
  _dt_q=$!
  exec 8>"$_dt_x.fifo"
  shift 2
  (
    printf '%s %s HTTP/1.0\\r\\nHost: %s\\r\\nAuthorization: Bearer %s\\r\\n' "$_dt_m" "$_dt_v" "$_dt_l" "$_dt_t"
    [ $# = 0 ] || printf '%s\\r\\n' "$@"
    [ $_dt_m != PUT ] || printf 'Content-Length: %s\\r\\n' "$(_dt_size "$_dt_body")"
    printf '\\r\\n'
    [ $_dt_m != PUT ] || cat "$_dt_body"
  ) >&8 2>/dev/null
  _dt_wait
  exec 8>&-
}
`;
