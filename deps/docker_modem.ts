/**
 * The client of the Docker Engine: that part of dockerode which makes calls, and the one place that names it. What is used of it is said here, so that
 * its many types are nobody's business.
 *
 * @module
 */
import DockerModem from "npm:docker-modem@^5.0.7";

/** Where an engine is, as it takes it. */
export interface DockerModemOptions {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  readonly protocol?: "http" | "https";
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** An agent of Node; without one connections are kept and used again. */
  readonly agent?: unknown;
}

/** One call of the API, as it takes it. */
export interface DialOptions {
  readonly path: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  readonly options?: unknown;
  readonly file?: unknown;
  readonly authconfig?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isStream?: boolean;
  readonly abortSignal?: AbortSignal | undefined;
  readonly statusCodes: Readonly<Record<number, boolean | string>>;
}

/** What goes wrong in a call: the answer of the engine, or the connection. */
export interface DialError extends Error {
  readonly statusCode?: number;
  readonly code?: string;
  readonly json?: { readonly message?: string } | null;
}

/** What makes calls. */
export interface Modem {
  /** Makes a call. */
  dial(call: DialOptions, done: (error: DialError | null, answer: unknown) => void): void;
}

/**
 * Makes a client. It connects when it is used.
 *
 * @param options Where the engine is. Nothing else counts: its own constructor would mix in what the environment says, and fail on certificates that
 * are not there.
 * @returns What makes calls.
 */
export function dockerModem(options: DockerModemOptions): Modem {
  const { prototype } = DockerModem as unknown as { readonly prototype: Modem };
  const plain = { headers: {}, pathPrefix: "/", protocol: "http" };
  return Object.assign(Object.create(prototype) as Modem, plain, options);
}
