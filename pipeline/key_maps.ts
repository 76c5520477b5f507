/**
 * The maps of a task: which key a link has for a job, and which job an item of a stream is for.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import { itemDocument } from "../tasks/item_keys.ts";
import type { Task } from "../tasks/task.ts";
import { KeyMap } from "./key_map.ts";
import type { LiveSet } from "./observed.ts";
import type { PipelineState } from "./state.ts";

/**
 * The map of a link.
 *
 * @param state The pipeline's.
 * @param task The task.
 * @param link The name of the link.
 * @param domain The jobs to map.
 * @param maps The maps of the task's other links, those that this one reads among them.
 * @returns The key of each job.
 */
export function mapOf(
  state: PipelineState,
  task: Task,
  link: string,
  domain: LiveSet,
  maps: ReadonlyMap<string, KeyMap>,
): KeyMap {
  const { links, name } = task;
  const { keys, observer, onTrouble } = state;
  const mapping = links[link]!.key!;
  const source = mapping.link;
  const value = async (from: string, job: Key): Promise<unknown> => {
    const map = maps.get(from);
    const id = map ? map.target(keys.id(job)) : keys.id(job);
    return id === undefined
      ? undefined
      : await (links[from]!.repository as MetadataRepository).find(keys.key(id));
  };
  return new KeyMap({
    name: `link ${name}.${link}`,
    domain,
    find: (job) => mapping.map(job, { task: name, link, value: (from) => value(from, job) }),
    document: source === undefined ? undefined : observer.observe(links[source]!.repository),
    source: source === undefined ? undefined : maps.get(source),
    onTrouble: (job, error) => onTrouble(name, job, error),
  }, state);
}

/**
 * Which key each item of a streaming input is for.
 *
 * @param state The pipeline's.
 * @param task The task.
 * @param link The name of the link.
 * @returns The key of each item; nothing when every item is for every job.
 */
export function relationOf(state: PipelineState, task: Task, link: string): KeyMap | undefined {
  const { links, name } = task;
  const { repository, stream } = links[link]!;
  const of = stream!.of;
  if (!of) return undefined;
  const { observer, onTrouble } = state;
  const value = (from: string, item: Key): Promise<unknown> =>
    (itemDocument(links, link, from) as MetadataRepository).find(item);
  return new KeyMap({
    name: `stream ${name}.${link}`,
    domain: observer.observe(repository),
    find: (item) =>
      of.kind === "allocated"
        ? state.allocatedFor(repository, item)
        : of.map(item, { task: name, link, value: (from) => value(from, item) }),
    document: of.link === undefined ? undefined : observer.observe(itemDocument(links, link, of.link)!),
    onTrouble: (item, error) => onTrouble(name, item, error, link),
  }, state);
}
