/**
 * A repository of one's own, in one file: all values in a notebook to which lines are only ever added.
 *
 * This is all it takes. Key checks, errors with context, abort before the call, and what is done when a value is missing are in `BlobRepository`;
 * views, compression, retries and documents are layers that fit over it as over any other. `tests/examples/notebook_test.ts` proves it.
 *
 * @module
 */
import {
  type BlobDriver,
  BlobRepository,
  type Bytes,
  type Content,
  type Key,
  RepositoryError,
} from "../../mod.ts";

/** One line of the notebook: a value, or (`null`) that it was torn out. */
type Line = readonly [key: Key, value: string | null];

/** What lies in the notebook now. The last line counts; a line that was cut off by a crash does not. */
async function look(path: string, signal?: AbortSignal): Promise<Map<Key, string>> {
  signal?.throwIfAborted();
  const values = new Map<Key, string>();
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  for (const line of text.split("\n").slice(0, -1)) {
    try {
      const [key, value] = JSON.parse(line) as Line;
      if (value === null) values.delete(key);
      else values.set(key, value);
    } catch {
      // Cut off by a crash, and never seen.
    }
  }
  signal?.throwIfAborted();
  return values;
}

/** Adds a line, in one step. It begins on a new line even after one that was cut off. */
async function add(path: string, line: Line): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true });
  await file.write(new TextEncoder().encode(`\n${JSON.stringify(line)}\n`));
}

/** What this store cannot do it refuses, rather than do something else. */
function refuse(path: string, what: string, asked: boolean): void {
  if (asked) {
    throw new RepositoryError("unsupported", `Cannot ${what} in notebook ${path}: it cannot do that`);
  }
}

/** Takes content to its end. */
async function whole(content: Content, signal?: AbortSignal): Promise<Bytes> {
  if (content instanceof Uint8Array) return content;
  const chunks: Bytes[] = [];
  await content.pipeTo(new WritableStream({ write: (chunk) => void chunks.push(chunk.slice()) }), {
    ...(signal && { signal }),
  });
  return await new Response(new Blob(chunks)).bytes();
}

/**
 * The driver: a record of functions.
 *
 * @param path The notebook.
 * @returns The driver.
 */
export function notebookDriver(path: string): BlobDriver {
  return {
    name: `notebook ${path}`,
    identity: `notebook:${path}`,
    supports: {
      writable: true,
      consistentListing: true,
      reach: "machine",
      durable: true,
      conditional: false,
      ranges: false,
    },
    async *keys(options) {
      yield [...(await look(path, options?.signal)).keys()];
    },
    has: async (key, options) => (await look(path, options?.signal)).has(key),
    async delete(key, options) {
      if ((await look(path, options?.signal)).has(key)) await add(path, [key, null]);
    },
    async read(key, options) {
      refuse(path, "read a part of a value", options?.start !== undefined || options?.end !== undefined);
      const value = (await look(path, options?.signal)).get(key);
      if (value === undefined) return undefined;
      return new Blob([Uint8Array.fromBase64(value)]).stream()
        .pipeThrough(new TransformStream<Bytes, Bytes>(), {
          ...(options?.signal && { signal: options.signal }),
        });
    },
    async write(key, content, options) {
      options?.signal?.throwIfAborted();
      refuse(path, "write on a condition", options?.ifAbsent === true || options?.ifVersion !== undefined);
      const bytes = await whole(content, options?.signal);
      options?.signal?.throwIfAborted();
      await add(path, [key, bytes.toBase64()]);
    },
    beside: (name) => notebookDriver(`${path}.${name}`),
  };
}

/** A repository of byte streams in a notebook. */
export class NotebookRepository extends BlobRepository {
  /**
   * Makes a repository. The file is made by the first write.
   *
   * @param path The notebook.
   */
  constructor(path: string) {
    super(notebookDriver(path));
  }
}
