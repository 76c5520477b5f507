/**
 * A way between two servers that is cut again and again.
 *
 * @module
 */

/** Passes bytes on, and cuts connections after as many as it was told. */
export class CuttingProxy implements AsyncDisposable {
  /** How many connections it has cut. */
  cuts = 0;
  readonly #listener: Deno.TcpListener;
  readonly #target: () => number;
  readonly #budgets: number[];
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  /**
   * Listens.
   *
   * @param target The port of this machine that it leads to.
   * @param budgets How many bytes the first connections pass on before they are cut, in either direction; those after them are left alone.
   * @param hostname Where it listens.
   */
  constructor(target: () => number, budgets: readonly number[], hostname = "127.0.0.1") {
    this.#target = target;
    this.#budgets = [...budgets];
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.#serving = this.#serve();
  }

  /** Its port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Whether there are connections to come that it will cut. */
  get more(): boolean {
    return this.#budgets.length > 0;
  }

  async #serve(): Promise<void> {
    const joined = new Set<Promise<void>>();
    for await (const connection of this.#listener) {
      const one: Promise<void> = this.#join(connection).finally(() => joined.delete(one));
      joined.add(one);
    }
    await Promise.all(joined);
  }

  async #join(from: Deno.TcpConn): Promise<void> {
    this.#open.add(from);
    const to = await Deno.connect({ hostname: "127.0.0.1", port: this.#target() }).catch(() => undefined);
    if (to) {
      this.#open.add(to);
      const left = { bytes: this.#budgets.shift() ?? Infinity };
      await Promise.all([this.#pass(from, to, left), this.#pass(to, from, left)]);
      if (left.bytes <= 0) this.cuts++;
      this.#close(to);
    }
    this.#close(from);
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn, left: { bytes: number }): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (;;) {
        const length = await from.read(buffer);
        if (length === null) return await to.closeWrite();
        left.bytes -= length;
        if (left.bytes <= 0) throw new Error("cut");
        for (let at = 0; at < length;) at += await to.write(buffer.subarray(at, length));
      }
    } catch {
      this.#close(from);
      this.#close(to);
    }
  }

  #close(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await this.#serving;
  }
}
