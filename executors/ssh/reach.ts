/**
 * How runs on a host find a server of this machine: a port of the host, whose connections come back through ours.
 *
 * @module
 */
import { connect as connectTo } from "node:net";
import type { Client, ClientChannel } from "../../deps/ssh2.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { AgentServer } from "../executor.ts";
import { isEverywhere, schemeOf } from "../loopback.ts";
import { LostError } from "./fault.ts";

/**
 * Lets the host connect to a server of this machine, as long as the connection lasts. Nobody but the host's own users reaches the port.
 *
 * @param client The connection.
 * @param server The server.
 * @returns The address on the host.
 * @throws {LostError} When the connection is gone.
 * @throws {ExecutorError} When the host forwards no ports.
 */
export async function forwardBack(client: Client, server: AgentServer, name: string): Promise<string> {
  const port = await new Promise<number>((resolve, reject) => {
    const lost = (): void => reject(new LostError("the connection was closed"));
    client.once("close", lost);
    const over = (settle: () => void): void => {
      client.off("close", lost);
      settle();
    };
    try {
      client.forwardIn("127.0.0.1", 0, (error, port) => {
        over(() => error ? reject(forbidden(name, error)) : resolve(port));
      });
    } catch (error) {
      over(() => reject(new LostError((error as Error).message)));
    }
  });
  client.on("tcp connection", (details, accept) => {
    if (details.destPort === port) join(accept(), server);
  });
  return `${schemeOf(server)}://127.0.0.1:${port}`;
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
    "cannot-start",
    `Cannot bring values to runs on ${name}: its server forwards no ports to this machine (${cause.message}); allow it there (AllowTcpForwarding remote), or give the pipeline { agent: { hostname, url } }, an address of this machine that the host reaches`,
    { operation: "forward", subject: name, cause },
  );
}
