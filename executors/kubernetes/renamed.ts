/**
 * Reaching a server whose certificate has another name than its address (`tls-server-name`).
 *
 * `fetch` asks a certificate for the name in the address, and there is no option for another. So the address that is asked for has that name, and a
 * proxy on the loopback of this machine leads to where the server is. What goes through it is encrypted by the two ends.
 *
 * @module
 */

/** How much the head of a request may have, in bytes. */
const HEAD = 16_384;

/** A way to a server. */
export class Way {
  readonly #listener: Deno.TcpListener;
  readonly #to: Deno.ConnectOptions;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  /** @param to Where the server is. */
  constructor(to: Deno.ConnectOptions) {
    this.#to = to;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#serving = this.#serve();
  }

  /** The address of the proxy. */
  get proxy(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async #serve(): Promise<void> {
    const joined = new Set<Promise<void>>();
    for await (const connection of this.#listener) {
      const one: Promise<void> = this.#join(connection).catch(() => {}).finally(() => joined.delete(one));
      joined.add(one);
    }
    await Promise.all(joined);
  }

  async #join(from: Deno.TcpConn): Promise<void> {
    using _from = this.#held(from);
    if (!await asked(from)) return;
    let to: Deno.TcpConn;
    try {
      to = await Deno.connect(this.#to);
    } catch {
      await from.write(new TextEncoder().encode("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
      return;
    }
    using _to = this.#held(to);
    to.setNoDelay(true);
    from.setNoDelay(true);
    await from.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    await Promise.allSettled([from.readable.pipeTo(to.writable), to.readable.pipeTo(from.writable)]);
  }

  /** Closed at the end, whoever ends it. */
  #held(connection: Deno.TcpConn): Disposable {
    this.#open.add(connection);
    return {
      [Symbol.dispose]: () => {
        if (this.#open.delete(connection)) close(connection);
      },
    };
  }

  /** Ends it, and all connections. */
  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    this.#open.clear();
    await this.#serving;
  }
}

/** Its streams may have closed it. */
function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Reads the request to a proxy: whatever it asks for, there is one way only. Says whether one came. */
async function asked(from: Deno.TcpConn): Promise<boolean> {
  const piece = new Uint8Array(1);
  // Not a byte more than that: what follows is for the server.
  for (let head = ""; head.length < HEAD;) {
    if (await from.read(piece) === null) return false;
    head += String.fromCharCode(piece[0]!);
    if (head.endsWith("\r\n\r\n")) return head.startsWith("CONNECT ");
  }
  return false;
}
