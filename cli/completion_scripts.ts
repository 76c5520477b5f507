/**
 * Scripts for shells. Each asks the hidden command `complete` what the last word could become.
 *
 * @module
 */

/** The shells that there are scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell. */
export type Shell = typeof SHELLS[number];

/**
 * A script.
 *
 * @param shell For which shell.
 * @param command The command that is completed.
 * @param program What runs when that command is not installed: `deno run -A /home/me/datatask/cli.ts`. The script then makes the command.
 * @returns The script. Its own function names do not get in the way of others.
 */
export function completionScript(shell: Shell, command: string, program: string): string {
  const name = `_${command.replace(/\W/g, "_")}_complete`;
  // An alias is no command for `type -P`; the program that printed the script always works.
  const call =
    `if type -P ${command} >/dev/null 2>&1; then ${command} complete -- "$@"; else ${program} complete -- "$@"; fi`;
  switch (shell) {
    case "bash":
      return `# Completion of ${command} for bash
type ${command} >/dev/null 2>&1 || function ${command} { ${program} "$@"; }
${name}_ask() { ${call}; }
${name}() {
  local IFS=$'\\n' words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  local found
  found=$(${name}_ask "\${words[@]}" 2>/dev/null | cut -f1)
  COMPREPLY=($found)
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == ":files" ]]; then
    COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
    compopt -o filenames 2>/dev/null
  fi
}
complete -F ${name} ${command}
`;
    case "zsh":
      return `# Completion of ${command} for zsh
whence ${command} >/dev/null || function ${command} { ${program} "$@" }
${name}_ask() { if whence -p ${command} >/dev/null; then command ${command} complete -- "$@"; else ${program} complete -- "$@"; fi }
${name}() {
  local -a found described
  found=("\${(@f)$(${name}_ask "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == ":files" ]]; then _files; return; fi
  local line
  for line in $found; do
    [[ -n $line ]] || continue
    if [[ $line == *$'\\t'?* ]]; then described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    else described+=("\${\${line%%$'\\t'*}//:/\\\\:}"); fi
  done
  _describe '${command}' described
}
compdef ${name} ${command}
`;
    case "fish":
      return `# Completion of ${command} for fish
if not type -q ${command}
  function ${command}
    ${program} $argv
  end
end
function ${name}
  set -l words (commandline -opc)[2..-1] (commandline -ct)
  set -l found
  if type -fq ${command}
    set found (command ${command} complete -- $words 2>/dev/null)
  else
    set found (${program} complete -- $words 2>/dev/null)
  end
  if test "$found[1]" = ":files"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c ${command} -f -a '(${name})'
`;
  }
}
