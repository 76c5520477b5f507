/**
 * A repository of documents of one's own, in one file: a ledger to which lines are only ever added, and whose order decides who was first.
 *
 * A write on a condition is a line, too. It counts when its condition holds where it stands; otherwise it is passed over, by everybody who
 * reads. Whoever wrote it reads on and learns which it was, so that two processes cannot both win. `tests/examples/ledger_test.ts` proves it.
 *
 * @module
 */
import { json, type Key, type MetadataDriver, MetadataRepository, RepositoryError } from "../../mod.ts";

/** One line: a document as JSON, or (`null`) that it is gone; and what must be there before it. */
interface Line {
  readonly id: string;
  readonly key: Key;
  readonly document: string | null;
  readonly ifAbsent?: boolean | undefined;
  readonly ifVersion?: string | undefined;
}

/** What the lines come to, in their order. The id of a line is the version of its document. */
async function look(path: string, signal?: AbortSignal) {
  signal?.throwIfAborted();
  const values = new Map<Key, Line>();
  const passedOver = new Map<string, "already-exists" | "conflict">();
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  for (const each of text.split("\n").slice(0, -1)) {
    let line: Line;
    try {
      line = JSON.parse(each);
    } catch {
      continue; // Cut off by a crash, and never seen.
    }
    const there = values.get(line.key);
    if (line.ifAbsent && there) passedOver.set(line.id, "already-exists");
    else if (line.ifVersion !== undefined && line.ifVersion !== there?.id) {
      passedOver.set(line.id, "conflict");
    } else if (line.document === null) values.delete(line.key);
    else values.set(line.key, line);
  }
  signal?.throwIfAborted();
  return { values, passedOver };
}

/** Adds a line, in one step. It begins on a new line even after one that was cut off. */
async function add(path: string, line: Line): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true });
  await file.write(new TextEncoder().encode(`\n${JSON.stringify(line)}\n`));
}

/** A document as JSON. What JSON would drop or change is refused. */
function textOf(path: string, key: Key, document: unknown): string {
  try {
    return new TextDecoder().decode(json.encode(document));
  } catch (cause) {
    const why = (cause as Error).message;
    throw new RepositoryError("invalid-value", `Cannot write "${key}" of ledger ${path}: ${why}`, { cause });
  }
}

/**
 * The driver: a record of functions.
 *
 * @param path The ledger.
 * @returns The driver.
 */
export function ledgerDriver(path: string): MetadataDriver {
  return {
    name: `ledger ${path}`,
    identity: `ledger:${path}`,
    supports: {
      writable: true,
      consistentListing: true,
      reach: "machine",
      durable: true,
      conditional: true,
      ranges: false,
    },
    async *keys(options) {
      yield [...(await look(path, options?.signal)).values.keys()];
    },
    has: async (key, options) => (await look(path, options?.signal)).values.has(key),
    async info(key, options) {
      const line = (await look(path, options?.signal)).values.get(key);
      return line && { version: line.id };
    },
    async get(key, options) {
      const line = (await look(path, options?.signal)).values.get(key);
      return line && JSON.parse(line.document!);
    },
    async delete(key, options) {
      if (!(await look(path, options?.signal)).values.has(key)) return;
      await add(path, { id: crypto.randomUUID(), key, document: null });
    },
    async set(key, document, options) {
      options?.signal?.throwIfAborted();
      const { ifAbsent, ifVersion } = options ?? {};
      const id = crypto.randomUUID();
      await add(path, { id, key, document: textOf(path, key, document), ifAbsent, ifVersion });
      if (!ifAbsent && ifVersion === undefined) return;
      const code = (await look(path)).passedOver.get(id);
      if (code === undefined) return;
      const state = code === "conflict" ? "it has another version" : "it is there already";
      throw new RepositoryError(code, `Cannot write "${key}" of ledger ${path}: ${state}; read it again`);
    },
    beside: (name) => ledgerDriver(`${path}.${name}`),
  };
}

/** A repository of documents in a ledger. */
export class LedgerRepository extends MetadataRepository {
  /**
   * Makes a repository. The file is made by the first write.
   *
   * @param path The ledger.
   */
  constructor(path: string) {
    super(ledgerDriver(path));
  }
}
