/**
 * How a command is written.
 *
 * @module
 */
import type { CommandSpec } from "./spec.ts";

/**
 * How a command is written.
 *
 * @param spec The command.
 * @returns `why TASK [JOB]`
 */
export function usage(spec: CommandSpec): string {
  const args = spec.args.map(({ name, optional, many }) =>
    optional ? `[${name}${many ? "..." : ""}]` : `${name}${many ? "..." : ""}`
  );
  return [spec.name, ...args].join(" ");
}
