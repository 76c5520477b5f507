/**
 * Files in GridFS, as its specification lays them out (`.files`, `.chunks`), and beside them what the specification lacks: `.keys`, one document
 * per key that points to its file, and `.uploads`, a note of each file that no key may point to.
 *
 * A value is visible when its pointer is. A file is noted before it can be garbage, so whatever a crash leaves is found by its note.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import { Binary, type Collection, type Document, ObjectId } from "../../deps/mongodb.ts";
import type { OperationOptions } from "../driver.ts";
import { piecesOf } from "../stream_pieces.ts";
import { DUPLICATE } from "./errors.ts";
import type { Entry, MongoPlace } from "./place.ts";

/** How much a chunk has, in bytes: what the specification says. */
export const CHUNK: number = 255 * 1024;

/** How many chunks go in one request. */
const TOGETHER = 16;

/** How often an upload says that it is alive, in milliseconds. */
const HEARTBEAT = 60_000;

/** Which file the value of a key is. */
export interface Pointer {
  /** The key. */
  readonly _id: string;
  /** The file. */
  readonly file: ObjectId;
  /** Another one for each write: the file's id as text. */
  readonly version: string;
  /** In bytes. */
  readonly length: number;
  /** How much each chunk but the last has, in bytes. */
  readonly chunkSize: number;
  /** When it was written. */
  readonly modified: Date;
}

/** A file in the making. */
export interface Upload {
  /** Its id. */
  readonly file: ObjectId;
  /** Of which key. */
  readonly key: Key;
  /** In bytes, so far. */
  length: number;
}

/** The files of a place. */
export class GridFiles {
  readonly #place: MongoPlace;
  #indexed: Promise<void> | undefined;

  /** @param place Where. */
  constructor(place: MongoPlace) {
    this.#place = place;
  }

  /** The pointers, by key. */
  get keys(): Collection<Entry> {
    return this.#place.collection(".keys");
  }

  /** Sees that chunks are found by their file and number: asks the server once. */
  prepare(): Promise<void> {
    this.#indexed ??= this.#chunks.createIndex({ files_id: 1, n: 1 }, { unique: true }).then(
      () => {},
      (error) => {
        this.#indexed = undefined;
        throw error;
      },
    );
    return this.#indexed;
  }

  /** Which file the value of a key is, or nothing. */
  async pointer(key: Key): Promise<Pointer | undefined> {
    return await this.keys.findOne({ _id: key }) as unknown as Pointer | null ?? undefined;
  }

  /** Notes that no key may point to a file. */
  async note(file: ObjectId, key: Key): Promise<void> {
    const note = { $set: { key, at: new Date() } };
    await this.#uploads.updateOne({ _id: file.toHexString() }, note, { upsert: true });
  }

  /** Says that a file in the making is still wanted. Tells whether it is still there: it may have been swept. */
  async stillNoted(file: ObjectId): Promise<boolean> {
    const note = { _id: file.toHexString(), swept: { $exists: false } };
    const { matchedCount } = await this.#uploads.updateOne(note, { $set: { at: new Date() } });
    return matchedCount === 1;
  }

  /** Removes the note of a file that a key points to. */
  async forget(file: ObjectId): Promise<void> {
    await this.#uploads.deleteOne({ _id: file.toHexString() });
  }

  /** Removes a file that no key points to, and its note last. */
  async discard(file: ObjectId): Promise<void> {
    await this.#files.deleteOne({ _id: file });
    await this.#chunks.deleteMany({ files_id: file });
    await this.forget(file);
  }

  /**
   * Takes content to its end. Nobody sees it yet.
   *
   * @param upload The file in the making.
   * @param content What goes into it.
   * @param options When to stop.
   */
  async take(
    upload: Upload,
    content: AsyncIterable<Bytes>,
    options: OperationOptions | undefined,
  ): Promise<void> {
    const { file, key } = upload;
    await this.#attempt(key, options, () => this.prepare());
    let beat = Date.now();
    let batch: Document[] = [];
    let n = 0;
    const send = async (): Promise<void> => {
      const sent = batch;
      batch = [];
      await this.#attempt(key, options, (again) => this.#insert(this.#chunks, sent, again));
      if (Date.now() - beat < HEARTBEAT) return;
      beat = Date.now();
      await this.#attempt(key, options, () => this.stillNoted(file));
    };
    for await (const piece of piecesOf(content, CHUNK)) {
      batch.push({ _id: new ObjectId(), files_id: file, n: n++, data: new Binary(piece) });
      upload.length += piece.length;
      if (batch.length === TOGETHER) await send();
    }
    if (batch.length > 0) await send();
    const whole = {
      _id: file,
      length: upload.length,
      chunkSize: CHUNK,
      uploadDate: new Date(),
      filename: key,
    };
    await this.#attempt(key, options, (again) => this.#insert(this.#files, [whole], again));
  }

  /**
   * The chunks of a file from one on, in order.
   *
   * @param pointer Which file.
   * @param first The number of the first chunk.
   * @param last The number of the last one.
   * @returns Their data with their numbers, and how to leave early.
   */
  chunks(
    { file }: Pointer,
    first: number,
    last: number,
  ): AsyncIterator<{ readonly n: number; readonly data: Bytes }> & {
    close(): Promise<void>;
  } {
    const cursor = this.#chunks.find({ files_id: file, n: { $gte: first, $lte: last } }, {
      sort: { n: 1 },
      batchSize: TOGETHER,
    });
    return {
      async next() {
        const chunk = await cursor.next();
        if (chunk === null) return { done: true, value: undefined };
        return {
          done: false,
          value: { n: chunk.n as number, data: new Uint8Array((chunk.data as Binary).value()) },
        };
      },
      close: () => cursor.close(),
    };
  }

  /**
   * Removes what broken writes and deletions have left.
   *
   * @param before Only what has not stirred since, in milliseconds since 1970.
   * @param options When to stop.
   * @returns How many files are gone.
   */
  async sweep(before: number, options: OperationOptions | undefined): Promise<number> {
    let swept = 0;
    const stale = { at: { $lt: new Date(before) } };
    const notes = await this.#place.attempt(
      "sweep",
      undefined,
      options,
      () => this.#uploads.find(stale).toArray(),
    );
    for (const { _id, key, at } of notes) {
      await this.#place.attempt("sweep", key as Key, options, async () => {
        const pointer = await this.pointer(key as Key);
        // Whoever still writes it finds its note gone or marked, and shows nothing of it.
        if (pointer?.version === _id) return void await this.#uploads.deleteOne({ _id, at });
        const { matchedCount } = await this.#uploads.updateOne({ _id, at }, { $set: { swept: true } });
        if (matchedCount === 0) return;
        await this.discard(new ObjectId(_id));
        swept++;
      });
    }
    return swept;
  }

  get #files(): Collection<Document> {
    return this.#place.collection(".files") as unknown as Collection<Document>;
  }

  get #chunks(): Collection<Document> {
    return this.#place.collection(".chunks") as unknown as Collection<Document>;
  }

  get #uploads(): Collection<Entry> {
    return this.#place.collection(".uploads");
  }

  #attempt<T>(
    key: Key,
    options: OperationOptions | undefined,
    call: (again: boolean) => Promise<T>,
  ): Promise<T> {
    return this.#place.attempt("write", key, options, call);
  }

  /** The second time, what the first has put there is there. */
  async #insert(
    collection: Collection<Document>,
    documents: readonly Document[],
    again: boolean,
  ): Promise<void> {
    try {
      await collection.insertMany([...documents], { ordered: !again });
    } catch (error) {
      if (!again || (error as { code?: unknown }).code !== DUPLICATE) throw error;
    }
  }
}
