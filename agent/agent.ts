/**
 * The agent of a pipeline, started.
 *
 * @module
 */
import type { Socket } from "node:net";
import { describeError } from "../core/errors.ts";
import type { AgentServer } from "../executors/executor.ts";
import type { Agent } from "../tasks/agent.ts";
import { agentLimits, type AgentOptions, isUnspecified } from "../tasks/agent_options.ts";
import { Admissions } from "./admissions.ts";
import { Digests } from "./digests.ts";
import { openIdentity, rememberPort } from "./identity.ts";
import { listen } from "./listen.ts";
import { readPem } from "./pem.ts";
import { Requests } from "./requests.ts";
import { Uploads } from "./uploads.ts";

/** How an agent is started. */
export interface StartAgent {
  /** A folder of its own in the state folder: what it keeps there makes the next one the same agent to workers. It is made. */
  readonly folder: string;
  /** Where it listens, and what it bears. */
  readonly options?: AgentOptions | undefined;
  /** Told what a person should know, a sentence each: requests that were refused, a port that was taken. */
  readonly notice: (message: string) => void;
  /** How long a feed waits for a key before it answers with none, in milliseconds. Default: 25 seconds. */
  readonly pollMs?: number | undefined;
  /** How long a port that is taken is waited for, in milliseconds. Default: 10 seconds. */
  readonly patienceMs?: number | undefined;
}

/** An agent that runs. Disposing of it ends its requests and shuts it. */
export interface RunningAgent extends Agent, AsyncDisposable {
  /** Where it listens. */
  readonly server: AgentServer;
  /** Its name, with which the paths of its requests begin. */
  readonly id: string;
}

/**
 * Starts an agent.
 *
 * @param init Where it keeps what the next one needs, and where it listens.
 * @returns The agent, listening.
 * @throws {DatataskError} When it cannot listen there, or its folder cannot be used.
 */
export async function startAgent(init: StartAgent): Promise<RunningAgent> {
  const { folder, notice, options = {}, pollMs = 25_000, patienceMs = 10_000 } = init;
  const limits = agentLimits(options);
  const { secret, id, port: before } = await openIdentity(folder);
  const authorities = options.tls?.authorities && await readPem(options.tls.authorities, "authorities");
  const admissions = new Admissions(secret, `${folder}/items`, limits);
  await admissions.sweep(Date.now());
  await using stack = new AsyncDisposableStack();
  const requests = stack.use(
    new Requests({
      id,
      secret,
      admissions,
      notice,
      pollMs,
      idleMs: limits.idleMs,
      digests: new Digests(),
      uploads: new Uploads(limits.maxUploadBytes, Math.min(5000, limits.idleMs / 4)),
    }),
  );
  const { server, port, hangUp } = await listen(
    (request, response) => void requests.handle(request, response, false),
    options,
    limits.idleMs,
    before,
    patienceMs,
  );
  server.on("checkContinue", (request, response) => void requests.handle(request, response, true));
  // Such as that there is no file left for one more connection: those that are there go on.
  server.on("error", (error) => notice(`The agent cannot take a connection: ${describeError(error)}`));
  server.on("clientError", (error: Error & { readonly code?: string }, socket: Socket) => {
    turnAway(error, socket, requests);
  });
  stack.defer(async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await admissions.close();
    hangUp();
    await closed;
  });
  if (port !== before) {
    await rememberPort(folder, port);
    if (before !== undefined && options.port === undefined) notice(moved(before, port));
  }
  const address = serverOf(options, port, authorities);
  const running = stack.move();
  return {
    server: address,
    id,
    admit: (grant) => admissions.admit(grant, `/${id}`, address),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function moved(before: number, port: number): string {
  return `Port ${before}, at which the agent has listened before, is taken by another program; it listens at ${port} now. Work that runs elsewhere and knows the old port only cannot deliver, and is done again`;
}

/** Answers who cannot be understood, or takes too long to say what it wants, as far as that is possible. */
function turnAway(error: Error & { readonly code?: string }, socket: Socket, requests: Requests): void {
  const { code = "" } = error;
  const late = code === "ERR_HTTP_REQUEST_TIMEOUT";
  // Who is gone, or cannot agree on TLS, could not read an answer.
  if (!socket.writable || !(late || code.startsWith("HPE_"))) return void socket.destroy();
  const [status, words] = late
    ? [408, "Request Timeout"]
    : code === "HPE_HEADER_OVERFLOW"
    ? [431, "Request Header Fields Too Large"]
    : [400, "Bad Request"];
  requests.malformed(socket.remoteAddress ?? "an unknown address", status, words);
  const answer = `HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  socket.end(answer, () => socket.destroy());
}

function serverOf(options: AgentOptions, port: number, authorities: string | undefined): AgentServer {
  const hostname = options.hostname ?? "127.0.0.1";
  const { tls, url } = options;
  const host = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
  // With TLS, workers need the name that the certificate holds.
  const own = tls && !isUnspecified(hostname) ? `https://${host}:${port}` : undefined;
  const address = (url ?? own)?.replace(/\/+$/, "");
  return {
    hostname,
    port,
    ...(address !== undefined && { url: address }),
    ...(authorities !== undefined && { authorities }),
  };
}
