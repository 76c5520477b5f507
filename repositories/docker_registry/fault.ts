/**
 * What a registry refused or could not do, in words that say what to do about it.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import { classifySystemError, type ErrorCode, isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";

/** A failed exchange with a registry. The message tells what to do. */
export class RegistryFault extends Error {
  /** What it means. */
  readonly code: ErrorCode;
  /** The status of the answer, when there was one. */
  readonly status: number | undefined;

  /**
   * @param code What it means.
   * @param message What happened, and what to do about it.
   * @param options The status of the answer, and the cause.
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RegistryFault";
    this.code = code;
    this.status = options.status;
  }
}

/**
 * What an answer that is no success means.
 *
 * @param host Of which registry.
 * @param response The answer; its body is read to its end.
 * @returns What to throw.
 */
export async function faultOf(host: string, response: Response): Promise<RegistryFault> {
  const { status } = response;
  const said = await whatItSaid(response);
  const answer = `${host} answered ${status}${said.text}`;
  if (status === 403 || said.codes.includes("DENIED")) {
    return new RegistryFault(
      "denied",
      `${answer}; this login may not do it: ask for the permission, or use another login`,
      { status },
    );
  }
  if (status === 404) return new RegistryFault("not-found", answer, { status });
  if (status === 405 || said.codes.includes("UNSUPPORTED")) {
    return new RegistryFault("unsupported", `${answer}; it is not allowed by the registry's configuration`, {
      status,
    });
  }
  if (status === 413) {
    return new RegistryFault(
      "no-space",
      `${answer}; raise the limit of the registry, or of the proxy before it`,
      { status },
    );
  }
  if (status === 507) {
    return new RegistryFault("no-space", `${answer}; free some space there, and run again`, { status });
  }
  if (status === 408 || status === 429 || status >= 500) {
    return new RegistryFault("unavailable", `${answer}; see that it is well, and run again`, { status });
  }
  return new RegistryFault(status >= 400 && said.codes.length > 0 ? "invalid-value" : "io", answer, {
    status,
  });
}

/**
 * The body of an answer that is JSON.
 *
 * @param host Who answered.
 * @param response The answer; its body is read to its end.
 * @param what What it is, for errors: `"a list of tags"`.
 * @param signal Stops it.
 * @returns What it says.
 * @throws {RegistryFault} When it breaks off, or is something else.
 */
export async function jsonOf<T>(
  host: string,
  response: Response,
  what: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new RegistryFault(
      "unavailable",
      `the connection to ${host} broke while ${what} was read; see that it is well, and run again`,
      { cause },
    );
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new RegistryFault("io", `what ${host} gave as ${what} is no JSON; see what answers there`, {
      cause,
    });
  }
}

/** The codes and the words of an answer's body, where it is a registry's. */
async function whatItSaid(
  response: Response,
): Promise<{ readonly codes: readonly string[]; readonly text: string }> {
  let body: string;
  try {
    body = await response.text();
  } catch {
    return { codes: [], text: "" };
  }
  try {
    const { errors } = JSON.parse(body) as { errors: readonly { code?: string; message?: string }[] };
    const texts = errors.map(({ code, message }) => [code, message].filter(Boolean).join(": "));
    return { codes: errors.map(({ code }) => code ?? ""), text: ` (${texts.join("; ").slice(0, 300)})` };
  } catch {
    return { codes: [], text: "" };
  }
}

/**
 * What it means that a request got no answer at all.
 *
 * @param host Of which registry.
 * @param error What `fetch` threw.
 * @returns What to throw.
 */
export function connectionFault(host: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new RegistryFault(
      "denied",
      `${error.message.split(", run again")[0]}; run with --allow-net=${host}`,
      { cause: error },
    );
  }
  if (!(error instanceof TypeError) && classifySystemError(error) === undefined) return error;
  const text = allMessages(error);
  const is = (pattern: RegExp): boolean => pattern.test(text);
  if (is(/certificate|UnknownIssuer|self.?signed/i)) {
    return new RegistryFault(
      "denied",
      `the certificate of ${host} is not trusted${is(/NotValidForName/i) ? " for that name" : ""}; ` +
        "pass the certificate of its authority as `caCerts`, or use the name that it was made for",
      { cause: error },
    );
  }
  if (is(/InvalidContentType|corrupt message|wrong version number/i)) {
    return new RegistryFault(
      "unavailable",
      `${host} does not speak TLS; write http:// before it if that is meant`,
      { cause: error },
    );
  }
  if (is(/dns error|failed to lookup|ENOTFOUND|Name or service not known/i)) {
    return new RegistryFault("unavailable", `there is no host ${host}; check the address of the registry`, {
      cause: error,
    });
  }
  const why = is(/refused/i)
    ? "nobody listens there"
    : is(/reset|closed|incomplete|broken pipe|eof/i)
    ? "the connection broke"
    : innermost(error);
  return new RegistryFault(
    "unavailable",
    `cannot reach ${host}: ${why}; check its address, see that it is up, and run again`,
    { cause: error },
  );
}

function allMessages(error: unknown): string {
  return error instanceof Error ? `${error.message} ${allMessages(error.cause ?? "")}` : String(error);
}

function innermost(error: unknown): string {
  return error instanceof Error
    ? (error.cause instanceof Error ? innermost(error.cause) : error.message)
    : String(error);
}

/**
 * Does something to a store and says, when it fails, what was being done.
 *
 * @param operation What is done: `"read"`.
 * @param subject To which store.
 * @param key To which key.
 * @param call Does it.
 * @returns What it gives.
 * @throws {RepositoryError} In place of a fault; anything else as it is.
 */
export async function explained<T>(
  operation: string,
  subject: string,
  key: Key | undefined,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw explain(operation, subject, key, error);
  }
}

/**
 * An error that says what was being done, in place of a fault.
 *
 * @param operation What was done.
 * @param subject To which store.
 * @param key To which key.
 * @param error What was thrown.
 * @returns A RepositoryError in place of a fault; anything else as it is.
 */
export function explain(operation: string, subject: string, key: Key | undefined, error: unknown): unknown {
  if (isDatataskError(error) || !(error instanceof RegistryFault)) return error;
  const what = key === undefined ? subject : `"${key}" of ${subject}`;
  return new RepositoryError(error.code, `Cannot ${operation} ${what}: ${error.message}`, {
    operation,
    subject,
    ...(key !== undefined && { key }),
    ...(error.code === "unavailable" && { retry: "later" as const }),
    cause: error,
  });
}

/** How often something is tried that the registry gets wrong while others write. */
const TRIES = 6;

/** How long to wait before the second try, in milliseconds; then twice as long each time. */
const PAUSE = 25;

/**
 * Does something again that failed because the registry was writing the same just then: it shows files that are half written, and answers
 * with an error of its own.
 *
 * @param passing Whether a fault is of that kind.
 * @param signal When to stop.
 * @param call Does it; safe to do twice.
 * @returns What it gives.
 * @throws What the last try throws.
 */
export async function patiently<T>(
  passing: (fault: RegistryFault) => boolean,
  signal: AbortSignal | undefined,
  call: () => Promise<T>,
): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RegistryFault) || !passing(error) || tries === TRIES) throw error;
      await sleep(systemClock, PAUSE * 2 ** tries, signal);
    }
  }
}
