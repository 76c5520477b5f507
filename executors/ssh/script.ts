/**
 * What runs on the host: the shell that answers requests, the one that tells of ends, and the one that watches over a run. All are
 * POSIX sh, seen to work in dash, bash and busybox. Each run is a folder:
 *
 * - `head` says what the run is, and is there as long as it is. `job` is what to run.
 * - `record` is created exclusively by whoever decides about the run: by its watching shell as the first act, or by a coordinator that
 *   found it unclaimed, after which no shell will ever run it. The shell only appends to its record.
 *
 * @module
 */

/** What both the answering and the watching shell know how to do. */
const COMMON = `_dt_start() {
  _s=
  if read -r _s 2>/dev/null <"/proc/$1/stat"; then
    _s="\${_s##*) }"
    set -- $_s
    [ "$1" != Z ] && [ "$1" != X ] || { _s=; return 1; }
    shift 19
    _s=$1
  elif [ ! -e /proc/self/stat ]; then
    _s=$(ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _)
  fi
  [ -n "$_s" ]
}
_dt_members() {
  _m=
  if [ ! -e /proc/self/stat ]; then
    for _p in $(ps -A -o pid= -o pgid= | while read -r _p _g; do [ "$_g" != "$1" ] || echo "$_p"; done); do
      [ "$_p" = "$1" ] || _m="$_m $_p"
    done
  elif [ $# = 1 ]; then
    for _p in $(cd /proc && grep -ls "^[0-9]* (.*) [^ZX] [0-9]* [0-9]* $1 " [0-9]*/stat); do
      [ "$_p" = "$1/stat" ] || _m="$_m \${_p%/stat}"
    done
  else
    _i=$1
    shift
    for _p; do
      [ -n "$_p" ] && read -r _s 2>/dev/null <"$_p/stat" || continue
      _s="\${_s##*) }"
      case $_s in Z*|X*) continue ;; esac
      _s="\${_s#* * * }"
      [ "\${_s%% *}" != "$_i" ] || [ "\${_p#/proc/}" = "$_i" ] || _m="$_m \${_p#/proc/}"
    done
  fi
}
_dt_signal() {
  _k=$1 _n=1
  shift
  _dt_members "$@"
  for _p in $_m; do kill -s "$_k" "$_p" 2>/dev/null && _n=0; done
  return $_n
}
`;

/**
 * The shell that watches over runs, one after the other, in a session of its own: `sh -c WATCH name uid folder boot fifo`.
 *
 * It outlives polite signals in order to record what became of its child, ends what is left in its session, and tells all who listen: the uid
 * of the run, its folder, where the shell takes the next, and the lines of the record, with tabs in between. Then it waits at that FIFO for the uid and
 * folder of another, as long as the shell lives that it was started by: a fork is all that a run then costs. An empty line sends it away.
 */
export const WATCH: string = `${COMMON}trap : HUP INT QUIT PIPE TERM USR1 USR2
exec 2>/dev/null
_dt_now() { read -r _u _x </proc/uptime || _u=$(date +%s); }
_dt_start $$
_g=$1 _d=$2 _o="$$ $_s $3" _q=$4.$$.$_s
mkfifo "$_q" && exec 8<>"$_q" || _q=
while [ -n "$_d" ]; do
  set -C
  exec 9>"$_d/record" || exit 125
  set +C
  _dt_now
  echo "claimed $_o $_u" >&9 || exit 125
  times >&9
  _b=
  read -r _x _x _x _x _b </proc/loadavg
  ( unset -f _dt_start _dt_now _dt_members _dt_signal; set --; . "./$_d/job" ) >"$_d/stdout" 2>&1 </dev/null 8>&- 9>&-
  _c=$?
  _e=
  read -r _x _x _x _x _e </proc/loadavg
  set -- KILL $$
  if [ -n "$_e" ] && [ "$_e" -ge "$_b" ] && [ "$((_e - _b))" -le 256 ]; then
    set -- KILL $$ ''
    while [ "$_b" -lt "$_e" ]; do
      _b=$((_b + 1))
      [ ! -d "/proc/$_b" ] || set -- "$@" "/proc/$_b"
    done
  fi
  _r=0
  while [ $_r -lt 20 ] && _dt_signal "$@"; do
    _r=$((_r + 1))
    set -- KILL $$
  done
  [ $_r -lt 20 ] || _q=
  times >&9
  _dt_now
  echo "exit $_c $_u" >&9 || exit 125
  exec 9>&-
  _t="$_g	$_d	$_q"
  while IFS= read -r _l; do _t="$_t	$_l"; done <"$_d/record"
  [ $_c -le 128 ] || [ ! -e "$_d/code" ] || _t="$_t	code"
  for _f in .watch/*; do [ ! -p "$_f" ] || printf '%s\\n' "$_t" 1<>"$_f"; done
  [ -n "$_q" ] || exit
  until IFS= read -r _l <&8; do [ -p "$_q" ] || exit; done
  _g=\${_l%% *} _d=\${_l#* }
done`;

/**
 * The shell that answers requests. Each is one command, in braces so that a request that was cut off is no command at all, and is
 * answered by lines and at last by `= number code`.
 */
export const ANSWER: string = `umask 077
exec 2>&1
${COMMON}q() { _q=$1; shift; "$@" </dev/null; printf '\\n= %s %s\\n' "$_q" "$?"; }
leave() { for _f; do [ ! -p "$_f" ] || echo 1<>"$_f"; done; LC_ALL=C rm -rf "$@"; }
sweep() {
  for _f in .new/* .watch/*; do
    [ -e "$_f" ] || continue
    _n=\${_f##*/}
    _dt_start "\${_n%%.*}" && case $_n in *".$_s"|*".$_s".*) continue ;; esac
    leave "$_f"
  done
  for _f in .new/*; do [ "$_f" = '.new/*' ] || return 0; done
  for _f in */*/; do [ "$_f" = '*/*/' ] || [ -e "$_f/head" ] || LC_ALL=C rm -rf "$_f"; done
}
hello() {
  _r=\${1:-\${XDG_CACHE_HOME:-$HOME/.cache}/datatask}
  case $_r in /*) ;; *) _r=$HOME/$_r ;; esac
  R=$_r/$2/$(uname -n) SH=$3
  LC_ALL=C mkdir -p "$R/.new" "$R/.watch" || return 1
  cd "$R" || return 1
  if command -v setsid >/dev/null; then T=setsid
  elif command -v perl >/dev/null; then T=perl
  elif command -v python3 >/dev/null; then T=python3
  else echo "the host has none of setsid, perl and python3, to start a run in a session of its own"; return 1; fi
  read -r B 2>/dev/null </proc/sys/kernel/random/boot_id || B=$(sysctl -n kern.boottime 2>/dev/null | tr -s ' ' _)
  sweep
  _dt_start $$
  ME=$$.$_s
  mkdir -p ".new/$ME"
  trap 'leave ".new/$ME" ".new/$ME".*' EXIT
  trap exit HUP INT TERM
  echo "R $R"
  echo "B $B"
  echo "M $ME"
}
bye() {
  trap - EXIT
  leave ".new/$ME" ".new/$ME".*
  rmdir */ .new .watch 2>/dev/null
  for _f in */; do [ "$_f" != '*/' ] || LC_ALL=C rm -f .agent; done
  cd / && rmdir "$R" "\${R%/*}" 2>/dev/null
  return 0
}
detach() {
  case $T in
    setsid) exec setsid "$@" ;;
    perl) exec perl -e 'use POSIX; setsid(); exec @ARGV' "$@" ;;
    *) exec python3 -c 'import os,sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@" ;;
  esac
}
full() { echo "cannot write: $( { printf '%05000d' 0 | LC_ALL=C cat >"$1/room"; } 2>&1 )"; LC_ALL=C rm -rf "$1"; }
room() {
  _r=$( { printf '%05000d' 0 | LC_ALL=C cat >".new/$ME/room"; } 2>&1 ) && LC_ALL=C rm -f ".new/$ME/room" && return 0
  LC_ALL=C rm -f ".new/$ME/room"
  echo "cannot write below $R: $_r"
  return 1
}
begin() {
  if [ -e "$1/head" ]; then cat "$1/head"; return 3; fi
  if [ -n "$6" ]; then
    if [ ! -e "$6" ]; then echo missing; return 4; fi
    if [ -d "$6" ]; then echo folder; return 4; fi
    if [ ! -x "$6" ]; then echo mode; return 4; fi
  fi
  [ -d "$1/cwd" ] || LC_ALL=C mkdir -p "$1/cwd" || return 1
  if [ -n "$5" ]; then
    LC_ALL=C mv "$5"/* "$1" && rmdir "$5" || { LC_ALL=C rm -rf "$1"; return 1; }
  fi
  { [ -z "$4" ] || printf '%s\\n' "$4" >"$1/job"; } 2>/dev/null && printf '' >"$1/stdout" && printf '%s\\n' "$3" 2>/dev/null >"$1/head" ||
    { full "$1"; return 1; }
  if [ -p "$7" ] && _w=\${7#".new/$ME."} && _dt_start "\${_w%%.*}" && [ "$_s" = "\${_w#*.}" ]; then
    printf '%s %s\\n' "$2" "$1" 1<>"$7"
  else
    detach $SH -c "$W" datatask-watch "$2" "$1" "$B" ".new/$ME" >/dev/null 2>&1 &
  fi
}
act() {
  [ -z "$1" ] || drop $1
  _y=
  for _x in $2; do
    [ ! -e "$_x/head" ] || continue
    [ ! -e "$_x" ] || LC_ALL=C rm -rf "$_x"
    _y="$_y $_x/cwd"
  done
  [ -z "$_y" ] || LC_ALL=C mkdir -p $_y 2>/dev/null
  shift 2
  while [ $# -gt 0 ]; do
    begin "$@"
    _y=$?
    [ $_y = 0 ] || [ -e "$1/head" ] || LC_ALL=C rm -rf "$1"
    echo "=: $_y"
    shift 7
  done
}
look() {
  for _n; do
    _c=
    for _f in head record; do
      while IFS= read -r _l; do
        printf '%s\\n' "$_n/$_f:$_l"
        case $_l in "claimed "*) _c=\${_l#claimed } ;; "exit "*) _c= ;; esac
      done 2>/dev/null <"$_n/$_f"
    done
    [ ! -e "$_n/code" ] || echo "$_n/code:"
    [ -n "$_c" ] || continue
    _p=\${_c%% *} _c=\${_c#* }
    ! _dt_start "$_p" || [ "$_s" != "\${_c%% *}" ] || echo "$_n/alive:"
  done
  return 0
}
list() {
  for _f in \${1:-*}; do
    [ ! -d "$_f" ] || printf '%s\\n' "$_f"/*/head "$_f"/*/record
  done | xargs grep '' /dev/null 2>/dev/null
  return 0
}
alive() { for _p; do _dt_start "\${_p%%.*}" && [ "$_s" = "\${_p#*.}" ] && echo "$_p"; done; return 0; }
agent() { printf '%s\\n' "$1" >".new/$ME/agent" && LC_ALL=C mv -f ".new/$ME/agent" .agent; }
take() { ( set -C; echo void >"$1/record" ) 2>/dev/null; }
ended() { [ -e "$1/record" ] && echo "exit $2 0" >>"$1/record"; }
drop() {
  LC_ALL=C rm -rf "$@" 2>/dev/null || { chmod -R u+rwx "$@" 2>/dev/null; LC_ALL=C rm -rf "$@"; }
}
runs() {
  _dt_start "\${2%%.*}" && [ "$_s" = "\${2#*.}" ] || return 1
  while read -r _l _x; do [ "$_l" != exit ] || return 1; done <"$1/record"
}
caught() {
  while read -r _k _v; do [ "$_k" != SigCgt: ] || return 0; done 2>/dev/null <"/proc/$1/status"
  return 1
}
begun() {
  caught "$1" || return 0
  _h=$_v
  for _p in $_m; do ! caught "$_p" || [ "$_v" != "$_h" ] || return 1; done
}
polite() {
  runs "$1" "$2" 2>/dev/null || return 0
  _dt_members "\${2%%.*}"
  [ -n "$_m" ] || return 5
  [ -n "$3" ] || begun "\${2%%.*}" || return 5
  for _t in TERM CONT; do
    for _p in $_m; do kill -s $_t "$_p"; done
  done 2>/dev/null
  return 0
}
force() {
  runs "$1" "$2" 2>/dev/null || return 0
  _dt_signal KILL "\${2%%.*}"
  kill -s CONT "\${2%%.*}"
  return 0
}
clear() { kill -s 0 "\${1%%.*}" 2>/dev/null || _dt_signal KILL "\${1%%.*}"; return 0; }
kill9() {
  runs "$1" "$2" 2>/dev/null || return 1
  kill -s KILL "\${2%%.*}"
  _dt_signal KILL "\${2%%.*}"
  ended "$1" 137
}
`;

/** The shell that tells of ends, one folder a line, until its input ends. */
export const TELL: string = `umask 077
${COMMON}tell() {
  cd "$1" || exit 1
  _dt_start $$
  F=.watch/$$.$_s
  mkfifo "$F" || exit 1
  exec 3<>"$F"
  cat <&3 2>/dev/null &
  trap 'kill $!; exec 4<"$F" 3>&-; rm -f "$F"; cat <&4 >/dev/null' EXIT
  echo
}
`;
