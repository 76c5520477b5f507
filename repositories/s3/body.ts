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

type Refuse = (error: Broken) => void;

/** Reads a body: what has come already without waiting for anything. */
export class BodyReader {
  readonly #body: NodeBody;
  #left: number;
  #wake: () => void = () => {};
  /** Ends the wait that goes on. */
  #refuse: Refuse | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

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
   * @param patience How long to wait for it at least, in milliseconds; twice as long at most.
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
        this.#over();
        return undefined;
      }
      if (body.destroyed) throw new Broken("ECONNRESET", "the connection ended");
      await this.#more(patience);
    }
  }

  /** Leaves the rest. Who waits for it is told that the connection ended. */
  leave(): void {
    this.#over();
    this.#body.destroy();
    this.#wake();
  }

  #more(patience: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#timer ??= setTimeout(this.#look, patience, patience, reject);
      this.#refuse = reject;
      this.#wake = () => {
        this.#refuse = undefined;
        this.#wake = () => {};
        resolve();
      };
    });
  }

  /**
   * Ends a wait that this has seen from its beginning; one that began in the meantime is looked at once more. A timer for each chunk would
   * take a tenth of the time of the whole read.
   */
  readonly #look = (patience: number, seen: Refuse | undefined): void => {
    this.#timer = undefined;
    const refuse = this.#refuse;
    if (refuse === undefined) return;
    if (refuse !== seen) {
      this.#timer = setTimeout(this.#look, patience, patience, refuse);
      return;
    }
    this.#refuse = undefined;
    this.#wake = () => {};
    refuse(new Broken("ETIMEDOUT", `nothing came for ${patience / 1000} s`));
  };

  #over(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
