/**
 * How runs on a host find a server of this machine: a port of the host, whose connections come back through ours.
 *
 * @module
 */
import { connect as connectTo } from "node:net";
import type { Client, ClientChannel } from "../../deps/ssh2.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { AgentServer } from "../executor.ts";
import { isEverywhere, schemeOf } from "../loopback.ts";
import { LostError } from "./fault.ts";

/** How often a port is asked for that another connection may still hold, and how long is waited in between, in milliseconds. */
const TRIES = 20;
const PAUSE = 250;

/**
 * Lets the host connect to a server of this machine, as long as the connection lasts. Nobody but the host's own users reaches the port.
 *
 * @param client The connection.
 * @param server The server.
 * @param name What errors call the host.
 * @param before The port that an earlier connection had, which is taken again where that can be; 0 when there was none.
 * @returns The address on the host.
 * @throws {LostError} When the connection is gone.
 * @throws {ExecutorError} When the host forwards no ports.
 */
export async function forwardBack(
  client: Client,
  server: AgentServer,
  name: string,
  before: number,
): Promise<string> {
  let port: number | undefined;
  for (let tries = 0; before > 0 && port === undefined && tries < TRIES; tries++) {
    if (tries > 0) await sleep(systemClock, PAUSE);
    port = await portOf(client, before).catch((error) => {
      if (error instanceof LostError) throw error;
      // The host has not noticed yet that the other connection is gone.
      return undefined;
    });
  }
  port ??= await portOf(client, 0).catch((error) => {
    throw error instanceof LostError ? error : forbidden(name, error);
  });
  client.on("tcp connection", (details, accept) => {
    if (details.destPort === port) join(accept(), server);
  });
  return `${schemeOf(server)}://127.0.0.1:${port}`;
}

/** Asks the host for a port; 0 is any. */
function portOf(client: Client, wanted: number): Promise<number> {
  return new Promise<number>((resolve, reject) => {
    const lost = (): void => reject(new LostError("the connection was closed"));
    client.once("close", lost);
    const over = (settle: () => void): void => {
      client.off("close", lost);
      settle();
    };
    try {
      client.forwardIn("127.0.0.1", wanted, (error, port) => {
        over(() => error ? reject(error) : resolve(wanted || port));
      });
    } catch (error) {
      over(() => reject(new LostError((error as Error).message)));
    }
  });
}

/** Joins a connection of the host to one of our own, each no faster than the other. */
function join(channel: ClientChannel, { hostname, port }: AgentServer): void {
  const host = isEverywhere(hostname) ? "127.0.0.1" : hostname.replace(/^\[(.*)\]$/, "$1");
  const socket = connectTo({ host, port, allowHalfOpen: true, noDelay: true });
  channel.on("error", () => socket.destroy());
  channel.on("close", () => socket.destroy());
  socket.on("error", () => channel.destroy());
  socket.on("close", () => channel.destroy());
  channel.pipe(socket);
  socket.pipe(channel as unknown as NodeJS.WritableStream);
}

function forbidden(name: string, cause: Error): ExecutorError {
  return new ExecutorError(
    "unavailable",
    `Cannot bring values to runs on ${name}: its server forwards no ports to this machine (${cause.message}); allow it there (AllowTcpForwarding remote), or give the pipeline { agent: { hostname, url } }, an address of this machine that the host reaches`,
    { operation: "forward", subject: name, retry: "later", cause },
  );
}
