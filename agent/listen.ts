/**
 * Where the agent listens: the address, the port, and TLS.
 *
 * @module
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { advice, classifySystemError, DatataskError, describeError, type ErrorCode } from "../core/errors.ts";
import { sleep, systemClock } from "../core/clock.ts";
import type { AgentOptions, AgentTls } from "../tasks/agent_options.ts";
import { checkPair, readPem } from "./pem.ts";

/** Ports that nobody is given by chance, so that the port is still free for the next coordinator. */
const PORTS = { first: 20_000, last: 32_767 };

/** How many ports are tried before the system is asked for one. */
const TRIES = 20;

const RETRY_MS = 200;

/** How long a client may take for the head of a request, in milliseconds, at the most. */
const HEAD_MS = 15_000;

/** How many connections there may be at the most. */
const CONNECTIONS = 8192;

/** How many connections may wait to be taken. */
const BACKLOG = 511;

/** How much is taken from a connection, or given to it, before it is waited for, in bytes. */
const BUFFER = 2 ** 18;

/** A server that listens. */
export interface Listening {
  readonly server: Server;
  readonly port: number;
  /** Closes all connections, those included that have not said anything yet. */
  hangUp(): void;
}

/** What to do for each request. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Listens.
 *
 * @param handler What to do for each request.
 * @param options Where.
 * @param idleMs After how long a client that says nothing is left, in milliseconds.
 * @param remembered The port of the coordinator before.
 * @param patienceMs How long a port that is taken is waited for: who listens there may be about to leave. In milliseconds.
 * @returns The server, and its port.
 * @throws {DatataskError} When that cannot be.
 */
export async function listen(
  handler: Handler,
  options: AgentOptions,
  idleMs: number,
  remembered: number | undefined,
  patienceMs: number,
): Promise<Listening> {
  const hostname = plain(options.hostname ?? "127.0.0.1");
  const make = await maker(handler, options.tls, Math.min(HEAD_MS, idleMs));
  const wanted = options.port ?? remembered;
  if (wanted !== undefined) {
    const server = await waitFor(make, hostname, wanted, patienceMs);
    if (server) return listening(server);
    if (options.port !== undefined) {
      throw cannot(
        "unavailable",
        hostname,
        wanted,
        "another program listens there; end that program, or give { agent: { port } } another one",
      );
    }
  }
  for (let tries = 0;; tries++) {
    const chance = PORTS.first + Math.floor(Math.random() * (PORTS.last - PORTS.first + 1));
    const server = await bind(make, hostname, tries < TRIES ? chance : 0);
    if (server) return listening(server);
  }
}

/** An address without the brackets of an URL. */
function plain(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

async function waitFor(
  make: () => Server,
  hostname: string,
  port: number,
  patienceMs: number,
): Promise<Server | undefined> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const server = await bind(make, hostname, port);
    if (server || performance.now() > until) return server;
    await sleep(systemClock, RETRY_MS);
  }
}

/** Binds a server; nothing when the port is taken. */
async function bind(make: () => Server, hostname: string, port: number): Promise<Server | undefined> {
  const server = make();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // As many as knock at the same moment are let in before those too many are shown out: there must be files for them.
      const backlog = Math.min(BACKLOG, Math.floor(openFiles() / 5));
      server.listen({ host: hostname, port, exclusive: true, backlog }, () => {
        server.removeListener("error", reject);
        resolve();
      });
    });
    return server;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EADDRINUSE" || error instanceof Deno.errors.AddrInUse) return undefined;
    throw refuse(error, code, hostname, port);
  }
}

function refuse(error: unknown, code: string | undefined, hostname: string, port: number): DatataskError {
  if (
    code === "EADDRNOTAVAIL" || code === "EINVAL" || code === "ENOTFOUND" ||
    error instanceof Deno.errors.AddrNotAvailable
  ) {
    const why = `this machine has no such address; give { agent: { hostname } } one of its own, or "0.0.0.0"`;
    return cannot("unavailable", hostname, port, why, error);
  }
  if (code === "EACCES") {
    const why = "only root may listen at ports below 1024; give { agent: { port } } a higher one";
    return cannot("denied", hostname, port, why, error);
  }
  const kind = classifySystemError(error) ?? "io";
  return cannot(kind, hostname, port, `${describeError(error)}${advice(kind, describeError(error))}`, error);
}

function cannot(
  code: ErrorCode,
  hostname: string,
  port: number,
  why: string,
  cause?: unknown,
): DatataskError {
  const where = hostname.includes(":") ? `[${hostname}]` : hostname;
  return new DatataskError(
    code,
    `Cannot start the agent at ${where}${port === 0 ? "" : `:${port}`}: ${why}`,
    {
      operation: "start the agent",
      cause,
    },
  );
}

/** Gives what makes a server. Clients that are slow with their heads, or say nothing, are left by it. */
async function maker(handler: Handler, tls: AgentTls | undefined, headMs: number): Promise<() => Server> {
  const options: ServerOptions = {
    headersTimeout: headMs,
    // Bodies may take long: each request is watched while it makes progress.
    requestTimeout: 0,
    keepAliveTimeout: headMs,
    connectionsCheckingInterval: Math.min(1000, headMs),
    highWaterMark: BUFFER,
    maxHeaderSize: 16_384,
  };
  if (!tls) return () => ready(createServer(options, handler));
  const [{ createServer: createSecure }, cert, key] = await Promise.all([
    import("node:https"),
    readPem(tls.certificate, "certificate"),
    readPem(tls.key, "key"),
  ]);
  checkPair(cert, key);
  const secure = { ...options, cert, key, handshakeTimeout: headMs };
  return () => ready(createSecure(secure, handler) as unknown as Server);
}

function ready(server: Server): Server {
  // Once no file is left for a connection, the server would take none ever again, and stores could open nothing meanwhile.
  server.maxConnections = Math.min(CONNECTIONS, Math.floor(openFiles() / 2));
  return server;
}

function listening(server: Server): Listening {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const { port } = server.address() as { port: number };
  return { server, port, hangUp: () => sockets.forEach((socket) => socket.destroy()) };
}

/** How many files this process may have open, connections included. */
function openFiles(): number {
  try {
    if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "read" }).state !== "granted") {
      return Infinity;
    }
    return Number(
      /^Max open files +(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1] ?? Infinity,
    );
  } catch {
    return Infinity;
  }
}
