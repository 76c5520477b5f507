/**
 * Links to many values for a body that was carried somewhere: the very same as in the coordinator, over repositories that are the agent.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { encoded } from "../../repositories/encoded.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import { FilesystemRepository } from "../../repositories/filesystem.ts";
import { packed } from "../../repositories/layers/packed.ts";
import { MetadataRepository } from "../../repositories/metadata.ts";
import { Repository } from "../../repositories/repository.ts";
import { bind, type BoundKey, type Guard } from "../bound.ts";
import { bindLookup } from "../bound_many.ts";
import type { AgentClient } from "./agent.ts";
import type { CarriedMany, CarriedRepository } from "./context.ts";
import { documents } from "./documents.ts";
import { CarriedItems } from "./items.ts";
import { agentValues } from "./values.ts";

/** What links are bound in. */
export interface ManyScope {
  readonly agent: AgentClient;
  /** Takes note of a write, so that the run does not end before it. */
  readonly track: <T>(write: Promise<T>) => Promise<T>;
  /** A folder that may be written, for values on their way. */
  readonly spool: string;
}

/**
 * Binds a link.
 *
 * @param scope The run.
 * @param name The name of the link.
 * @param link The link.
 * @returns What the body gets.
 */
export function bindMany({ agent, track, spool }: ManyScope, name: string, link: CarriedMany): unknown {
  const { signal } = agent;
  const guard: Guard = { signal, check: () => signal.throwIfAborted() };
  if (link.view === "lookup") return bindLookup(repositoryOf(agent, name, link), guard);
  if (link.view === "items") return new CarriedItems(agent, name, link, spool).bound(track);
  const repository = repositoryOf(agent, name, link);
  const cokeyed = Object.entries(link.cokeyed).map(([other, beside]) =>
    [other, repositoryOf(agent, `${name}.${other}`, beside)] as const
  );
  const item = (key: Key): BoundKey =>
    Object.assign(
      bind(repository, key, "in", guard),
      Object.fromEntries(cokeyed.map(([other, beside]) => [other, bind(beside, key, "in", guard)])),
    );
  return {
    async *[Symbol.asyncIterator]() {
      for await (const key of keysOf(agent, name, link.repository)) yield item(key);
    },
  };
}

/** A repository that is the agent. */
function repositoryOf(
  agent: AgentClient,
  link: string,
  { kind, repository: name }: CarriedRepository,
): Repository {
  const values = agentValues(agent, link, name);
  switch (kind) {
    case "blob":
      return new BlobRepository(values);
    case "metadata":
      return new MetadataRepository({ ...encoded(values, documents), name });
    case "filesystem":
      return new FilesystemRepository({ ...packed()(values), name });
    case "keys":
      return new Repository(values);
  }
}

/** The items of a streaming input: each once, also when the coordinator is another by now. */
async function* keysOf(agent: AgentClient, link: string, name: string): AsyncGenerator<Key, void, void> {
  const path = `/feed/${encodeURIComponent(link)}?after=`;
  const seen = new Set<Key>();
  for (let cursor = "", ended = false; !ended;) {
    const { text } = await agent.tell(path + cursor, { doing: `wait for items of ${name}` });
    const [first = "@", ...lines] = text.split("\n").filter((line) => line !== "");
    cursor = first.slice(1);
    ended = lines.at(-1) === ".";
    for (const key of ended ? lines.slice(0, -1) : lines) {
      if (seen.has(key)) continue;
      seen.add(key);
      yield key;
    }
  }
}
