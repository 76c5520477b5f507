/**
 * Ctrl-C and polite requests to end.
 *
 * @module
 */
import { EXIT } from "./fail.ts";

/** Listens until it is disposed of. */
export interface Interrupts extends Disposable {
  /** The exit code of the signal that came, if one did. */
  readonly code: number | undefined;
}

/**
 * Listens for Ctrl-C and SIGTERM.
 *
 * @param handle Gets the exit code that goes with the signal, how many have come, and which.
 * @returns What ends the listening.
 */
export function onInterrupt(
  handle: (code: number, times: number, signal: "SIGINT" | "SIGTERM") => void,
): Interrupts {
  let times = 0;
  let code: number | undefined;
  const listener = (signal: "SIGINT" | "SIGTERM") => (): void => {
    code = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
    handle(code, ++times, signal);
  };
  const onInt = listener("SIGINT");
  const onTerm = listener("SIGTERM");
  Deno.addSignalListener("SIGINT", onInt);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onTerm);
  return {
    get code() {
      return code;
    },
    [Symbol.dispose]() {
      Deno.removeSignalListener("SIGINT", onInt);
      if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGTERM", onTerm);
    },
  };
}
