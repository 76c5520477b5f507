/**
 * Errors as a person should see them, and the exit codes that go with them.
 *
 * @module
 */
import { causes, describeError, isDatataskError } from "../core/errors.ts";
import { printable, type Style } from "./ansi.ts";
import { uncachedText } from "./uncached.ts";

/** What programs that call this one can tell apart. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  interrupted: 130,
  terminated: 143,
  pipeClosed: 141,
} as const;

/**
 * The exit code for an error.
 *
 * @param error Anything caught.
 * @returns 2 for what a person wrote wrongly (a missing permission too), 141 when nobody reads the output any more, else 1.
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Deno.errors.BrokenPipe) return EXIT.pipeClosed;
  if (isDatataskError(error, "usage") || isDatataskError(error, "invalid-definition")) return EXIT.usage;
  if (isDatataskError(error, "invalid-key") || neededFlag(error)) return EXIT.usage;
  return EXIT.failed;
}

/** The flag that a refused operation needs, as the platform names it. */
function neededFlag(error: unknown): string | undefined {
  for (const at of causes(error)) {
    if (!(at instanceof Error)) continue;
    // A module that may not be read is a TypeError with the same words.
    const flag = /Requires .+ access to .+, run again with the (--allow-[a-z-]+) flag/.exec(at.message)?.[1];
    if (flag) return flag;
  }
  return undefined;
}

/**
 * What is written to the standard error.
 *
 * @param error Anything caught.
 * @param debug Whether stacks are shown.
 * @param style How it is set off.
 * @returns Text that ends with a newline; nothing when there is nothing to say.
 */
export function failureText(error: unknown, debug: boolean, style: Style): string {
  if (error instanceof Deno.errors.BrokenPipe) return "";
  const head = style.red("datatask:");
  const stack = debug && error instanceof Error ? `${stackOf(error)}\n` : "";
  if (isDatataskError(error)) {
    // What a person did wrong is said in full; the cause beneath is for whoever debugs.
    const text = error.code === "usage" ? error.message : describeError(error);
    return `${head} ${lines(text)}\n${stack}`;
  }
  const flag = neededFlag(error);
  if (flag) {
    const what = /Requires (.+?), run again/.exec(describeError(error))?.[1] ?? "a permission";
    return `${head} Not allowed: this needs ${what}; run again with ${flag} (or -A, for all permissions)\n${stack}`;
  }
  const uncached = uncachedText(error);
  if (uncached) return `${head} ${uncached}\n${stack}`;
  const name = error instanceof Error && error.name !== "Error" ? `${error.name}: ` : "";
  return `${head} ${name}${lines(describeError(error))}${
    debug ? "" : "; add --debug to see where"
  }\n${stack}`;
}

/** Lists of faults keep their lines; nothing else has more than one. */
function lines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

function stackOf(error: Error): string {
  return causes(error).filter((at) => at instanceof Error).map((at) => at.stack ?? String(at))
    .join("\nCaused by: ");
}
