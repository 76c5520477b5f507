/**
 * The part of the worker's shell for links whose values come and go while the script runs.
 *
 * @module
 */

/**
 * Shell functions over those of {@linkcode WORKER_TRANSFER}.
 *
 * - `_dt_feed LINK FOLDER KIND NAME [COKEY.KIND]...` fills a folder with the values of a streaming input, each renamed into place when it is whole, until
 *   there can be no more: then `FOLDER.end` appears. Runs in a process of its own.
 * - `_dt_watch LINK FOLDER KIND NAME [COKEY]...` publishes what appears in a folder, as long as `$_dt_w/going` is there. In a process of its own;
 *   `$_dt_x.0` and `$_dt_x.1` must be older than what is put there.
 * - `_dt_pass SINCE LINK FOLDER KIND NAME [COKEY]...` publishes what has not changed since the file SINCE, or all that has not been published.
 * - `_dt_fault TEXT` notes why a stream cannot go on, ends the script, and leaves.
 *
 * KIND is `file` or `tree`.
 */
export const WORKER_STREAMS: string = `_dt_fault() {
  printf '%s %s\\n' "$_dt_blame" "$1" >"$_dt_w/fault"
  _dt_child=
  read -r _dt_child 2>/dev/null <"$_dt_w/child"
  [ -z "$_dt_child" ] || kill -s TERM "$_dt_child" 2>/dev/null
  exit 1
}
_dt_unpack() {
  LC_ALL=C rm -rf "$2" && mkdir "$2" && tar -xpof "$1" -C "$2" 2>"$_dt_x.err"
}
_dt_pack() {
  tar -cf "$_dt_x.value" -C "$1" . 2>"$_dt_x.err"
}
_dt_feed() {
  trap '[ -z "$_dt_q" ] || kill "$_dt_q" 2>/dev/null; exit 0' TERM
  _dt_cursor= _dt_since=0
  mkdir -p "$_dt_w/seen.$1"
  while :; do
    _dt_alone
    _dt_from=0
    _dt_http GET "/feed/$1?after=$_dt_cursor" "$_dt_x.keys"
    case $_dt_s$_dt_r in
      2000) _dt_since=0 ;;
      *) _dt_given || _dt_fault "cannot go on with input $4: $_dt_why"; continue ;;
    esac
    while read -r _dt_key <&6; do
      case $_dt_key in
        @*) _dt_next=\${_dt_key#@} ;;
        .)
          true >"$2.end" || _dt_fault "cannot end input $4: it cannot be written to $2.end: $(_dt_full)"
          exit 0 ;;
        *) [ -e "$_dt_w/seen.$1/$_dt_key" ] || _dt_come "$@" ;;
      esac
    done 6<"$_dt_x.keys"
    _dt_cursor=$_dt_next _dt_since=0
  done
}
_dt_come() {
  _dt_link=$1 _dt_dir=$2 _dt_kind=$3 _dt_title=$4
  shift 4
  # First what goes with it: whoever sees the item finds all of it.
  for _dt_cokey; do _dt_place "$_dt_link.\${_dt_cokey%.*}" "$_dt_dir.\${_dt_cokey%.*}" "\${_dt_cokey##*.}"; done
  _dt_place "$_dt_link" "$_dt_dir" "$_dt_kind"
  true >"$_dt_w/seen.$_dt_link/$_dt_key"
}
_dt_place() {
  _dt_fetch "in/$1/$_dt_key" "$_dt_x.value"
  case $? in
    0)
      if [ "$3" = tree ]; then
        _dt_unpack "$_dt_x.value" "$2/.$_dt_key" || _dt_fault "cannot unpack $_dt_key of input $_dt_title: $(tail -n 1 "$_dt_x.err")"
        LC_ALL=C mv "$2/.$_dt_key" "$2/$_dt_key"
      else LC_ALL=C mv -f "$_dt_x.value" "$2/$_dt_key"
      fi ;;
    3) ;;
    *) _dt_fault "cannot bring $_dt_key of input $_dt_title: $_dt_why" ;;
  esac
}
_dt_watch() {
  trap '[ -z "$_dt_q" ] || kill "$_dt_q" 2>/dev/null; exit 0' TERM
  while :; do
    LC_ALL=C mv -f "$_dt_x.1" "$_dt_x.2"
    LC_ALL=C mv -f "$_dt_x.0" "$_dt_x.1"
    true >"$_dt_x.0" || _dt_fault "cannot watch output $4: it cannot be written to $_dt_x.0: $(_dt_full)"
    _dt_sleep 1 || _dt_fault "cannot watch output $4: $_dt_why"
    [ -e "$_dt_w/going" ] || exit 0
    _dt_pass "$_dt_x.2" "$@" || _dt_fault "$_dt_why"
  done
}
_dt_pass() {
  for _dt_file in "$3"/*; do
    _dt_name=\${_dt_file##*/}
    _dt_mark=$_dt_w/sent.$2/$_dt_name
    _dt_is "$4" "$_dt_file" || continue
    ! _dt_same "$2" || continue
    [ -z "$1" ] || [ -z "$(find "$_dt_file" -newer "$1" 2>/dev/null | head -n 1)" ] || continue
    mkdir -p "$_dt_w/sent.$2" "$_dt_w/sums.$2"
    true >"$_dt_x.mark"
    _dt_put "$@" || return 1
    printf '%s\\n' "$_dt_h" >"$_dt_w/sums.$2/$_dt_name"
    LC_ALL=C mv -f "$_dt_x.mark" "$_dt_mark"
  done
}
_dt_same() {
  [ -e "$_dt_mark" ] || return 1
  if [ -d "$_dt_file" ]; then [ -z "$(find "$_dt_file" -newer "$_dt_mark" 2>/dev/null | head -n 1)" ]; return; fi
  # Where times are whole seconds, a file that is as old as its mark may have changed since.
  [ -z "$(find "$_dt_mark" -newer "$_dt_file" 2>/dev/null)" ] || return 0
  read -r _dt_v <"$_dt_w/sums.$1/$_dt_name" && [ -n "$_dt_v" ] && [ "$_dt_v" = "$(_dt_sum "$_dt_file")" ]
}
_dt_is() {
  [ ! -L "$2" ] || return 1
  if [ "$1" = tree ]; then [ -d "$2" ]; else [ -f "$2" ]; fi
}
_dt_put() {
  _dt_dir=$3 _dt_link=$2 _dt_kind=$4 _dt_title=$5
  _dt_enc=$(_dt_encode "$_dt_name")
  shift 5
  for _dt_cokey; do
    [ -f "$_dt_dir.$_dt_cokey/$_dt_name" ] || [ -d "$_dt_dir.$_dt_cokey/$_dt_name" ] || continue
    _dt_item "/items/$_dt_link.$_dt_cokey/$_dt_enc" "$_dt_dir.$_dt_cokey/$_dt_name" || return 1
  done
  _dt_item "/items/$_dt_link/$_dt_enc" "$_dt_file"
}
_dt_item() {
  if [ -d "$2" ]; then
    _dt_pack "$2" || { _dt_why="cannot pack $2: $(tail -n 1 "$_dt_x.err")" _dt_blame=infrastructure; return 1; }
    set -- "$1" "$_dt_x.value"
  fi
  _dt_send "$1" "$2" || { _dt_why="cannot publish $_dt_name of output $_dt_title: $_dt_why"; return 1; }
}
_dt_encode() {
  case $1 in
    *[!A-Za-z0-9._-]*) printf '%s' "$1" | od -An -v -tx1 | tr -d ' \\n' | sed 's/../%&/g' ;;
    *) printf '%s' "$1" ;;
  esac
}
`;

/**
 * What `datatask` does on the worker, after the functions: `get LINK KEY`, `put LINK FILE [NAME]`. It wants `_dt_family LINK`, which sets
 * `_dt_folder`, `_dt_kind` and `_dt_cokeys` of a streaming output, and fails for anything else.
 */
export const WORKER_TOOL: string = `_dt_x=$_dt_w/tool.$$
_dt_q= _dt_from=0
umask 077
trap 'LC_ALL=C rm -rf "$_dt_x".*' EXIT
trap '[ -z "$_dt_q" ] || kill "$_dt_q" 2>/dev/null; exit 143' TERM
_dt_trouble() {
  printf 'datatask: %s\\n' "$1" >&2
  printf '%s %s\\n' "$_dt_blame" "$1" >"$_dt_w/trouble"
  exit 1
}
_dt_wrong() { printf 'datatask: %s\\n' "$1" >&2; exit 2; }
case \${1-}.$# in
  get.3)
    _dt_fetch "in/$(_dt_encode "$2")/$(_dt_encode "$3")" "$_dt_x.value"
    case $? in
      0) cat "$_dt_x.value" ;;
      3) exit 3 ;;
      *) _dt_trouble "cannot get $3 of $2: $_dt_why" ;;
    esac ;;
  put.3|put.4)
    _dt_family "$2" || _dt_wrong "cannot put into $2: it is no streaming output of this task"
    _dt_file=$3 _dt_name=\${4-\${3##*/}}
    case $_dt_file in /*) ;; *) _dt_file=./$_dt_file ;; esac
    _dt_is $_dt_kind "$_dt_file" || _dt_wrong "cannot put $3 into $2: it is no $_dt_kind"
    case $_dt_name in ''|*/*|.|..) _dt_wrong "cannot put $3 into $2: a name has no slash" ;; esac
    _dt_put . "$2" "$_dt_folder" $_dt_kind "$2" $_dt_cokeys || _dt_trouble "$_dt_why"
    cat "$_dt_x.said" ;;
  *)
    echo 'usage: datatask get LINK KEY            writes the value to standard output; leaves with 3 when there is none' >&2
    echo '       datatask put LINK FILE [NAME]    publishes a file at once, and writes its key to standard output' >&2
    exit 2 ;;
esac
`;
