/**
 * What to say of a path on the command line that cannot be used.
 *
 * @module
 */
import { classifySystemError, describeError, UsageError } from "../core/errors.ts";

/**
 * The error of a path that somebody has named.
 *
 * @param action What was being done: `write out/plan.svg`.
 * @param error What the system says.
 * @returns The error of the usage, when the path is why; otherwise what was given.
 */
export function pathError(action: string, error: unknown): unknown {
  const why = reason(error);
  return why ? new UsageError(`Cannot ${action}: ${why}`, { cause: error }) : error;
}

function reason(error: unknown): string | undefined {
  const { code } = error as { readonly code?: string };
  if (code === "ENOTDIR" || code === "EEXIST") {
    return "there is a file where a folder must be; name another place";
  }
  if (code === "EISDIR") return "it is a folder; name a file";
  if (code === "ENAMETOOLONG") return "its name is too long; name another place";
  switch (classifySystemError(error)) {
    case "not-found":
      return "the folder that it belongs in is not there; make it first, or name another place";
    case "denied":
      return `${describeError(error)}; name a place that may be written, or change who may`;
    default:
      return undefined;
  }
}
