/**
 * A server of one's own and a proxy before it: for tests that kill and cut.
 *
 * @module
 */
import { needs } from "../../../testing/needs.ts";
import { mongodb } from "./servers.ts";
import { freePort, OwnProcess } from "../../kit/own_process.ts";
import { close, ServerProxy, writeAll } from "./proxy.ts";

const program = needs("mongodb-program");

/** A server that can be killed. It shares its data with the one that is up. */
export interface OwnServer {
  readonly url: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts a server; it is stopped with the stack. */
export async function ownServer(stack: AsyncDisposableStack): Promise<OwnServer> {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const port = freePort();
  const args = [
    `--listen-addr=127.0.0.1:${port}`,
    `--postgresql-url=${program.get("MONGODB_BACKEND")}`,
    `--state-dir=${dir}`,
    "--debug-addr=-",
    "--telemetry=disable",
    "--log-level=error",
  ];
  const server = new OwnProcess(program.get("MONGODB_PROGRAM"), args, port);
  stack.defer(() => server.kill());
  await server.start();
  const url = new URL(mongodb.get("MONGODB_URL"));
  url.port = String(port);
  return { url: url.href, kill: () => server.kill(), start: () => server.start() };
}

/** A proxy that can lose answers: the server does what it is told, and the client does not hear of it. */
export class LossyProxy extends ServerProxy {
  /** How many answers were lost. */
  lost = 0;
  /** Decides, for a request, whether its answer is lost with the connection. */
  lose: (request: string) => boolean = () => false;

  protected override async serve(client: Deno.Conn, server: Deno.Conn): Promise<void> {
    let losing = false;
    const up = pump(client, server, (chunk) => {
      if (!losing) losing = this.lose(new TextDecoder().decode(chunk));
      return true;
    });
    const down = pump(server, client, () => {
      if (losing) this.lost++;
      return !losing;
    });
    await Promise.race([up, down]);
    close(client);
    close(server);
    await Promise.all([up, down]);
  }
}

/** Passes bytes on until one side ends or `pass` says no. */
async function pump(from: Deno.Conn, to: Deno.Conn, pass: (chunk: Uint8Array) => boolean): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      const chunk = buffer.subarray(0, length);
      if (!pass(chunk)) return;
      await writeAll(to, chunk);
    }
  } catch {
    // One side has gone.
  }
}

/** A test that is ignored where servers of one's own cannot be started. */
export function ownTest(name: string, fn: (stack: AsyncDisposableStack) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !program.available || !mongodb.available,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await fn(stack);
    },
  });
}
