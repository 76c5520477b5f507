/**
 * The names of signals by their numbers, as Linux has them: what runs in a container runs on Linux.
 *
 * @module
 */

const NAMES: readonly (string | undefined)[] = [
  ...[undefined, "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2"],
  ...["PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU"],
  ...["XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"],
];

/**
 * The name of a signal.
 *
 * @param number Its number.
 * @returns `SIGTERM`; `signal 60` for one that has no name.
 */
export function signalName(number: number): string {
  const name = NAMES[number];
  return name === undefined ? `signal ${number}` : `SIG${name}`;
}
