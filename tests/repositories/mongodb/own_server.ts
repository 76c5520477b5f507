/**
 * A server of one's own and a proxy before it: for tests that kill and cut.
 *
 * @module
 */
import { needs } from "../../../testing/needs.ts";
import { mongodb } from "./servers.ts";
import { freePort, OwnProcess } from "../../kit/own_process.ts";

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
export class LossyProxy implements AsyncDisposable {
  readonly url: string;
  /** How many answers were lost. */
  lost = 0;
  /** Decides, for a request, whether its answer is lost with the connection. */
  lose: (request: string) => boolean = () => false;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #target: URL;
  readonly #served: Promise<unknown>;

  constructor(target: string) {
    this.#target = new URL(target);
    const url = new URL(target);
    url.port = String((this.#listener.addr as Deno.NetAddr).port);
    this.url = url.href;
    this.#served = this.#accept();
  }

  async #accept(): Promise<void> {
    const served: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) served.push(this.#serve(client));
    } catch {
      // Closed.
    }
    await Promise.allSettled(served);
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const server = await Deno.connect({ hostname: this.#target.hostname, port: Number(this.#target.port) });
    this.#open.add(client).add(server);
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
    for (const connection of [client, server]) {
      this.#open.delete(connection);
      close(connection);
    }
    await Promise.all([up, down]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#open.forEach(close);
    await this.#served;
  }
}

/** Passes bytes on until one side ends or `pass` says no. */
async function pump(from: Deno.Conn, to: Deno.Conn, pass: (chunk: Uint8Array) => boolean): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      const chunk = buffer.subarray(0, length);
      if (!pass(chunk)) return;
      for (let at = 0; at < length;) at += await to.write(chunk.subarray(at));
    }
  } catch {
    // One side has gone.
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
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
