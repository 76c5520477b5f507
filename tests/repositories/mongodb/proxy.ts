/**
 * A proxy before the server of a test.
 *
 * @module
 */

/** Writes all of some bytes. */
export async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

/** Closes a connection, when it is not closed. */
export function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}

/** Stands before a server, and has each connection served. */
export abstract class ServerProxy implements AsyncDisposable {
  /** How the server is reached through it. */
  readonly url: string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #target: URL;
  readonly #served: Promise<unknown>;

  /** @param target Where the server is. */
  constructor(target: string) {
    this.#target = new URL(target);
    const url = new URL(target);
    url.port = String((this.#listener.addr as Deno.NetAddr).port);
    this.url = url.href;
    this.#served = this.#accept();
  }

  /** Passes on what both sides say, until one of them has nothing more to say. */
  protected abstract serve(client: Deno.Conn, server: Deno.Conn): Promise<void>;

  async #accept(): Promise<void> {
    const served: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) served.push(this.#connect(client));
    } catch {
      // Closed.
    }
    await Promise.allSettled(served);
  }

  async #connect(client: Deno.Conn): Promise<void> {
    const { hostname, port } = this.#target;
    const server = await Deno.connect({ hostname, port: Number(port) });
    const both = [client, server];
    for (const connection of both) this.#open.add(connection);
    try {
      await this.serve(client, server);
    } finally {
      for (const connection of both) {
        this.#open.delete(connection);
        close(connection);
      }
    }
  }

  /** Stops it and breaks all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    await this.#served;
  }
}
