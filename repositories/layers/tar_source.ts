/**
 * A tar archive while it is read: headers one after the other, and the content of the one before which it stands.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { TarHeader } from "../../deps/modern_tar.ts";

/** The content of the member before which a {@linkcode TarSource} stands. */
export interface TarMember {
  /** The content; nothing once it was taken, or passed over. */
  take(path: string): ReadableStream<Bytes> | undefined;
}

/** A tar archive while it is read. */
export class TarSource {
  readonly #source: ReadableStreamDefaultReader<Bytes>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #entries: ReadableStreamDefaultReader<
    { readonly header: TarHeader; readonly body: ReadableStream<Uint8Array> }
  >;
  readonly #explain: (error: unknown) => unknown;
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Whether the content of the present member was handed out and is still being read. */
  #taken = false;
  #left = false;

  private constructor(
    archive: ReadableStream<Bytes>,
    decoder: {
      readonly readable: ReadableStream<{ header: TarHeader; body: ReadableStream<Uint8Array> }>;
      readonly writable: WritableStream<Uint8Array>;
    },
    explain: (error: unknown) => unknown,
  ) {
    this.#source = archive.getReader();
    this.#writer = decoder.writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#entries = decoder.readable.getReader();
    this.#entries.closed.catch(() => {});
    this.#explain = explain;
    void this.#feed();
  }

  /**
   * Begins to read an archive.
   *
   * @param archive The archive.
   * @param explain Says what an error in it means, for those who read a member.
   * @returns It, before its first header.
   */
  static async open(
    archive: ReadableStream<Bytes>,
    explain: (error: unknown) => unknown,
  ): Promise<TarSource> {
    const { createTarDecoder } = await import("../../deps/modern_tar.ts");
    return new TarSource(archive, createTarDecoder({ strict: true }), explain);
  }

  /** Passes over the rest of this member and gives the next header, or nothing at the end. */
  async next(): Promise<TarHeader | undefined> {
    this.#taken = false;
    // Read to its end, not cancelled: the decoder may be at the next member already, and would pass over that one's content.
    for (const body = this.#body; body && !(await body.read()).done;);
    this.#body = undefined;
    const { done, value } = await this.#entries.read();
    if (done) return undefined;
    this.#body = value.body.getReader();
    this.#body.closed.catch(() => {});
    return value.header;
  }

  /** The content of the member whose header was given last. */
  member(): TarMember {
    const body = this.#body!;
    let taken = false;
    return {
      take: (path) => {
        if (taken || this.#body !== body) return undefined;
        taken = this.#taken = true;
        return this.#stream(body, path);
      },
    };
  }

  /** Gives the archive back, now or when the member that is being read is done. */
  async leave(): Promise<void> {
    this.#left = true;
    if (!this.#taken) await this.#close();
  }

  #stream(body: ReadableStreamDefaultReader<Uint8Array>, path: string): ReadableStream<Bytes> {
    const over = async (): Promise<void> => {
      if (this.#body !== body) return;
      this.#taken = false;
      if (this.#left) await this.#close();
    };
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        if (this.#body !== body) {
          throw new Error(`${JSON.stringify(path)} must be read before the next entry is asked for`);
        }
        try {
          const { done, value } = await body.read();
          if (!done) return controller.enqueue(value as Bytes);
          await over();
          controller.close();
        } catch (error) {
          const told = this.#explain(error);
          await over().catch(() => {});
          throw told;
        }
      },
      cancel: over,
    }, { highWaterMark: 0 });
  }

  async #close(): Promise<void> {
    this.#body = undefined;
    await this.#source.cancel().catch(() => {});
    await this.#entries.cancel().catch(() => {});
  }

  async #feed(): Promise<void> {
    try {
      for (let next = await this.#source.read(); !next.done; next = await this.#source.read()) {
        await this.#writer.write(next.value);
        if (this.#left && !this.#taken) return;
      }
      if (this.#left && !this.#taken) return;
      await this.#writer.close();
    } catch (error) {
      await this.#source.cancel(error).catch(() => {});
      await this.#writer.abort(error).catch(() => {});
    }
  }
}
