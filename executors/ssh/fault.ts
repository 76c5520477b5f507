/**
 * What goes wrong between here and a host, as errors for a user.
 *
 * @module
 */
import { advice, type ErrorCode, ExecutorError } from "../../core/errors.ts";

/** The connection was lost, or could not be made yet: what was asked may be asked again. Never seen by users. */
export class LostError extends Error {}

/** A connection that cannot be made now and may be later. */
export class ConnectError extends ExecutorError {}

/**
 * The error for a connection that cannot be made.
 *
 * @param name The executor.
 * @param where The server: `user@host`.
 * @param error What ssh2 or the system said.
 * @returns The error for a user.
 */
export function connectError(name: string, where: string, error: unknown): ExecutorError {
  if (error instanceof ExecutorError) return error;
  const { level, code, message } = error as { level?: string; code?: string; message: string };
  const say = (kind: ErrorCode, what: string): ExecutorError =>
    new (kind === "unavailable" ? ConnectError : ExecutorError)(
      kind,
      `Cannot connect to ${where} for executor ${name}: ${what}`,
      {
        operation: "connect",
        subject: name,
        retry: kind === "unavailable" ? "later" : "never",
        cause: error,
      },
    );
  if (error instanceof Deno.errors.NotCapable) return say("denied", `${message}`);
  if (level === "client-authentication" || level === "agent") {
    return say(
      "denied",
      `the server accepts none of the keys or passwords offered (${message}); check user and identity, and the authorized_keys there`,
    );
  }
  if (code === "ECONNREFUSED") {
    return say(
      "unavailable",
      "nobody listens at that port; see that the server runs, and that the port is right",
    );
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || level === "client-dns") {
    return say("unavailable", "no host of that name is known; check the name, and the name server");
  }
  if (level === "client-timeout" || code === "ETIMEDOUT" || /timed? ?out/i.test(message)) {
    return say("unavailable", "the host does not answer in time; see that it is up and reached from here");
  }
  return say("unavailable", `${message}; see that the host is up and reached from here`);
}

/**
 * The error for what a host refused or could not do.
 *
 * @param name The executor.
 * @param action What could not be done.
 * @param said What was said on the host.
 * @returns The error for a user.
 */
export function hostError(name: string, action: string, said: string): ExecutorError {
  const text = said.trim().replaceAll("\n", ", ") || "it did not say why";
  const code: ErrorCode = /No space left|quota exceeded/i.test(text)
    ? "no-space"
    : /Permission denied|Read-only file system|Operation not permitted/i.test(text)
    ? "denied"
    : "cannot-start";
  const what = code === "no-space"
    ? "; free some space there, or give another root"
    : code === "denied"
    ? "; give a root there that the user may write to"
    : "";
  return new ExecutorError(code, `Cannot ${action} on ${name}: ${text}${what}`, {
    operation: action.split(" ")[0]!,
    subject: name,
  });
}

/** The error for a host that was gone for too long. */
export function goneError(name: string, action: string, cause: unknown): ExecutorError {
  return new ExecutorError(
    "unavailable",
    `Cannot ${action} on ${name}: the connection was lost and not had again: ${(cause as Error).message}${
      advice("unavailable").replace("the service", "the host")
    }`,
    { operation: action.split(" ")[0]!, subject: name, retry: "later", cause },
  );
}
