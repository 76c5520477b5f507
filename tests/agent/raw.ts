/**
 * Connections on which a test writes what it likes, and nothing else does.
 *
 * @module
 */
import { decodeText, encodeText } from "../../core/bytes.ts";

/** A connection of which every byte is the test's. */
export class Raw implements Disposable {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connects to an address. */
  static async open(address: string): Promise<Raw> {
    const { hostname, port } = new URL(address);
    return new Raw(await Deno.connect({ hostname: hostname.replace(/[[\]]/g, ""), port: Number(port) }));
  }

  /** Writes; what cannot be written any more is of no interest. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encodeText(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    } catch {
      // The other side has hung up.
    }
  }

  /** Reads until the head of an answer is there, or the other side hangs up. */
  async head(): Promise<string> {
    let text = "";
    const buffer = new Uint8Array(4096);
    while (!text.includes("\r\n\r\n")) {
      const count = await this.#connection.read(buffer).catch(() => null);
      if (count === null) break;
      text += decodeText(buffer.subarray(0, count));
    }
    return text;
  }

  /** Reads until the other side hangs up. */
  async rest(): Promise<string> {
    let text = "";
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await this.#connection.read(buffer).catch(() => null);
      if (count === null) return text;
      text += decodeText(buffer.subarray(0, count));
    }
  }

  /** The status of the answer; 0 when there was none. */
  async status(): Promise<number> {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(await this.head())?.[1] ?? 0);
  }

  /** Hangs up. */
  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
