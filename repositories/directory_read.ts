/**
 * Reads trees of files from folders, never following a link out of them.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { DirectorySwap, Located } from "./directory_swap.ts";
import type { OperationOptions, TreeEntry } from "./driver.ts";
import type { Folder } from "./file_folder.ts";
import { fileStream } from "./file_stream.ts";
import { treeParts } from "./tree.ts";

/** How many links in a row are followed. */
const MAX_LINKS = 40;

/** One tree as it is being read. A tree that takes its place meanwhile is noticed, and never mixed into it. */
export class TreeReader {
  readonly #folder: Folder;
  readonly #swap: DirectorySwap;
  readonly #key: Key;
  readonly #options: OperationOptions | undefined;
  readonly #inode: string;
  #root: string;

  /**
   * @param folder Where values lie.
   * @param swap Finds the tree again when it has been moved.
   * @param key Whose tree it is.
   * @param located Where it lies.
   * @param options When to stop.
   */
  constructor(
    folder: Folder,
    swap: DirectorySwap,
    key: Key,
    located: Located,
    options: OperationOptions | undefined,
  ) {
    this.#folder = folder;
    this.#swap = swap;
    this.#key = key;
    this.#options = options;
    this.#root = located.root;
    this.#inode = identify(located.info);
  }

  /** The tree, parents before what is in them. */
  async *entries(path = ""): AsyncGenerator<TreeEntry, void, void> {
    const inside = path === "" ? "" : `${path}/`;
    for (const { name } of await this.#look(() => this.#folder.files.readDir(`${this.#root}/${path}`))) {
      this.#options?.signal?.throwIfAborted();
      const entry = await this.#entry(inside + name);
      yield entry;
      if (entry.kind === "directory") yield* this.entries(inside + name);
    }
  }

  /** One file, following links inside the tree. */
  async open(path: string): Promise<ReadableStream<Bytes> | undefined> {
    const { files } = this.#folder;
    const wanted = treeParts(path);
    const at: string[] = [];
    for (let links = 0; wanted.length > 0;) {
      const part = wanted.shift()!;
      if (part === "." || part === "") continue;
      if (part === "..") {
        at.pop();
        continue;
      }
      const place = [...at, part].join("/");
      const info = await this.#look(() => lookAt(() => files.lstat(`${this.#root}/${place}`)));
      if (!info) return undefined;
      if (info.isSymlink) {
        if (++links > MAX_LINKS) throw this.#refusal(path, `more than ${MAX_LINKS} links in a row`);
        const target = await files.readLink(`${this.#root}/${place}`);
        if (target.startsWith("/")) at.length = 0;
        wanted.unshift(...target.split("/"));
      } else if (info.isDirectory) at.push(part);
      else return wanted.length === 0 && info.isFile ? await this.#stream(place) : undefined;
    }
    return undefined;
  }

  async #entry(path: string): Promise<TreeEntry> {
    const { files } = this.#folder;
    const info = await this.#look(() => files.lstat(`${this.#root}/${path}`));
    const mode = (info.mode ?? 0o644) & 0o7777;
    if (info.isDirectory) return { kind: "directory", path, mode };
    if (info.isSymlink) {
      return {
        kind: "symlink",
        path,
        target: await this.#look(() => files.readLink(`${this.#root}/${path}`)),
      };
    }
    if (info.isFile) return { kind: "file", path, mode, size: info.size, open: () => this.#stream(path) };
    throw this.#refusal(
      path,
      "it is a device, pipe or socket; a tree holds files, directories and symbolic links",
    );
  }

  async #stream(path: string): Promise<ReadableStream<Bytes>> {
    const file = await this.#look(
      () => this.#folder.files.open(`${this.#root}/${path}`, { read: true }),
      (opened) => opened.close(),
    );
    try {
      this.#options?.signal?.throwIfAborted();
      return fileStream(file, (await file.stat()).size, this.#options);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Looks at something inside the tree, then sees that it still is this tree that lies there. */
  async #look<T>(call: () => Promise<T>, undo?: (result: T) => void): Promise<T> {
    try {
      const result = await call();
      if (await this.#unmoved()) return result;
      undo?.(result);
    } catch (error) {
      if (await this.#unmoved()) throw error;
    }
    const located = await this.#swap.locate(this.#key);
    if (located && identify(located.info) === this.#inode && located.root !== this.#root) {
      this.#root = located.root;
      return await this.#look(call, undo);
    }
    throw new RepositoryError(
      "conflict",
      `Cannot read "${this.#key}" of ${this.#folder.name}: its tree was replaced or deleted while it was read; read it again`,
      { operation: "read", subject: this.#folder.name, key: this.#key, retry: "later" },
    );
  }

  async #unmoved(): Promise<boolean> {
    const info = await lookAt(() => this.#folder.files.lstat(this.#root));
    return info !== undefined && identify(info) === this.#inode;
  }

  #refusal(path: string, why: string): RepositoryError {
    return new RepositoryError(
      "invalid-value",
      `Cannot read ${JSON.stringify(path)} in "${this.#key}" of ${this.#folder.name}: ${why}`,
      { operation: "read", subject: this.#folder.name, key: this.#key },
    );
  }
}

function identify(info: Deno.FileInfo): string {
  return `${info.dev}-${info.ino}-${info.birthtime?.getTime()}-${info.mtime?.getTime()}`;
}

async function lookAt<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
