/**
 * The part of the worker's shell that brings values whole: downloads that go on where they were cut, uploads likewise, both with digests.
 *
 * @module
 */

/**
 * Shell functions over those of {@linkcode WORKER_HTTP}. They want `_dt_k` (how long the agent is waited for, in seconds), and, for a
 * cache of downloads, `_dt_cache` (a folder) and `_dt_room` (how much it may hold, in KiB). `_dt_least` is from how many bytes on a value may be copied
 * from and to files below `_dt_f`, past this shell; empty where nobody copies.
 *
 * - `_dt_fetch PATH FILE [SHA256]` downloads: PATH is `in/LINK`, `in/LINK/KEY`, or `files/PATH` with its digest. 0: the file is there, whole; 3: there is no
 *   such value; otherwise `_dt_why` says what is wrong.
 * - `_dt_send PATH FILE` uploads; what was answered is in `_dt_x.said`. 0, or `_dt_why` says what is wrong.
 * - `_dt_blame` is `failed` when the trouble in `_dt_why` is the task's own, and `infrastructure` otherwise.
 *
 * What is resumed is the same version of the value by its tag, a part is added only where the agent says that it belongs there, and the whole is
 * compared with the agent's digest, where the worker can make one. Where it cannot, nothing is copied past it. When copying fails, what is left of the
 * value is not trusted, and it comes or goes by HTTP.
 */
export const WORKER_TRANSFER: string = `_dt_sum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256 <"$1"
  elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r <"$1"
  fi | cut -d ' ' -f 1
}
_dt_said() {
  _dt_v=
  case $_dt_s in
    000) _dt_v=$(grep -v '^ *[A-Za-z-]*: [^ ]*$' "$_dt_x.err" 2>/dev/null | tail -n 1) ;;
    *) read -r _dt_v 2>/dev/null <"\${_dt_o:-/dev/null}" ;;
  esac
  case $_dt_s in
    000) printf '%s' "\${_dt_v:-nobody answers}" ;;
    *) printf '%s' "the agent answers $_dt_s\${_dt_v:+: $_dt_v}" ;;
  esac
}
_dt_given() {
  _dt_blame=infrastructure
  if [ "$_dt_r" = 23 ]; then
    _dt_why="it cannot be written to $_dt_w: $(_dt_full)"
    # The reason needs room too.
    LC_ALL=C rm -f "$_dt_x.part" "$_dt_x.new"
    return 1
  fi
  case $_dt_s in
    401|403|410) _dt_why=$(_dt_said); return 1 ;;
    400|405|413) _dt_why=$(_dt_said) _dt_blame=failed; return 1 ;;
  esac
  _dt_v=$(date +%s)
  [ "$_dt_since" != 0 ] || _dt_since=$_dt_v _dt_nap=1
  if [ $((_dt_v - _dt_since)) -ge "$_dt_k" ]; then
    _dt_why="$(_dt_said), for $((_dt_v - _dt_since)) seconds"
    [ $_dt_s != 000 ] ||
      _dt_why="the agent does not answer at \${_dt_b:-$_dt_a}: $_dt_why; see that this address leads to it from here"
    return 1
  fi
  _dt_sleep $_dt_nap || return 1
  _dt_nap=$((_dt_nap * 2))
  [ $_dt_nap -lt 30 ] || _dt_nap=30
}
_dt_sleep() {
  _dt_alone
  sleep "$1" &
  _dt_q=$!
  wait $_dt_q
  _dt_v=$?
  _dt_q=
  [ $_dt_v = 0 ] || { _dt_why="this shell cannot wait: sleep leaves with $_dt_v"; return 1; }
}
_dt_alone() {
  # Whoever started it was killed, or has cleaned up.
  [ -d "$_dt_w" ] && { [ -z "$_dt_me" ] || kill -s 0 "$_dt_me" 2>/dev/null; } || exit 1
}
_dt_full() { { printf '%05000d' 0 | cat >"$_dt_x.room"; } 2>&1; LC_ALL=C rm -f "$_dt_x.room"; }
_dt_digest() {
  while :; do
    _dt_from=0
    _dt_http GET "/digest/\${1#in/}" "$_dt_x.sum"
    case $_dt_s$_dt_r in
      2??0) read -r _dt_h <"$_dt_x.sum"; return 0 ;;
      404?*) return 3 ;;
    esac
    _dt_given || return 1
  done
}
_dt_fetch() {
  _dt_since=0 _dt_bad=0 _dt_h=\${3-}
  _dt_sums=$(_dt_sum /dev/null)
  if [ -n "$_dt_cache" ] && [ -n "$_dt_sums" ]; then
    [ -n "\${3-}" ] || _dt_digest "$1" || return $?
    if _dt_cached "$_dt_h" "$2"; then return 0; fi
  fi
  while :; do
    _dt_pull "$1" || return $?
    [ -n "$_dt_sums" ] || break
    [ -n "\${3-}" ] || _dt_digest "$1" || return $?
    [ "$(_dt_sum "$_dt_x.part")" != "$_dt_h" ] || break
    _dt_bad=$((_dt_bad + 1))
    if [ $_dt_bad = 5 ]; then
      _dt_why="what comes is not what the agent has: its digest is not $_dt_h" _dt_blame=infrastructure
      return 1
    fi
  done
  [ -z "$_dt_cache" ] || [ -z "$_dt_h" ] || _dt_keep "$_dt_h" "$_dt_x.part"
  LC_ALL=C mv -f "$_dt_x.part" "$2"
}
_dt_below() {
  [ -n "$_dt_least" ] || return 1
  case $1 in "$_dt_f"/*) _dt_v=\${1#"$_dt_f"/} ;; *) return 1 ;; esac
  # Letter by letter: a range holds others too in some languages.
  case /$_dt_v/ in
    *[!abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-]*|*//*|*/./*|*/../*) return 1 ;;
  esac
}
_dt_pull() {
  _dt_tag= _dt_copy=
  [ -z "$_dt_sums" ] || [ $_dt_bad != 0 ] || ! _dt_below "$_dt_x.part" || _dt_copy="X-Datatask-File: $_dt_v"
  while :; do
    _dt_from=0
    [ -z "$_dt_tag" ] || [ ! -s "$_dt_x.part" ] || _dt_from=$(_dt_size "$_dt_x.part")
    set -- "$1"
    if [ $_dt_from != 0 ]; then set -- "$1" "If-Range: $_dt_tag"
    else
      # Another file each time: who was told before to copy may still write the other.
      LC_ALL=C rm -f "$_dt_x.part"
      [ -z "$_dt_copy" ] || true >"$_dt_x.part"
    fi
    [ -z "$_dt_copy" ] || set -- "$@" "$_dt_copy"
    _dt_path=$1
    shift
    _dt_http GET "/$_dt_path" "$_dt_x.new" "$@"
    set -- "$_dt_path"
    case $_dt_s in
      201|202)
        [ $_dt_from != 0 ] || _dt_tagged
        if [ "$(_dt_field x-datatask-placed)" = "$(_dt_size "$_dt_x.part")" ]; then
          _dt_since=0
          [ $_dt_s = 202 ] || return 0
        # Who copies sees other files than this shell does.
        else _dt_copy= _dt_tag=
        fi
        continue ;;
      502) [ -z "$_dt_copy" ] || _dt_copy= _dt_tag= ;;
      200)
        # A wget that was told to begin later leaves out the beginning of a new version.
        if [ $_dt_c = wget ] && [ $_dt_from != 0 ]; then _dt_tag=; continue; fi
        LC_ALL=C mv -f "$_dt_x.new" "$_dt_x.part"
        _dt_tagged
        [ "$_dt_r" != 0 ] || return 0 ;;
      206)
        case $(_dt_field content-range) in
          "bytes $_dt_from-"*)
            [ ! -s "$_dt_x.new" ] || _dt_since=0
            cat "$_dt_x.new" 2>/dev/null >>"$_dt_x.part" || _dt_r=23 ;;
          *) _dt_tag= ;;
        esac
        [ "$_dt_r" != 0 ] || [ -z "$_dt_tag" ] || return 0 ;;
      404) return 3 ;;
      416) _dt_tag= ;;
    esac
    _dt_given || return 1
  done
}
_dt_tagged() {
  _dt_tag=$(sed -n 's/^[Ee][Tt][Aa][Gg]: *//p' "$_dt_x.head" | tail -n 1 | tr -d '\\r')
  case $_dt_tag in W/*) _dt_tag= ;; esac
}
_dt_cached() {
  { cp "$_dt_cache/$1" "$_dt_x.part" && touch -c "$_dt_cache/$1"; } 2>/dev/null || return 1
  if [ "$(_dt_sum "$_dt_x.part")" = "$1" ]; then LC_ALL=C mv -f "$_dt_x.part" "$2"
  else LC_ALL=C rm -f "$_dt_x.part" "$_dt_cache/$1"; return 1
  fi
}
_dt_keep() {
  mkdir -p "$_dt_cache" 2>/dev/null || return 0
  _dt_e=$_dt_cache/.new.$_dt_n.\${_dt_x##*/}
  { cp "$2" "$_dt_e" && LC_ALL=C mv -f "$_dt_e" "$_dt_cache/$1"; } 2>/dev/null || LC_ALL=C rm -f "$_dt_e"
  _dt_l=0
  ls -t "$_dt_cache" 2>/dev/null | while read -r _dt_v; do
    case $_dt_v in *[!0-9a-f]*) continue ;; esac
    _dt_e=$(($(wc -c 2>/dev/null <"$_dt_cache/$_dt_v") + 0))
    _dt_l=$((_dt_l + (_dt_e + 1023) / 1024))
    [ $_dt_l -le "$_dt_room" ] || LC_ALL=C rm -f "$_dt_cache/$_dt_v"
  done
}
_dt_send() {
  _dt_since=0 _dt_bad=0 _dt_again= _dt_copy=
  _dt_h=$(_dt_sum "$2")
  _dt_total=$(_dt_size "$2")
  [ -z "$_dt_h" ] || ! _dt_below "$2" || [ "$_dt_total" -lt "$_dt_least" ] || _dt_copy="X-Datatask-File: $_dt_v"
  while :; do
    _dt_at=0 _dt_body=$2 _dt_from=0
    if [ -n "$_dt_again" ]; then
      _dt_http HEAD "$1" "$_dt_x.said"
      case $_dt_s in 2??) _dt_at=$(_dt_field x-datatask-received) ;; esac
      case $_dt_at in ''|*[!0-9]*) _dt_at=0 ;; esac
      [ "$_dt_at" -lt "$_dt_total" ] || _dt_at=0
    fi
    set -- "$1" "$2"
    [ -z "$_dt_h" ] || set -- "$@" "X-Datatask-Sha256: $_dt_h"
    if [ -n "$_dt_copy" ]; then
      _dt_body=$_dt_x.rest
      true >"$_dt_body"
      set -- "$@" "$_dt_copy" "Content-Range: bytes $_dt_at-$((_dt_total - 1))/$_dt_total"
    elif [ $_dt_at -gt 0 ]; then
      _dt_body=$_dt_x.rest
      tail -c +$((_dt_at + 1)) "$2" >"$_dt_body" || { _dt_why="it cannot be written to $_dt_w: $(_dt_full)" _dt_blame=infrastructure; LC_ALL=C rm -f "$_dt_body"; return 1; }
      set -- "$@" "Content-Range: bytes $_dt_at-$((_dt_total - 1))/$_dt_total"
    fi
    _dt_up "$@"
    LC_ALL=C rm -f "$_dt_x.rest"
    case $_dt_s$_dt_r in 20[014]?*) return 0 ;; esac
    case $_dt_s in
      202) _dt_since=0 _dt_again=1; continue ;;
      502) _dt_copy= ;;
      404) _dt_why=$(_dt_said) _dt_blame=failed; return 1 ;;
      416) [ -n "$_dt_again" ] || { _dt_why=$(_dt_said) _dt_blame=failed; return 1; } ;;
      422)
        _dt_bad=$((_dt_bad + 1))
        if [ $_dt_bad = 5 ] || [ "$_dt_h" != "$(_dt_sum "$2")" ]; then
          _dt_why="$(_dt_said); see that nothing writes to it any more" _dt_blame=failed
          return 1
        fi ;;
    esac
    case $_dt_s in 416|422) _dt_again= _dt_copy= ;; *) _dt_again=1 ;; esac
    _dt_given || return 1
  done
}
_dt_up() {
  _dt_v=$1
  shift 2
  _dt_http PUT "$_dt_v" "$_dt_x.said" "$@"
}
`;
