/**
 * Launching one job whatever its conditions say.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import { MemoryBlobRepository } from "../repositories/memory.ts";
import { type Links, requires } from "../tasks/link.ts";
import type { Task } from "../tasks/task.ts";

/** The name of the link that stands for a job launched by force. */
const FORCED = "$forced";

/** A task of which one job starts whatever its conditions say, once. */
export async function forced(task: Task, job: Key): Promise<Task> {
  const chosen = new MemoryBlobRepository(`the job that is launched by force`);
  await chosen.put(job, new Uint8Array());
  const free = (links: Links): Links =>
    Object.fromEntries(
      Object.entries(links).map(([name, link]) => [
        name,
        { ...link, start: "any", stream: link.stream && { ...link.stream, first: false } },
      ]),
    );
  const links = { ...free(task.links), [FORCED]: requires(chosen) };
  // `done` goes on to keep it from starting: that is what ends it.
  return { ...task, links, allLinks: { ...task.allLinks, ...links } };
}
