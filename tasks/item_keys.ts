/**
 * Keys of the items that a job publishes while it runs.
 *
 * @module
 */
import { RepositoryError } from "../core/errors.ts";
import { type Key, MAX_KEY_LENGTH } from "../core/key.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Links } from "./link.ts";
import { allocatedSuffix, fnv1a64, HASH_LENGTH, hashText } from "./key_mapping.ts";

/** What the keys of a link are allocated from. */
interface Place {
  readonly task: string;
  readonly link: string;
}

/** So many characters of an allocated key come after the job: two hashes, each with a hyphen. */
const SUFFIX = 2 * (HASH_LENGTH + 1);

/**
 * The key allocated for an item: `<job>-<13 characters>-<13 characters>`.
 *
 * The first 13 are those that `allocated()` gives to the task and the link. The last 13 are made in the same way from the name of the item: the 64-bit
 * FNV-1a hash of its UTF-8, in base 36, padded with zeros. So every attempt at a job gives an item the same key.
 *
 * @param place The task, and the name of its link.
 * @param job The job.
 * @param name What the body calls the item.
 * @returns The key.
 * @throws {RepositoryError} When it would be too long.
 */
export function itemKey(place: Place, job: Key, name: string): Key {
  if (job.length + SUFFIX > MAX_KEY_LENGTH) {
    throw new RepositoryError(
      "invalid-key",
      `Cannot allocate keys for the items of job "${job}" in ${place.task}.${place.link}: they would be longer than ${MAX_KEY_LENGTH}; use jobs of ${
        MAX_KEY_LENGTH - SUFFIX
      } characters or fewer`,
      { operation: "allocate", subject: place.task, key: job },
    );
  }
  return `${job}${allocatedSuffix(place)}-${hashText(fnv1a64(name))}`;
}

/**
 * The job that an item's key was allocated for.
 *
 * @param place The task, and the name of its link.
 * @param key The key of the item.
 * @returns The job; nothing when the key was not allocated by this task and link.
 */
export function itemJob(place: Place, key: Key): Key | undefined {
  const at = key.length - HASH_LENGTH - 1;
  if (key[at] !== "-" || !/^[0-9a-z]+$/.test(key.slice(at + 1))) return undefined;
  const end = allocatedSuffix(place);
  return at > end.length && key.slice(0, at).endsWith(end) ? key.slice(0, at - end.length) : undefined;
}

/**
 * The repository of documents that says which key an item is for.
 *
 * @param links The links of the task.
 * @param stream The name of its streaming input.
 * @param name What the path of the field begins with: a cokeyed repository of the stream, or a link.
 * @returns It; nothing when there is no such.
 */
export function itemDocument(links: Links, stream: string, name: string): Repository | undefined {
  const { cokeyed } = links[stream]!;
  return Object.hasOwn(cokeyed, name) ? cokeyed[name] : links[name]?.repository;
}
