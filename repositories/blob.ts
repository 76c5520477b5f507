/**
 * Repositories of byte streams.
 *
 * @module
 */
import { type Bytes, type Content, decodeText, encodeText, readAll } from "../core/bytes.ts";
import type { Key } from "../core/key.ts";
import type { BlobDriver, KeyLayer, Layer, OperationOptions, ReadOptions, WriteOptions } from "./driver.ts";
import { Repository } from "./repository.ts";

/** A repository whose values are streams of bytes. */
export class BlobRepository extends Repository<BlobDriver> {
  /** What kind of value it holds. */
  override readonly kind = "blob" as const;

  /**
   * The value as a stream.
   *
   * @param key Of which key.
   * @param options When to stop, and which bytes are wanted.
   * @returns The bytes, as they arrive. Cancel it, or read it to its end.
   * @throws {NotFoundError} When there is no value.
   */
  async open(key: Key, options?: ReadOptions): Promise<ReadableStream<Bytes>> {
    const stream = await this.perform(
      "read",
      key,
      options,
      async () => (await this.admits(key, options)) ? await this.driver.read(key, options) : undefined,
    );
    if (stream === undefined) throw this.missing("read", key);
    return stream;
  }

  /**
   * The whole value, or nothing when there is none.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns All bytes, in memory.
   * @throws {RepositoryError} When the key is invalid, or the value cannot be read.
   */
  find(key: Key, options?: OperationOptions): Promise<Bytes | undefined> {
    const { driver } = this;
    return this.perform("read", key, options, async () => {
      if (driver.admits && !await this.admits(key, options)) return undefined;
      if (driver.readBytes) return await driver.readBytes(key, options);
      const stream = await driver.read(key, options);
      return stream && await readAll(stream, options?.signal);
    });
  }

  /**
   * The whole value.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns All bytes, in memory.
   * @throws {NotFoundError} When there is no value.
   */
  async bytes(key: Key, options?: OperationOptions): Promise<Bytes> {
    const bytes = await this.find(key, options);
    if (bytes === undefined) throw this.missing("read", key);
    return bytes;
  }

  /**
   * The whole value as text in UTF-8.
   *
   * @param key Of which key.
   * @param options When to stop.
   * @returns The text.
   * @throws {NotFoundError} When there is no value.
   */
  async text(key: Key, options?: OperationOptions): Promise<string> {
    return decodeText(await this.bytes(key, options));
  }

  /**
   * Puts a value in place of the old one. It appears whole, or not at all.
   *
   * @param key Of which key.
   * @param value Text, bytes, or a stream that is read to its end.
   * @param options When to stop, and on which condition to write.
   * @throws {RepositoryError} When the key is invalid, when the condition does not hold (`already-exists`, `conflict`), or when it cannot be written.
   */
  put(key: Key, value: string | Content, options?: WriteOptions): Promise<void> {
    return this.perform("write", key, options, () => {
      const content = typeof value === "string" ? encodeText(value) : value;
      return this.driver.admits
        ? this.#putAdmitted(key, content, options)
        : this.driver.write(key, content, options);
    });
  }

  async #putAdmitted(key: Key, content: Content, options: WriteOptions | undefined): Promise<void> {
    await this.checkAdmitted("write", key, options);
    await this.driver.write(key, content, options);
  }

  /**
   * A stream to write a value into. It appears whole when the stream is closed, and never when it is aborted.
   *
   * @param key Of which key.
   * @param options When to stop, and on which condition to write.
   * @returns The stream. Closing it waits until the value is there, and fails as `put` does.
   */
  create(key: Key, options?: WriteOptions): WritableStream<Bytes> {
    const pipe = new TransformStream<Bytes, Bytes>(undefined, { highWaterMark: 0 }, { highWaterMark: 1 });
    const written = this.put(key, pipe.readable, options);
    written.catch(() => {});
    const writer = pipe.writable.getWriter();
    writer.closed.catch(() => {});
    return new WritableStream<Bytes>({
      write: (chunk) => Promise.race([writer.write(chunk), written]),
      async close() {
        await Promise.race([writer.close(), written]);
        await written;
      },
      async abort(reason) {
        await writer.abort(reason);
        await written.catch(() => {});
      },
    });
  }

  /**
   * This repository under a layer.
   *
   * @param layer What to put over it.
   * @returns A new repository; this one is unchanged.
   */
  with(layer: Layer<BlobDriver> | KeyLayer): BlobRepository {
    return new BlobRepository(layer(this.driver));
  }
}
