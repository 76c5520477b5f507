/**
 * What the errors of MongoDB's client mean, in words that say what to do about it.
 *
 * @module
 */
import { causes, type ErrorCode, isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";

/** What is read of an error, whichever class it has. */
interface MongoTrouble {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errorLabels?: readonly string[];
  readonly errorLabelSet?: ReadonlySet<string>;
}

/** Codes of a server that is stopping, starting, no longer first among its set, or that has forgotten a cursor; or of two that got in each other's way. */
const PASSING: ReadonlySet<unknown> = new Set([
  24,
  46,
  112,
  6,
  7,
  43,
  50,
  89,
  91,
  134,
  189,
  237,
  262,
  9001,
  10107,
  11600,
  11602,
  13388,
  13435,
  13436,
]);

/** Codes of a server that does not let one in, or not do it. */
const DENIED: ReadonlySet<unknown> = new Set([13, 18, 8000, 8010]);

/** Codes of a document that the server does not take: too large, against the rules of its collection, a name it refuses. */
const REFUSED: ReadonlySet<unknown> = new Set([2, 9, 52, 54, 55, 56, 57, 121, 10334, 17280, 17419, 17420]);

/** What is said of a certificate that is not trusted. */
const CERTIFICATE = /certificate|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|UnknownIssuer|CERT_/i;

/** The code of a document that is there already. */
export const DUPLICATE = 11000;

/**
 * What an error of the client means.
 *
 * @param error Anything caught.
 * @returns The code that fits, or nothing when it is none of MongoDB's.
 */
export function classifyMongo(error: unknown): ErrorCode | undefined {
  if (isDatataskError(error)) return error.code;
  if (!(error instanceof Error)) return undefined;
  const { name, message, code, errorLabels, errorLabelSet } = error as MongoTrouble;
  const labels = [...errorLabels ?? [], ...errorLabelSet ?? []];
  if (refusedByDeno(error) !== undefined || certificateTrouble(error) !== undefined) return "denied";
  const cause = (error.cause as MongoTrouble | undefined) ?? {};
  if (DENIED.has(code) || DENIED.has(cause.code)) return "denied";
  if (code === DUPLICATE) return "already-exists";
  if (REFUSED.has(code)) return "invalid-value";
  if (PASSING.has(code)) return "unavailable";
  if (
    /^Mongo(ServerSelection|Network|NetworkTimeout|PoolCleared|ConnectionPool|WaitQueueTimeout|NotConnected|TopologyClosed|Stale)/
      .test(name ?? "")
  ) {
    return "unavailable";
  }
  if (labels.includes("RetryableWriteError") || labels.includes("TransientTransactionError")) {
    return "unavailable";
  }
  if (/deadlock detected/.test(message ?? "")) return "unavailable";
  // A connection that ends while it is being written to is not always told as an error of the client's own.
  if (/socket|ECONNRE|EPIPE|connection .*closed/i.test(message ?? "") && !name?.startsWith("MongoServer")) {
    return "unavailable";
  }
  return name?.startsWith("Mongo") ? "io" : undefined;
}

/**
 * An error that says what was being done.
 *
 * @param operation What was done: `"read"`.
 * @param subject To which repository.
 * @param key To which key.
 * @param error What was thrown.
 * @returns A RepositoryError in place of an error of the client; anything else as it is.
 */
export function explainMongo(
  operation: string,
  subject: string,
  key: Key | undefined,
  error: unknown,
): unknown {
  const code = classifyMongo(error);
  if (code === undefined || isDatataskError(error)) return error;
  const what = key === undefined ? subject : `"${key}" of ${subject}`;
  return new RepositoryError(code, `Cannot ${operation} ${what}: ${reason(code, error as Error)}`, {
    operation,
    subject,
    ...(key !== undefined && { key }),
    ...(code === "unavailable" && { retry: "later" as const }),
    cause: error,
  });
}

/** What is wrong with the certificate of a server that could not be connected to, where it is that. */
function certificateTrouble(error: Error): string | undefined {
  if (!/^Mongo(ServerSelection|Network)/.test(error.name)) return undefined;
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const { code, message } = each as MongoTrouble;
    if (CERTIFICATE.test(String(code ?? "")) || CERTIFICATE.test(message ?? "")) return message;
  }
  return undefined;
}

/**
 * What a missing permission of Deno means, where that is what an error comes from.
 *
 * @param error Anything caught.
 * @returns What is missing, and the flag; nothing when it is something else.
 */
export function refusedByDeno(error: unknown): string | undefined {
  const found = causes(error).find((each) => each instanceof Deno.errors.NotCapable);
  if (!(found instanceof Error)) return undefined;
  const needed = found.message.split(", run again")[0]!;
  const [, kind, what] = /Requires (\w+) access to "(.*)"/.exec(needed) ?? [];
  if (kind === "net") return `${needed}; run with --allow-net=${what}`;
  return `${needed}; the client only looks at it: run with --ignore-env --ignore-read, or with --allow-${kind}`;
}

function reason(code: ErrorCode, error: Error): string {
  const { code: number, cause } = error as MongoTrouble;
  // The message of a refused document may hold the whole document.
  const said = error.message.split("\n")[0]!.slice(0, 300);
  const refused = refusedByDeno(error);
  if (refused !== undefined) return refused;
  const doubt = certificateTrouble(error);
  if (doubt !== undefined) {
    return `the certificate of the server is not trusted (${doubt}); give the file with the certificate of its authority as tlsCAFile, in the URL or in the options of mongoClient(), and use the name that it was made for`;
  }
  if (code === "denied") {
    const wrong = number === 18 || number === 8000 || (cause as MongoTrouble | undefined)?.code === 18;
    return wrong
      ? `the server refused the user or the password (${said}); check both in the URL, and authSource, the database that knows the user`
      : `the user may not do it (${said}); give it the role readWrite on that database`;
  }
  if (code === "unavailable") return `${said}; see that the server is up and the URL is right, and run again`;
  if (code === "invalid-value") return `the server refused it (${said})`;
  return said;
}
