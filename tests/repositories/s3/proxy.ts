/**
 * A proxy between the tests and the server of S3, that breaks connections where it is told.
 *
 * @module
 */

/** What becomes of a request. */
export type Fate =
  /** It goes through. */
  | "pass"
  /** The server does it; its answer is lost with the connection. */
  | "lose-answer"
  /** It is answered with 503, and the server never hears of it. */
  | "slow-down"
  /** It is answered with this status and code, and the server never hears of it. */
  | { readonly refuse: readonly [status: number, code: string] }
  /** It is answered with this body, as if all were well, and the server never hears of it. */
  | { readonly answer: string }
  /** The connection breaks after some of the answer's body has come. */
  | { readonly cutAfter: number }
  /** Nothing is answered. */
  | "silence";

/** A request, as a proxy tells of it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: string;
}

/** A proxy: each request that begins is given its fate. */
export class FaultyProxy implements AsyncDisposable {
  /** Its address. */
  readonly url: string;
  /** The requests so far. */
  readonly seen: Seen[] = [];
  /** Decides what becomes of a request. */
  fate: (request: Seen) => Fate = () => "pass";
  readonly #listener: Deno.Listener;
  readonly #target: URL;
  readonly #open = new Set<Deno.Conn>();
  readonly #served: Promise<void>;

  constructor(target: string) {
    this.#target = new URL(target);
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
    this.#served = this.#accept();
  }

  async #accept(): Promise<void> {
    const connections: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) connections.push(this.#serve(client));
    } catch {
      // Closed.
    }
    await Promise.all(connections);
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    const server = await Deno.connect({ hostname: this.#target.hostname, port: Number(this.#target.port) });
    this.#open.add(server);
    const state: { fate: Fate; ends: boolean } = { fate: "pass", ends: false };
    const up = this.#upwards(client, server, state);
    const down = downwards(server, client, state);
    await Promise.race([up, down]).catch(() => {});
    for (const connection of [client, server]) {
      this.#open.delete(connection);
      try {
        connection.close();
      } catch {
        // Closed already.
      }
    }
    await Promise.allSettled([up, down]);
  }

  /** Passes requests on; each that begins is given its fate. A body is told from a head by its length. */
  async #upwards(client: Deno.Conn, server: Deno.Conn, state: { fate: Fate }): Promise<void> {
    let held = new Uint8Array();
    let body = 0;
    for await (const chunk of client.readable) {
      held = joined(held, chunk);
      while (held.length > 0) {
        if (body > 0) {
          const part = held.subarray(0, body);
          body -= part.length;
          held = held.subarray(part.length);
          if (reaches(state.fate)) await writeAll(server, part);
          continue;
        }
        const end = headEnd(held);
        if (end < 0) break;
        const head = new TextDecoder().decode(held.subarray(0, end));
        const [, method = "", path = "", query = ""] = /^(\S+) ([^ ?]*)\??(\S*) /.exec(head) ?? [];
        const request = { method, path, query };
        this.seen.push(request);
        state.fate = this.fate(request);
        body = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        if (state.fate === "slow-down") await refuse(client, 503, "SlowDown");
        else if (typeof state.fate === "object" && "refuse" in state.fate) {
          await refuse(client, ...state.fate.refuse);
        } else if (typeof state.fate === "object" && "answer" in state.fate) {
          await answer(client, "200 OK", state.fate.answer);
        }
        if (reaches(state.fate)) await writeAll(server, held.subarray(0, end));
        held = held.subarray(end);
      }
    }
  }

  /** Stops it and breaks all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch {
        // Closed already.
      }
    }
    await this.#served;
  }
}

/** Passes answers on, as far as the fate of their request allows. */
async function downwards(server: Deno.Conn, client: Deno.Conn, state: { fate: Fate }): Promise<void> {
  let passed = 0;
  let fate: Fate = "pass";
  for await (const chunk of server.readable) {
    if (state.fate !== fate) {
      fate = state.fate;
      passed = 0;
    }
    if (fate === "lose-answer") return;
    if (typeof fate === "object" && "cutAfter" in fate && passed + chunk.length > fate.cutAfter) {
      return await writeAll(client, chunk.subarray(0, fate.cutAfter - passed));
    }
    passed += chunk.length;
    await writeAll(client, chunk);
  }
}

/** Whether the server hears of a request. */
function reaches(fate: Fate): boolean {
  return fate !== "slow-down" && fate !== "silence" &&
    !(typeof fate === "object" && ("refuse" in fate || "answer" in fate));
}

async function refuse(client: Deno.Conn, status: number, code: string): Promise<void> {
  const message = code === "SlowDown" ? "Reduce your request rate." : "";
  await answer(
    client,
    `${status} ${code}`,
    `<Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  );
}

async function answer(client: Deno.Conn, status: string, body: string): Promise<void> {
  await writeAll(
    client,
    new TextEncoder().encode(
      `HTTP/1.1 ${status}\r\ncontent-type: application/xml\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  );
}

function headEnd(bytes: Uint8Array): number {
  for (let i = 3; i < bytes.length; i++) {
    if (bytes[i] === 10 && bytes[i - 1] === 13 && bytes[i - 2] === 10 && bytes[i - 3] === 13) return i + 1;
  }
  return -1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
