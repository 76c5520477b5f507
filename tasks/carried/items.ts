/**
 * A streaming output for a body that was carried somewhere: each item is handed to the agent, which publishes it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type Bytes, encodeText } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import type { TreeEntry } from "../../repositories/driver.ts";
import type { AgentClient } from "./agent.ts";
import type { CarriedMany, CarriedRepository } from "./context.ts";
import { documents } from "./documents.ts";

/** How much is sent at once, in bytes. */
const PIECE = 4 << 20;

/** A value that can be sent again and again, from anywhere. */
interface Sendable {
  readonly size: number;
  readonly digest: string;
  read(start: number, end: number): Promise<Bytes>;
  close(): Promise<void>;
}

/** A streaming output. */
export class CarriedItems {
  readonly #agent: AgentClient;
  readonly #name: string;
  readonly #link: CarriedMany;
  readonly #spool: string;
  /** The last write of each item: the next one of the same name comes after it. */
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * @param agent The agent.
   * @param name The name of the link.
   * @param link The link.
   * @param spool A folder that may be written, for streams: what is sent must be there to be sent again.
   */
  constructor(agent: AgentClient, name: string, link: CarriedMany, spool: string) {
    this.#agent = agent;
    this.#name = name;
    this.#link = link;
    this.#spool = spool;
  }

  /**
   * What the body gets.
   *
   * @param track Takes note of a write, so that the run does not end before it.
   * @returns It.
   */
  bound(track: <T>(write: Promise<T>) => Promise<T>): unknown {
    return {
      write: this.#link.keys === "content"
        ? (value: unknown, cokeyed?: object) => track(this.#publish(undefined, value, cokeyed))
        : (name: string, value: unknown, cokeyed?: object) => track(this.#publish(name, value, cokeyed)),
    };
  }

  async #publish(name: string | undefined, value: unknown, cokeyed: object = {}): Promise<Key | undefined> {
    this.#agent.signal.throwIfAborted();
    // The agent is told by a header what it is called: a name may be anything, and a path may not.
    const id = name === undefined ? crypto.randomUUID() : sha256(encodeText(name));
    const before = this.#last.get(id);
    const published = (async () => {
      await before?.catch(() => {});
      return await this.#send(id, name, value, cokeyed);
    })();
    this.#last.set(id, published);
    try {
      return await published;
    } finally {
      if (this.#last.get(id) === published) this.#last.delete(id);
    }
  }

  async #send(
    id: string,
    name: string | undefined,
    value: unknown,
    cokeyed: object,
  ): Promise<Key | undefined> {
    for (const [other, beside] of Object.entries(cokeyed)) {
      if (beside === undefined) continue;
      // What is not among them, the agent refuses.
      const kind = this.#link.cokeyed[other]?.kind ?? "metadata";
      await this.#put(`${this.#name}.${other}`, id, name, await this.#sendable(kind, beside));
    }
    return await this.#put(this.#name, id, name, await this.#sendable(this.#link.kind, value));
  }

  /** A value in its form for travel. */
  async #sendable(kind: CarriedRepository["kind"], value: unknown): Promise<Sendable> {
    if (kind === "metadata") return inMemory(documents.encode(value));
    if (kind === "filesystem") {
      const { writeTar } = await import("../../repositories/layers/tar.ts");
      let spooled: Sendable | undefined;
      const entries = inTurn(value as AsyncIterable<TreeEntry> | Iterable<TreeEntry>);
      await writeTar(entries, this.#agent.signal, async (archive) => {
        spooled = await this.#spooled(archive);
      });
      return spooled!;
    }
    if (typeof value === "string") return inMemory(encodeText(value));
    if (value instanceof Uint8Array) return inMemory(value as Bytes);
    return await this.#spooled(value as ReadableStream<Bytes>);
  }

  /** A stream, in a file. */
  async #spooled(stream: ReadableStream<Bytes>): Promise<Sendable> {
    await Deno.mkdir(this.#spool, { recursive: true, mode: 0o700 });
    const path = `${this.#spool}/${crypto.randomUUID()}`;
    const hash = createHash("sha256");
    const file = await Deno.open(path, { createNew: true, read: true, write: true, mode: 0o600 });
    // It is in nobody's way once it has no name.
    await Deno.remove(path);
    try {
      let size = 0;
      for await (const chunk of stream) {
        hash.update(chunk);
        size += chunk.length;
        for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      }
      return {
        size,
        digest: hash.digest("hex"),
        async read(start, end) {
          const bytes = new Uint8Array(end - start);
          await file.seek(start, Deno.SeekMode.Start);
          for (let at = 0; at < bytes.length;) at += await file.read(bytes.subarray(at)) ?? Infinity;
          return bytes;
        },
        close: () => Promise.resolve(file.close()),
      };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Hands a value to the agent, a piece at a time; what was cut goes on where the agent says. */
  async #put(link: string, id: string, name: string | undefined, value: Sendable): Promise<Key | undefined> {
    const path = `/items/${encodeURIComponent(link)}/${id}`;
    const item = name === undefined ? "an item" : `item ${JSON.stringify(name)}`;
    const doing = `publish ${item} in ${this.#name} (${this.#link.repository})`;
    const { size, digest } = value;
    const headers = {
      "X-Datatask-Name": encodeURIComponent(name ?? ""),
      "X-Datatask-Sha256": digest,
    };
    try {
      for (let at = 0;;) {
        const end = Math.min(at + PIECE, size);
        const range = size > PIECE && { "Content-Range": `bytes ${at}-${end - 1}/${size}` };
        const { status, text, headers: said } = await this.#agent.tell(path, {
          method: "PUT",
          headers: { ...headers, ...range },
          body: await value.read(at, end),
          // Where only less has come than was thought, it says how much.
          accept: [416],
          doing,
        });
        if (status === 201) return text.trim() || undefined;
        at = status === 416 ? Number(said.get("x-datatask-received") ?? 0) : end;
      }
    } finally {
      await value.close();
    }
  }
}

function inMemory(bytes: Bytes): Sendable {
  return {
    size: bytes.length,
    digest: sha256(bytes),
    read: (start, end) => Promise.resolve(bytes.subarray(start, end)),
    close: () => Promise.resolve(),
  };
}

function sha256(bytes: Bytes): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function* inTurn<T>(values: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T, void, void> {
  yield* values;
}
