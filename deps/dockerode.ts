/**
 * The client of the Docker Engine, from dockerode: the one place that names it. What is used of it is said here, so that its many types
 * are nobody's business.
 *
 * @module
 */
import DockerModem from "npm:docker-modem@^5.0.7";
import Dockerode from "npm:dockerode@^5.0.0";

/** Where an engine is, as dockerode takes it. */
export interface DockerodeOptions {
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

/** One call of the API, as dockerode takes it. */
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

/** The part of dockerode that makes calls. */
export interface Modem {
  /** Makes a call. */
  dial(call: DialOptions, done: (error: DialError | null, answer: unknown) => void): void;
}

/** A modem, with the step of a call that sends it. */
interface SendingModem extends Modem {
  buildRequest(request: object, ...rest: readonly unknown[]): void;
}

/** Says how an object is shown to people, as `inspect` of Node asks for it. */
const SHOWN = Symbol.for("nodejs.util.inspect.custom");

/**
 * Makes a client. It connects when it is used.
 *
 * @param options Where the engine is. Nothing else counts: a modem that dockerode makes by itself mixes in what the environment says, and fails on
 * certificates that are not there.
 * @returns What makes calls.
 */
export function dockerode(options: DockerodeOptions): Modem {
  const { prototype } = DockerModem as unknown as { readonly prototype: SendingModem };
  const plain = { headers: {}, pathPrefix: "/", protocol: "http" };
  const modem = Object.assign(Object.create(prototype) as SendingModem, plain, options);
  // The client puts each request into words for a log that nobody keeps, with the agent and all its connections: that costs more than the request.
  modem.buildRequest = (request, ...rest) =>
    prototype.buildRequest.call(modem, Object.defineProperty(request, SHOWN, { value: () => "" }), ...rest);
  type Client = new (options: { readonly modem: Modem }) => { readonly modem: Modem };
  return new (Dockerode as unknown as Client)({ modem }).modem;
}
