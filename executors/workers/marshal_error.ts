/**
 * Errors on their way between two programs: what they say, where they came from, and what they are.
 *
 * @module
 */
import { StopError, type StopReason } from "../../core/attempt.ts";
import { DatataskError, type ErrorCode, type ErrorContext, isDatataskError } from "../../core/errors.ts";

/** What travels of an error. */
interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** Of an error of datatask. */
  readonly code?: ErrorCode;
  /** Of an error of datatask. */
  readonly context?: ErrorContext;
  /** Of the end of an attempt. */
  readonly why?: StopReason;
  readonly cause?: unknown;
}

/** The errors of the language that are made anew as what they were. */
const STANDARD: Readonly<Record<string, ErrorConstructor>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/**
 * Takes an error apart.
 *
 * @param error The error.
 * @param inner Makes what lies beneath it fit for travel.
 * @returns What travels.
 */
export function encodeError(error: Error, inner: (value: unknown) => unknown): ErrorRecord {
  const text = (value: unknown): string => typeof value === "string" ? value : String(value);
  return {
    name: text(error.name),
    message: text(error.message),
    ...(typeof error.stack === "string" && { stack: error.stack }),
    ...(isDatataskError(error) && { code: error.code, context: error.context }),
    ...(error.name === "StopError" && { why: (error as StopError).why }),
    ...(error.cause !== undefined && error.cause !== error && { cause: causeOf(error.cause, inner) }),
  };
}

/** What lies beneath an error, when it can travel. */
function causeOf(cause: unknown, inner: (value: unknown) => unknown): unknown {
  try {
    return inner(cause);
  } catch {
    return undefined;
  }
}

/**
 * Makes an error anew.
 *
 * @param value What has come.
 * @param inner Reads what lies beneath it.
 * @returns The error.
 */
export function decodeError(value: unknown, inner: (value: unknown) => unknown): Error {
  const { name, message, stack, code, context, why, cause } = value as ErrorRecord;
  const beneath = cause === undefined ? undefined : { cause: inner(cause) };
  const error = why !== undefined
    ? new StopError(why)
    : code !== undefined
    ? new DatataskError(code, message, { ...context, ...beneath })
    : new (classOf(name))(message, beneath);
  if (error.name !== name) {
    Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  }
  Object.defineProperty(error, "stack", {
    value: stack ?? `${name}: ${message}`,
    configurable: true,
    writable: true,
  });
  return error;
}

function classOf(name: string): new (message: string, options?: ErrorOptions) => Error {
  const platform = Object.hasOwn(Deno.errors, name)
    ? Deno.errors[name as keyof typeof Deno.errors]
    : undefined;
  return platform as ErrorConstructor | undefined ?? STANDARD[name] ?? Error;
}
