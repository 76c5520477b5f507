/**
 * Links to many values of a repository: any of them on demand (`lookup`), those that come while the job runs (`stream`), and those that the
 * job publishes while it runs (`outputs`).
 *
 * None of them keeps a job from starting, and none waits for anybody's success: values are used one at a time, each whole.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import type { FilesystemRepository } from "../repositories/filesystem.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Repository } from "../repositories/repository.ts";
import type { KeyMapping } from "./key_mapping.ts";
import {
  type AutomaticValue,
  checked,
  type ItemContext,
  type ItemKeys,
  type ItemsPlan,
  type KeyInit,
  type Link,
  mapping,
} from "./link.ts";

/** A link to values that a job publishes while it runs. Made by {@linkcode outputs}. */
export interface ItemsLink<
  R extends Repository = Repository,
  C extends Readonly<Record<string, Repository>> = Readonly<Record<string, Repository>>,
  N extends ItemKeys = ItemKeys,
  A extends PropertyKey = string,
  O = unknown,
  E extends boolean = boolean,
> extends Link<R, "out", "items", C> {
  /** How the items are named, and what is added to them. */
  readonly items: ItemsPlan & {
    readonly keys: N;
    readonly own: ((item: ItemContext) => O | Promise<O>) | undefined;
    readonly values: { readonly [K in A]: AutomaticValue };
    readonly dropEmpty: E;
  };
}

/**
 * A repository of which the body may read any key. It keeps no job from starting; `requires` does that where it is wanted.
 *
 * The body gets the repository to be read: `await pages.text("emma-1")`.
 *
 * @param repository Which.
 * @returns The link.
 */
export function lookup<R extends Repository>(repository: R): Link<R, "in", "lookup", Record<never, never>> {
  return {
    repository: checked(repository, "lookup"),
    direction: "in",
    start: "any",
    expected: false,
    gated: false,
    view: "lookup",
    key: undefined,
    cokeyed: {},
  };
}

/** Which key an item is for: a function of the key of the item, `field("link.path")` of a document under that key, or `allocated()`. */
export type ItemRelation = KeyMapping | ((item: Key) => Key | undefined | Promise<Key | undefined>);

/** Options of {@linkcode stream}. */
export type StreamOptions<
  C extends Readonly<Record<string, Repository>> = Readonly<Record<string, Repository>>,
> =
  & {
    /** When a job starts: `now`, or with the `first` item that comes for it. Default: `now`. */
    readonly start?: "now" | "first";
    /** More repositories that have a value under the key of an item, by name. */
    readonly cokeyed?: C;
  }
  & (
    | { readonly of?: undefined; readonly key?: undefined }
    | {
      /**
       * Which key an item is for: a function of the key of the item; `field("link.path")`, a field of the document that the link (this one, another one
       * of the task, or a cokeyed repository of this one) has under the key of the item; or `allocated()`, the job that the key was allocated for.
       * Default: every item is for every job.
       */
      readonly of: ItemRelation;
      /** Which key is the job's, when it is not the job itself: a function of the job, or `field("link.path")`. */
      readonly key?: KeyInit;
    }
  );

/**
 * A repository whose items come to the body while it runs: those that are there already and those that are put there later, each once, until no
 * task of the pipeline can bring another.
 *
 * The body iterates over them: `for await (const page of pages) await page.text()`.
 *
 * @param repository Which.
 * @param options Which items are for which job, and when a job starts.
 * @returns The link.
 * @example Adding up the chapters of a book while they are written
 * ```ts
 * import { allocated, functionTask, input, MemoryBlobRepository, MemoryMetadataRepository, output, outputs, Pipeline, stream } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const [books, chapters] = [new MemoryBlobRepository("books"), new MemoryBlobRepository("chapters")];
 * const sizes = new MemoryMetadataRepository<number>("sizes");
 * const split = functionTask("split", {
 *   done: new MemoryMetadataRepository("split-done"),
 *   links: { books: input(books), chapters: outputs(chapters) },
 * }, async ({ books, chapters }) => {
 *   let n = 0;
 *   for (const text of (await books.text()).split("|")) await chapters.write(`${++n}`, text);
 * });
 * const measure = functionTask("measure", {
 *   done: new MemoryMetadataRepository("measure-done"),
 *   links: { books: input(books, { as: "key" }), chapters: stream(chapters, { of: allocated() }), sizes: output(sizes) },
 * }, async ({ chapters, sizes }) => {
 *   let size = 0;
 *   for await (const chapter of chapters) size += (await chapter.text()).length;
 *   await sizes.write(size);
 * });
 *
 * await books.put("emma", "one|two|three");
 * await new Pipeline({ tasks: [split, measure], state: null }).run().finished;
 * assert.equal(await sizes.get("emma"), 11);
 * ```
 */
export function stream<
  R extends Repository,
  C extends Readonly<Record<string, Repository>> = Record<never, never>,
>(
  repository: R,
  options: StreamOptions<C> = {},
): Link<R, "in", "stream", NoInfer<C>> {
  return {
    repository: checked(repository, "stream"),
    direction: "in",
    start: "any",
    expected: false,
    gated: false,
    view: "stream",
    key: mapping(options.key),
    cokeyed: options.cokeyed ?? {} as C,
    stream: { of: mapping(options.of), first: options.start === "first" },
  };
}

/** The document that is made for an item, or a part of it; the rest comes from whoever else has a say. */
export type Draft<R> = R extends MetadataRepository<infer T>
  ? T extends readonly unknown[] ? T : T extends object ? Partial<T> : T
  : never;

/** Options of {@linkcode outputs}. */
export interface OutputsOptions<
  R extends Repository,
  C extends Readonly<Record<string, Repository>>,
  N extends ItemKeys,
  A extends keyof C,
  O extends Draft<R> | undefined,
  E extends boolean = boolean,
> {
  /**
   * How items get their keys. `allocated`: a key of its own for each job and name, the same in every attempt (the default). `name`: the name that the
   * body gives. `content`: the SHA-256 of the content, in hex.
   */
  readonly keys?: N;
  /** More repositories that get a value under the key of an item, before the item itself appears. */
  readonly cokeyed?: C;
  /** Fields that are added to cokeyed documents, by the name of the repository. What the body writes goes before them. */
  readonly values?: { readonly [K in A]: (item: ItemContext) => Draft<C[K]> | Promise<Draft<C[K]>> };
  /** Fields that are added to the items themselves, where they are documents. */
  readonly own?: (item: ItemContext) => O | Promise<O>;
  /**
   * Whether items with nothing in them are dropped: blobs without bytes, trees without entries. They and what is cokeyed are not published, and
   * `write` resolves with nothing. A document is never empty. Default: `false`.
   */
  readonly dropEmpty?: R extends BlobRepository | FilesystemRepository ? E : false;
}

/**
 * A repository into which the body publishes many values while it runs, each under a key of its own, each at once: whoever reads them need not wait
 * for the end of the job. What was published stays when the attempt fails later.
 *
 * The body writes `await pages.write("1", text, { meta: { title } })`; with `{ keys: "content" }`, `await pages.write(text)`.
 *
 * @param repository Which.
 * @param options How items get their keys, and what else is published with them.
 * @returns The link.
 */
export function outputs<
  R extends Repository,
  const N extends ItemKeys = "allocated",
  C extends Readonly<Record<string, Repository>> = Record<never, never>,
  const A extends keyof C = never,
  O extends Draft<R> | undefined = undefined,
  const E extends boolean = false,
>(
  repository: R,
  options: OutputsOptions<R, C, N, A, O, E> = {},
): ItemsLink<R, NoInfer<C>, NoInfer<N>, NoInfer<A>, NoInfer<O>, NoInfer<E>> {
  return {
    repository: checked(repository, "outputs"),
    direction: "out",
    start: "any",
    expected: false,
    gated: false,
    view: "items",
    key: undefined,
    cokeyed: options.cokeyed ?? {} as C,
    items: {
      keys: options.keys ?? "allocated" as N,
      own: options.own,
      values: (options.values ?? {}) as { readonly [K in A]: AutomaticValue },
      dropEmpty: (options.dropEmpty ?? false) as E,
    },
  };
}
