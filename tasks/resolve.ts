/**
 * Which key each link of a task has for a job.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Links } from "./link.ts";

/**
 * The key that a link has for a job. Chains work: a field of a link that is itself found by a field.
 *
 * @param task The name of the task.
 * @param links Its links.
 * @param link The name of the link.
 * @param job The job.
 * @param signal When to stop.
 * @returns The key; nothing when the job has none there.
 */
export async function linkKey(
  task: string,
  links: Links,
  link: string,
  job: Key,
  signal?: AbortSignal,
): Promise<Key | undefined> {
  const mapping = links[link]!.key;
  if (mapping === undefined) return job;
  return await mapping.map(job, {
    task,
    link,
    value: async (name) => {
      const key = await linkKey(task, links, name, job, signal);
      return key === undefined
        ? undefined
        : await (links[name]!.repository as MetadataRepository).find(key, { signal });
    },
  });
}
