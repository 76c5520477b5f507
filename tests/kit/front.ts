/**
 * A way to a server that a test may cut at any instant, and on which it sees what is asked.
 *
 * @module
 */

/** What happens on a way to a server of HTTP. */
export interface FrontHooks {
  /** A call is about to be made: `POST /v1/things`. */
  asks?(call: string): Promise<void> | void;
  /** The server has answered a call. Returns whether the answer is passed on; otherwise the connection is cut. */
  answers?(call: string): Promise<boolean> | boolean;
}

/** Whether some bytes are passed on; otherwise the connection is cut. */
type May = (chunk: Uint8Array) => Promise<boolean> | boolean;

/** What is asked about the bytes of one connection, in each direction. */
export interface Gate {
  /** Of bytes to the server. */
  readonly asks: May;
  /** Of bytes from the server. */
  readonly answers: May;
}

/** Passes bytes on. */
export class Way implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #connect: () => Promise<Deno.Conn>;
  readonly #gate: () => Gate;
  readonly #open = new Set<Deno.Conn>();
  readonly #serving: Promise<void>;

  /**
   * Listens.
   *
   * @param listener Where.
   * @param connect Connects to the server.
   * @param gate What is asked about a new connection.
   */
  constructor(listener: Deno.Listener, connect: () => Promise<Deno.Conn>, gate: () => Gate) {
    this.#listener = listener;
    this.#connect = connect;
    this.#gate = gate;
    this.#serving = this.#serve();
  }

  /** Its port. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Cuts all connections. New ones are taken. */
  cut(): void {
    for (const connection of this.#open) this.#close(connection);
  }

  async #serve(): Promise<void> {
    const joined = new Set<Promise<void>>();
    for await (const connection of this.#listener) {
      const one: Promise<void> = this.#join(connection).finally(() => joined.delete(one));
      joined.add(one);
    }
    await Promise.all(joined);
  }

  async #join(from: Deno.Conn): Promise<void> {
    this.#open.add(from);
    const to = await this.#connect().catch(() => undefined);
    if (to) {
      this.#open.add(to);
      const { asks, answers } = this.#gate();
      await Promise.all([this.#pass(from, to, asks), this.#pass(to, from, answers)]);
      this.#close(to);
    }
    this.#close(from);
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, may: May): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (;;) {
        const length = await from.read(buffer);
        if (length === null) return await to.closeWrite();
        if (!await may(buffer.subarray(0, length))) throw new Error("cut");
        for (let at = 0; at < length;) at += await to.write(buffer.subarray(at, length));
      }
    } catch {
      this.#close(from);
      this.#close(to);
    }
  }

  #close(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#serving;
  }
}

/** Passes calls of HTTP on. */
export class Front extends Way {
  /**
   * Listens.
   *
   * @param listener Where.
   * @param connect Connects to the server.
   * @param hooks What happens on the way.
   */
  constructor(listener: Deno.Listener, connect: () => Promise<Deno.Conn>, hooks: FrontHooks = {}) {
    super(listener, connect, () => gateOf(hooks));
  }

  /** A way over a free port of this machine to another. */
  static to(port: () => number): Front {
    return new Front(
      Deno.listen({ hostname: "127.0.0.1", port: 0 }),
      () => Deno.connect({ hostname: "127.0.0.1", port: port() }),
    );
  }
}

/** Sees the calls of one connection. */
function gateOf(hooks: FrontHooks): Gate {
  let call: string | undefined;
  return {
    async asks(chunk) {
      const line = new TextDecoder().decode(chunk.subarray(0, 512));
      const [, found] = /^([A-Z]+ \S+) HTTP\//.exec(line) ?? [];
      if (found === undefined) return true;
      call = found;
      await hooks.asks?.(found);
      return true;
    },
    async answers() {
      const answered = call;
      call = undefined;
      return answered === undefined || await hooks.answers?.(answered) !== false;
    },
  };
}
