/**
 * What is said of trouble with the files and processes of this machine.
 *
 * @module
 */
import { advice, classifySystemError, ExecutorError, isMachineTrouble } from "../core/errors.ts";

/**
 * The error for trouble with files or processes of this machine.
 *
 * @param action What could not be done.
 * @param error What was thrown.
 * @param fallback The code when the error does not tell one.
 * @param root The folder where it was done.
 * @returns The error for a user.
 */
export function localError(
  action: string,
  error: unknown,
  fallback: "io" | "cannot-start",
  root: string,
): unknown {
  if (error instanceof ExecutorError || (error as Error)?.name === "AbortError") return error;
  const code = classifySystemError(error) ?? fallback;
  const why = error instanceof Error ? error.message : String(error);
  return new ExecutorError(
    code === "denied" || code === "no-space" || isMachineTrouble(error) ? code : fallback,
    `Cannot ${action}: ${code === "no-space" ? diskFull(root) : `${why}${advice(code, why)}`}`,
    { operation: action.split(" ")[0]!, cause: error },
  );
}

/**
 * Looks whether a disk has no room for a file of one block more.
 *
 * @param root A folder on it.
 * @param path The file to try it with, which is not there.
 * @returns What is said of a full disk: where it is, and what to do; nothing when there is room, or when that cannot be told.
 */
export function whetherFull(root: string, path: string): string | undefined {
  try {
    Deno.writeTextFileSync(path, "room", { createNew: true, mode: 0o600 });
    return undefined;
  } catch (error) {
    return classifySystemError(error) === "no-space" ? diskFull(root) : undefined;
  } finally {
    try {
      Deno.removeSync(path);
    } catch {
      // It was not made, or the next coordinator removes it.
    }
  }
}

function diskFull(root: string): string {
  return `the disk that holds ${root} is full; free some space there, or give the pipeline another state folder`;
}
