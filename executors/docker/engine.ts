/**
 * Calls to a Docker Engine, and what their failures mean.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import { concat, decodeText } from "../../core/bytes.ts";
import { DatataskError, type ErrorCode, ExecutorError } from "../../core/errors.ts";
import { type DialError, dockerode, type Modem } from "../../deps/dockerode.ts";
import type { Endpoint } from "./endpoint.ts";
import type { NodeStream } from "./logs.ts";

/** One call of the API. */
export interface EngineCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** A document to send. */
  readonly body?: unknown;
  /** A tar archive to send: bytes, or a stream of Node. */
  readonly file?: unknown;
  /** Who one is to a registry. */
  readonly login?: unknown;
  /** Whether the answer is wanted as a stream of Node. */
  readonly stream?: boolean;
  /**
   * Whether it must not use a connection that is there. An engine that is leaving serves those, and takes no new ones; and where one is cut the
   * client makes the call again by itself, on another.
   */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How the codes of connections begin that were given up because of the certificate of the engine. */
const UNTRUSTED = /^(UNABLE_TO_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_)/;

/** A call that failed: the engine said no, or could not be reached. */
export class EngineFault extends Error {
  /** What the engine answered; nothing when it could not be reached. */
  readonly status: number | undefined;
  /** The code of the failed connection: `ECONNREFUSED`. */
  readonly errno: string | undefined;

  /**
   * @param message What the engine, or the system, said.
   * @param status What the engine answered.
   * @param errno The code of the failed connection.
   * @param cause What lies beneath.
   */
  constructor(message: string, status: number | undefined, errno: string | undefined, cause: unknown) {
    super(message, { cause });
    this.name = "EngineFault";
    this.status = status;
    this.errno = errno;
  }

  /** Whether the engine was not there to answer. */
  get away(): boolean {
    return this.status === undefined && !this.refused && !this.untrusted;
  }

  /** Whether its certificate is not one that is trusted. */
  get untrusted(): boolean {
    return UNTRUSTED.test(this.errno ?? "");
  }

  /** Whether this process may not talk to it. */
  get refused(): boolean {
    return this.errno === "EACCES" || this.errno === "EPERM" || (this.cause as Error)?.name === "NotCapable";
  }
}

/** Whether the engine was not there to answer, or is about to leave. */
export function isAway(error: unknown): boolean {
  return error instanceof EngineFault && (error.away || error.status === 503);
}

/** How long calls go on trying to reach an engine that was there before, in milliseconds. */
const PATIENCE = 60_000;

const FINE = { 200: true, 201: true, 204: true, 304: true } as const;

/** A Docker Engine. */
export class Engine {
  /** Where it is, for people. */
  readonly where: string;
  readonly #endpoint: Endpoint;
  #modem: Modem | undefined;
  /** When the engine did not answer for the last time, in milliseconds since 1970. */
  #away: number | undefined;
  #fresh: Modem | undefined;

  /** @param endpoint Where it is. */
  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.where = endpoint.url;
  }

  /**
   * Makes a call.
   *
   * @param call Which.
   * @returns The document, or the stream.
   * @throws {EngineFault} When it failed; the reason of the signal when it was aborted.
   */
  async call<T>(call: EngineCall): Promise<T> {
    call.signal?.throwIfAborted();
    const modem = call.fresh ? await this.#freshModem() : this.#modem ??= dockerode(this.#endpoint.options);
    const { method, path, query, body, file, login, stream, signal } = call;
    const answer = await new Promise<NodeStream>((resolve, reject) => {
      try {
        modem.dial({
          method,
          path: query ? `${path}?` : path,
          options: { _query: query ?? {}, _body: body ?? {} },
          ...(file !== undefined && { file }),
          ...(login !== undefined && { authconfig: login }),
          // Always: a client that reads an answer by itself waits for ever when the engine is killed in the middle of it.
          isStream: true,
          ...(signal && { abortSignal: signal }),
          statusCodes: FINE,
        }, (error, answer) => {
          if (error === null) return resolve(answer as NodeStream);
          reject(signal?.aborted ? signal.reason : faultOf(error));
        });
      } catch (error) {
        reject(faultOf(error as DialError));
      }
    });
    if (stream) return answer as T;
    try {
      return await documentOf(answer) as T;
    } catch (error) {
      throw signal?.aborted ? signal.reason : faultOf(error as DialError);
    }
  }

  async #freshModem(): Promise<Modem> {
    const { options } = this.#endpoint;
    const { Agent } = options.protocol === "https" ? await import("node:https") : await import("node:http");
    return this.#fresh ??= dockerode({ ...options, agent: new Agent({ keepAlive: false }) });
  }

  /**
   * Makes a call whose subject may not be there.
   *
   * @param call Which.
   * @returns The document; nothing when the engine does not know what was asked for.
   */
  async find<T>(call: EngineCall): Promise<T | undefined> {
    try {
      return await this.call<T>(call);
    } catch (error) {
      if (error instanceof EngineFault && error.status === 404) return undefined;
      throw error;
    }
  }

  /**
   * Whether the engine did not answer shortly before or after some time.
   *
   * @param time When, in milliseconds since 1970.
   * @param within How long before or after, in milliseconds.
   */
  wasAway(time: number, within: number): boolean {
    return this.#away !== undefined && Math.abs(time - this.#away) < within;
  }

  /**
   * Makes calls again while the engine is away, for as long as a restart may take.
   *
   * @param call Makes them; it must be safe to do twice.
   * @param signal When to stop.
   * @returns What it gives.
   */
  async patiently<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const late = performance.now() + PATIENCE;
    for (let pause = 50;; pause = Math.min(pause * 2, 2000)) {
      try {
        return await call();
      } catch (error) {
        if (!isAway(error) || performance.now() > late) throw error;
        this.#away = Date.now();
      }
      await sleep(systemClock, pause, signal);
    }
  }

  /**
   * What a failure means to a user.
   *
   * @param error What was caught.
   * @param action What was being done, and on which executor: `start a/b on docker`.
   * @param code What it is when the engine said no.
   * @returns The error to throw.
   */
  explain(error: unknown, action: string, code: ErrorCode = "io"): unknown {
    if (!(error instanceof EngineFault) || error instanceof DatataskError) return error;
    const context = { operation: action.split(" ")[0]!, cause: error };
    if (error.refused) {
      return new ExecutorError("denied", `Cannot ${action}: ${this.#refusal(error)}`, context);
    }
    if (error.untrusted) {
      return new ExecutorError(
        "denied",
        `Cannot ${action}: the certificate of the Docker Engine at ${this.where} is not trusted (${error.message}); see that it is for that address, and that ca.pem in DOCKER_CERT_PATH, or the option tls.ca, holds the authority that has signed it`,
        context,
      );
    }
    if (error.away) {
      const what = error.errno === "ENOENT" && this.#endpoint.options.socketPath !== undefined
        ? "the socket is not there"
        : error.message;
      return new ExecutorError(
        "unavailable",
        `Cannot ${action}: no Docker Engine answers at ${this.where} (${what}); start it, or say where it is with DOCKER_HOST or the option host`,
        { ...context, retry: "later" },
      );
    }
    return new ExecutorError(code, `Cannot ${action}: ${error.message}`, context);
  }

  #refusal(error: EngineFault): string {
    if ((error.cause as Error)?.name === "NotCapable") return error.message;
    return `this user may not open the socket ${this.where}; add it to the group that owns the socket (docker), or use an engine of its own`;
  }
}

/** What an answer says: a document where it is one, or a text. */
async function documentOf(answer: NodeStream): Promise<unknown> {
  const chunks = await Array.fromAsync(answer, (chunk) => new Uint8Array(chunk));
  const text = decodeText(concat(chunks));
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function faultOf(error: DialError): EngineFault {
  // What the client puts before it says nothing to a user, and would have the cause told as if it were another.
  const said = (error.json?.message ?? error.message.replace(/^\(HTTP code \d+\) [^-]*- /, "")).trim();
  error.message = said;
  return new EngineFault(said, error.statusCode, error.code, error);
}
