/**
 * Bound links over the files that were brought to a run. What is written is published from there, when the body has returned.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { NotFoundError } from "../../core/errors.ts";
import { writeWhole } from "../../core/files.ts";
import type { CarriedItself, CarriedValue } from "./context.ts";
import { documents } from "./documents.ts";
import { treeEntries, writeFile, writeTree } from "./tree.ts";

/**
 * Binds a link.
 *
 * @param link Where its value lies.
 * @param track Takes note of a write, so that the run does not end before it.
 * @returns What the body gets.
 */
export function bindCarried(
  link: CarriedItself | CarriedValue,
  track: <T>(write: Promise<T>) => Promise<T>,
): unknown {
  if ("document" in link) return documents.decode(Uint8Array.fromBase64(link.document));
  const beside = Object.entries(link.cokeyed).map(([name, other]) => [name, bindCarried(other, track)]);
  return Object.assign(bindValue(link, track), Object.fromEntries(beside));
}

function bindValue(link: CarriedValue, track: <T>(write: Promise<T>) => Promise<T>): object {
  const { path, key, kind } = link;
  const base = { key, exists: () => exists(path) };
  const write = <A extends readonly unknown[]>(write: (...args: A) => Promise<void>) =>
    link.direction === "in" ? {} : { write: (...args: A) => track(write(...args)) };
  switch (kind) {
    case "blob":
      return {
        ...base,
        text: () => found(link, Deno.readTextFile(path)),
        bytes: () => found(link, Deno.readFile(path)),
        stream: async () => (await found(link, Deno.open(path))).readable,
        ...write(async (value: string | Bytes | ReadableStream<Bytes>) => {
          if (typeof value === "string") await Deno.writeTextFile(path, value);
          else if (value instanceof ReadableStream) await writeFile(path, value);
          else await Deno.writeFile(path, value);
        }),
        ...(link.direction === "out" && { create: () => createFile(path, track) }),
      };
    case "metadata": {
      const find = async (): Promise<unknown> =>
        await exists(path) ? documents.decode(await Deno.readFile(path)) : undefined;
      return {
        ...base,
        find,
        get: async () => {
          const value = await find();
          if (value === undefined) throw missing(link);
          return value;
        },
        ...write(async (value: unknown) => await Deno.writeFile(path, documents.encode(value))),
      };
    }
    case "filesystem":
      return {
        ...base,
        entries: async () => {
          if (!await exists(path)) throw missing(link);
          return treeEntries(path);
        },
        open: async (member: string) => (await found(link, Deno.open(`${path}/${member}`))).readable,
        ...write(writeTree.bind(undefined, path)),
      };
    case "keys":
      return base;
  }
}

/** A stream into a file: nothing is there when it was given up. */
function createFile(path: string, track: <T>(write: Promise<T>) => Promise<T>): WritableStream<Bytes> {
  let file: Deno.FsFile;
  let over!: () => void;
  void track(new Promise<void>((resolve) => over = resolve));
  return new WritableStream<Bytes>({
    async start() {
      file = await Deno.open(path, { write: true, create: true, truncate: true });
    },
    async write(chunk) {
      try {
        await writeWhole(file, chunk);
      } catch (error) {
        // Nothing is called any more after this.
        file.close();
        over();
        throw error;
      }
    },
    close() {
      file.close();
      over();
    },
    async abort() {
      file.close();
      await Deno.remove(path);
      over();
    },
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What was read, or an error that says what is not there. */
async function found<T>(link: CarriedValue, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw error instanceof Deno.errors.NotFound ? missing(link) : error;
  }
}

function missing({ repository, key }: CarriedValue): NotFoundError {
  return new NotFoundError(`Cannot read "${key}" of ${repository}: there is no such key`, {
    operation: "read",
    subject: repository,
    key,
  });
}
