/**
 * The errors of datatask: few classes, a stable `code` each, context, and the cause beneath.
 *
 * @module
 */

/** What went wrong, for a program. A code never changes within a major version; the message may. */
export type ErrorCode =
  | "not-found"
  | "already-exists"
  | "conflict"
  | "invalid-key"
  | "invalid-value"
  | "unsupported"
  | "denied"
  | "no-space"
  | "unavailable"
  | "io"
  | "session-closed"
  | "resource-failed"
  | "unknown-run"
  | "cannot-start"
  | "run-failed"
  | "timed-out"
  | "lost"
  | "invalid-definition"
  | "lease-held"
  | "usage";

/** What was being done when an error arose. */
export interface ErrorContext {
  /** What was being done: `"read"`, `"list"`. */
  readonly operation?: string;
  /** To whom: the name of a repository, a task, a resource. */
  readonly subject?: string;
  /** To which key. */
  readonly key?: string;
  /** Whether trying again can help: `"later"` for trouble that passes. */
  readonly retry?: "never" | "later" | "gave-up";
}

/** Marks errors of any copy of this package, since several may be loaded: see {@linkcode isDatataskError}. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/error") as never;

/** The base of all errors that datatask throws. Compare {@linkcode DatataskError.code}, not classes. */
export class DatataskError extends Error {
  /** What went wrong, for a program. */
  readonly code: ErrorCode;
  /** What was being done. */
  readonly context: ErrorContext;

  /**
   * Makes the error.
   *
   * @param code What went wrong, for a program.
   * @param message What went wrong, for a person, and what to do about it.
   * @param context What was being done, and the `cause` beneath.
   */
  constructor(code: ErrorCode, message: string, context: ErrorContext & { readonly cause?: unknown } = {}) {
    const { cause, ...rest } = context;
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.context = rest;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Something about the values or the keys of a repository. */
export class RepositoryError extends DatataskError {}

/** A value was asked for that is not there. Its code is `not-found`. */
export class NotFoundError extends RepositoryError {
  /**
   * Makes the error.
   *
   * @param message What was not found, and where.
   * @param context What was being done.
   */
  constructor(message: string, context: ErrorContext & { readonly cause?: unknown } = {}) {
    super("not-found", message, context);
  }
}

/** Something about a session's resources. */
export class SessionError extends DatataskError {}

/** Something about where work runs. */
export class ExecutorError extends DatataskError {}

/** The pipeline is wrong as written. `faults` lists all that was found, not just the first. */
export class DefinitionError extends DatataskError {
  /** Each fault, a sentence. */
  readonly faults: readonly string[];

  /**
   * Makes the error.
   *
   * @param faults What is wrong, a sentence each.
   * @param context What was being done.
   */
  constructor(faults: readonly string[] | string, context: ErrorContext & { readonly cause?: unknown } = {}) {
    const list = typeof faults === "string" ? [faults] : faults;
    super(
      "invalid-definition",
      list.length === 1 ? list[0]! : `${list.length} faults:\n- ${list.join("\n- ")}`,
      context,
    );
    this.faults = list;
  }
}

/**
 * Makes something of what a user has written. What is wrong with it is shown at the line that called, which is where it is to be corrected,
 * and not within this library: a program that defines what is wrong is ended by Deno, which prints that line.
 *
 * @param called The function or the class that the user has called, and that calls this.
 * @param make Makes it.
 * @returns What was made.
 */
export function definedBy<T>(called: (...args: never[]) => unknown, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (isDatataskError(error, "invalid-definition")) Error.captureStackTrace(error, called);
    throw error;
  }
}

/** The command line was wrong, or a name on it is unknown: exit code 2. */
export class UsageError extends DatataskError {
  /**
   * Makes the error.
   *
   * @param message What was wrong, and what to write in its place.
   * @param context What was being done.
   */
  constructor(message: string, context: ErrorContext & { readonly cause?: unknown } = {}) {
    super("usage", message, context);
  }
}

/**
 * Tells whether a value is an error of datatask, of whichever loaded copy of the package.
 *
 * @param error Anything caught.
 * @param code Only errors of this code, when given.
 * @returns Whether it is.
 */
export function isDatataskError(error: unknown, code?: ErrorCode): error is DatataskError {
  return error instanceof Error && BRAND in error &&
    (code === undefined || (error as unknown as DatataskError).code === code);
}

/**
 * Says what an error says, with what lies beneath it, on one line and without a stack.
 *
 * @param error Anything caught.
 * @returns Its message, then the messages of its causes, as far as they are not told above.
 */
export function describeError(error: unknown): string {
  // One that only holds others says nothing of its own.
  const speaking = causes(error).filter((at, i) =>
    i === 0 || !(at instanceof AggregateError && at.message === "")
  );
  const texts = speaking.map(say);
  const told = texts.filter((text, i) => !texts.slice(0, i).some((above) => above.includes(text)));
  return told.reduceRight((below, text) => `${text} (${below})`);
}

/**
 * An error and what lies beneath it, each once: what people throw may be its own cause.
 *
 * @param error Anything caught.
 * @returns It, then its causes.
 */
export function causes(error: unknown): readonly unknown[] {
  const found = new Set([error]);
  for (let at = error; at instanceof Error && at.cause !== undefined && at.cause !== null;) {
    at = at.cause;
    if (found.has(at)) break;
    found.add(at);
  }
  return [...found];
}

function say(error: unknown): string {
  try {
    return error instanceof Error ? error.message || error.name : String(error);
  } catch {
    return `an ${typeof error} without words`;
  }
}

/**
 * What the errors of the platform mean, by their class.
 *
 * @param error Anything caught.
 * @returns The code that fits, or nothing.
 */
export function classifySystemError(error: unknown): ErrorCode | undefined {
  if (isDatataskError(error)) return error.code;
  if (error instanceof Deno.errors.NotFound) return "not-found";
  if (error instanceof Deno.errors.AlreadyExists) return "already-exists";
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "denied";
  }
  const code = (error as { code?: string } | null)?.code;
  if (code === "ENOSPC" || code === "EDQUOT") return "no-space";
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") return "denied";
  if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.TimedOut) {
    return "unavailable";
  }
  if (code !== undefined) return "io";
  return undefined;
}

/** Errors of the platform that say nothing of what was asked for: the machine is short of something, or in trouble. */
const EXHAUSTED = new Set(["EAGAIN", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT"]);

/**
 * Whether an error of the platform says nothing of what was asked for, because the machine is short of something, or in trouble: it must not
 * be taken for an answer.
 *
 * @param error Anything caught.
 * @returns Whether it is one of these.
 */
export function isMachineTrouble(error: unknown): boolean {
  return EXHAUSTED.has((error as { code?: string } | null)?.code ?? "");
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  "denied": "check its owner and mode",
  "no-space": "free some space, or put it elsewhere, and run again",
  "unavailable": "see that the service is up, and run again",
};

/**
 * What a person can do about an error of this code, as the last clause of a message.
 *
 * @param code The code.
 * @param said What the message says already. Where that names a flag of Deno, it is the advice.
 * @returns `"; "` and the advice, or nothing.
 */
export function advice(code: ErrorCode | undefined, said = ""): string {
  const text = code === undefined || said.includes("--allow-") ? undefined : ADVICE[code];
  return text === undefined ? "" : `; ${text}`;
}
