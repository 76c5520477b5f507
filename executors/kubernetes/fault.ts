/**
 * Calls of the API that failed, and what that means.
 *
 * @module
 */
import { DatataskError, type ErrorCode, ExecutorError } from "../../core/errors.ts";
import type { Access } from "./access.ts";

/** What the apiserver says when it refuses a call. */
export interface StatusDocument {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** A call that failed: the apiserver said no, or could not be reached. */
export class ApiFault extends Error {
  /** What the apiserver answered; nothing when it could not be reached. */
  readonly status: number | undefined;
  /** The reason that it gave: `NotFound`, `AlreadyExists`, `Forbidden`. */
  readonly reason: string | undefined;
  /** When it wants to be asked again, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param message What the apiserver, or the system, said.
   * @param answer What is known of its answer.
   * @param cause What lies beneath.
   */
  constructor(
    message: string,
    answer: {
      readonly status?: number;
      readonly reason?: string | undefined;
      readonly retryAfterMs?: number | undefined;
    },
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = "ApiFault";
    this.status = answer.status;
    this.reason = answer.reason;
    this.retryAfterMs = answer.retryAfterMs;
  }

  /** Whether this process may not connect: a flag of Deno is missing. */
  get forbidden(): boolean {
    return (this.cause as Error | undefined)?.name === "NotCapable";
  }

  /** Whether the two do not trust each other. */
  get untrusted(): boolean {
    return this.status === undefined && /certificate|tls handshake|received fatal alert/i.test(this.message);
  }

  /** Whether the apiserver was not there to answer, or had no time: the same call may be answered later. */
  get away(): boolean {
    const { status } = this;
    if (status === undefined) return !this.forbidden && !this.untrusted;
    return status === 429 || status === 502 || status === 503 || status === 504 ||
      (status === 500 && /etcd|timed? ?out|leader|storage is|context deadline/i.test(this.message));
  }
}

/**
 * Makes a fault of what a request threw.
 *
 * @param error What was thrown.
 * @returns The fault.
 */
export function faultOf(error: unknown): ApiFault {
  const { cause } = error as { cause?: Error };
  const said = (cause?.message ?? (error as Error).message)
    .replace(/^error sending request (?:from \S+ )?for (?:url )?\(?\S+?\)?(?: \([^)]*\))?: /, "");
  return new ApiFault(said, {}, error);
}

/**
 * Whether a call failed because the apiserver was not there, or had no time.
 *
 * @param error What was caught.
 * @returns Whether it may be made again later.
 */
export function isAway(error: unknown): boolean {
  return error instanceof ApiFault && error.away;
}

/**
 * What a failure means to a user.
 *
 * @param error What was caught.
 * @param access How the cluster was to be reached.
 * @param action What was being done, and on which executor: `start a/b on kubernetes`.
 * @param code What it is when the apiserver said no for another reason than who one is.
 * @returns The error to throw.
 */
export function explain(error: unknown, access: Access, action: string, code: ErrorCode = "io"): unknown {
  if (!(error instanceof ApiFault) || error instanceof DatataskError) return error;
  const { server, source } = access;
  const context = { operation: action.split(" ")[0]!, cause: error };
  const refused = (message: string): ExecutorError =>
    new ExecutorError("denied", `Cannot ${action}: ${message}`, context);
  if (error.forbidden) return refused((error.cause as Error).message);
  if (error.untrusted && access.unchecked) {
    return refused(
      `the ${source} says that the certificate of ${server} is not to be checked (insecure-skip-tls-verify), and Deno leaves that out for a whole process only (${error.message}); start it with --unsafely-ignore-certificate-errors=${
        new URL(server).hostname
      }, or put the authority into the kubeconfig (certificate-authority)`,
    );
  }
  if (error.untrusted) {
    return refused(
      `the connection to ${server} is not trusted (${error.message}); see that the certificates in the ${source} are those of this cluster and have not expired`,
    );
  }
  if (error.status === 401) {
    return refused(
      `${server} does not know who this is (401); the token or the certificate of the ${source} has expired or is of another cluster: log in again`,
    );
  }
  // Rules refuse with several statuses.
  const ruled = error.status === 403 || / denied (the )?request: /.test(error.message);
  if (ruled && !/quota/i.test(error.message)) {
    if (/ cannot \S+ resource /.test(error.message)) {
      return refused(`${error.message}; give this user a role that allows it, as docs/kubernetes.md shows`);
    }
    // Rules of the namespace, and not of the user: nothing like this is let in.
    const advice = "; correct the task or the options of the executor, or the rules of the namespace";
    if (code === "cannot-start") {
      return new ExecutorError(code, `Cannot ${action}: ${error.message}${advice}`, context);
    }
    return refused(error.message);
  }
  if (error.away) {
    return new ExecutorError(
      "unavailable",
      `Cannot ${action}: no apiserver answers at ${server} (${error.message}); see that it is up, and that the ${source} is the right one`,
      { ...context, retry: "later" },
    );
  }
  return new ExecutorError(code, `Cannot ${action}: ${error.message}`, context);
}
