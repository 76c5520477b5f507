/**
 * The body of an answer, read chunk by chunk.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** A body as the SDK gives it: a readable stream of Node, as far as it is used here. */
export interface NodeBody {
  readonly readableEnded: boolean;
  readonly errored: Error | null;
  readonly destroyed: boolean;
  read(): Uint8Array | null;
  on(event: "readable" | "end" | "close", listener: () => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  destroy(): void;
}

/** The connection ended, or nothing came for too long. */
class Broken extends Error {
  readonly code: "ECONNRESET" | "ETIMEDOUT";
  constructor(code: "ECONNRESET" | "ETIMEDOUT", message: string) {
    super(message);
    this.code = code;
  }
}

/** Reads a body: what has come already without waiting for anything. */
export class BodyReader {
  readonly #body: NodeBody;
  #left: number;
  #wake: () => void = () => {};

  /**
   * @param body The body.
   * @param length How long it is, in bytes, where that is known.
   */
  constructor(body: NodeBody, length: number | undefined) {
    this.#body = body;
    this.#left = length ?? NaN;
    const wake = (): void => this.#wake();
    body.on("readable", wake);
    body.on("end", wake);
    body.on("close", wake);
    // A body that nobody reads any more must not end the process when its connection breaks.
    body.on("error", wake);
  }

  /**
   * More of the body.
   *
   * @param patience How long to wait for it, in milliseconds.
   * @returns What has come; nothing at the end.
   * @throws {Error} When the connection broke before the end, or nothing came for too long.
   */
  async next(patience: number): Promise<Bytes | undefined> {
    const body = this.#body;
    for (;;) {
      const chunk = body.destroyed ? null : body.read();
      if (chunk !== null && chunk.length > 0) {
        this.#left -= chunk.length;
        return chunk as Bytes;
      }
      if (body.errored) throw body.errored;
      if (body.readableEnded) {
        if (this.#left > 0) {
          throw new Broken("ECONNRESET", "the connection ended before the whole value had come");
        }
        return undefined;
      }
      if (body.destroyed) throw new Broken("ECONNRESET", "the connection ended");
      await this.#more(patience);
    }
  }

  /** Leaves the rest. Who waits for it is told that the connection ended. */
  leave(): void {
    this.#body.destroy();
    this.#wake();
  }

  #more(patience: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake = () => {};
        reject(new Broken("ETIMEDOUT", `nothing came for ${patience / 1000} s`));
      }, patience);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
    });
  }
}
