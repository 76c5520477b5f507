/**
 * Hints that can be copied into a terminal.
 *
 * @module
 */
import type { Context } from "./spec.ts";
import { COMMANDS } from "./table.ts";

/**
 * Puts the program as it was called in place of the bare name, in texts that come from the library: it does not know how it was called.
 *
 * @param text A text that may name commands: `datatask logs summary emma`.
 * @param context How the program was called.
 * @returns `deno run -A pipeline.ts logs summary emma`
 */
export function runnable(text: string, context: Pick<Context, "program" | "repeat">): string {
  return text.replace(
    /\bdatatask ([a-z]+)\b/g,
    (whole, name: string) => COMMANDS.has(name) ? `${context.program} ${name}${context.repeat}` : whole,
  );
}
