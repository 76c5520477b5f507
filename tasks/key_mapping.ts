/**
 * Which key of a repository is a job's, when it is not the job itself.
 *
 * @module
 */
import { DefinitionError, RepositoryError } from "../core/errors.ts";
import { isKey, type Key, MAX_KEY_LENGTH } from "../core/key.ts";

/** What a mapping may ask while it maps. */
export interface MappingContext {
  /** The name of the task. */
  readonly task: string;
  /** The name of the link that is mapped. */
  readonly link: string;
  /** The document that another link of the task has for the job; nothing when there is none. */
  value(link: string): Promise<unknown>;
}

/** Which key is a job's. */
export interface KeyMapping {
  /** How it is found. */
  readonly kind: "function" | "field" | "allocated";
  /** What graphs and explanations call it. */
  readonly label: string;
  /** For `field`: the link whose document is read. */
  readonly link?: string;
  /** The key for a job; nothing when the job has none (it is then not ready). */
  map(job: Key, context: MappingContext): Key | undefined | Promise<Key | undefined>;
  /** The job for a key, where that can be told from the key alone. */
  reverse?(key: Key, context: Pick<MappingContext, "task" | "link">): Key | undefined;
}

/**
 * The key that a document of another link names.
 *
 * @param path The name of the link, and the path to the field: `"meta.author.id"`. A field whose own name holds a dot is found too.
 * @returns The mapping. A job whose document has no such field, or no valid key in it, has no key.
 * @throws {DefinitionError} When the path names no field.
 */
export function field(path: string): KeyMapping {
  const at = path.indexOf(".");
  if (at <= 0 || at === path.length - 1) {
    throw new DefinitionError(
      `Cannot use the field path ${JSON.stringify(path)}; write "link.field" or "link.field.field"`,
    );
  }
  const link = path.slice(0, at);
  const fields = path.slice(at + 1);
  return {
    kind: "field",
    label: path,
    link,
    async map(_job, context) {
      const value = lookUp(await context.value(link), fields);
      const key = typeof value === "string"
        ? value
        : typeof value === "number" || typeof value === "bigint"
        ? String(value)
        : "";
      return isKey(key) ? key : undefined;
    },
  };
}

/** The field at a dotted path; own properties only, and the longest name that fits goes first. */
function lookUp(value: unknown, path: string): unknown {
  if (path === "") return value;
  if (typeof value !== "object" || value === null) return undefined;
  const parts = path.split(".");
  for (let n = parts.length; n > 0; n--) {
    const name = parts.slice(0, n).join(".");
    if (Object.hasOwn(value, name)) {
      return lookUp((value as Record<string, unknown>)[name], parts.slice(n).join("."));
    }
  }
  return undefined;
}

/**
 * FNV-1a, 64 bits.
 *
 * Source: Fowler, Noll, Vo; offset basis 0xcbf29ce484222325, prime 0x100000001b3.
 */
export function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash;
}

/** So many characters a hash has as text. */
export const HASH_LENGTH = 13;

/** A hash as text: in base 36, padded with zeros. */
export function hashText(hash: bigint): string {
  return hash.toString(36).padStart(HASH_LENGTH, "0");
}

/** What follows the job in the keys that are allocated for a task and a link. */
export function allocatedSuffix({ task, link }: Pick<MappingContext, "task" | "link">): string {
  return "-" + hashText(fnv1a64(`${task}\0${link}`));
}

/**
 * A key of its own for every task and link, so that several outputs can share a repository: `<job>-<13 characters>`.
 *
 * The 13 characters are the 64-bit FNV-1a hash of `task`, a NUL and `link` in UTF-8, in base 36, padded with zeros. They depend on those two names
 * and on nothing else: not on the machine, the process, the path or the store. The job is found again by cutting them off.
 *
 * @returns The mapping.
 */
export function allocated(): KeyMapping {
  return {
    kind: "allocated",
    label: "allocated",
    map(job, context) {
      const key = job + allocatedSuffix(context);
      if (key.length <= MAX_KEY_LENGTH) return key;
      throw new RepositoryError(
        "invalid-key",
        `Cannot allocate a key for job "${job}" of task ${context.task}: it would be longer than ${MAX_KEY_LENGTH}; use jobs of ${
          MAX_KEY_LENGTH - 14
        } characters or fewer`,
        { operation: "allocate", subject: context.task, key: job },
      );
    },
    reverse(key, context) {
      const end = allocatedSuffix(context);
      return key.length > end.length && key.endsWith(end) ? key.slice(0, -end.length) : undefined;
    },
  };
}
