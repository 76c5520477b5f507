/**
 * Links to many values as grants of the agent, for work that does not see the repositories.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import type { Codec } from "../core/codec.ts";
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { directoryDriver } from "../repositories/directory.ts";
import type { Repository } from "../repositories/repository.ts";
import type { Grant, GrantedInput, GrantedItem, GrantedOutput } from "./agent.ts";
import { ItemPublisher } from "./items.ts";
import type { Link, Links } from "./link.ts";
import type { NotedOutput } from "./process_delivery.ts";
import type { RunContext } from "./runner.ts";

/** What the values of single keys are granted by. */
export interface GrantedLinks {
  readonly links: Links;
  readonly documents: Codec;
  /** The keys of what is read through the agent, by the name of the link. */
  readonly inputs: Readonly<Record<string, Key>>;
  /** Where outputs go. Those that the agent puts there say where the script sees them. */
  readonly outputs: readonly NotedOutput[];
}

/**
 * What an attempt may read and write.
 *
 * @param attempt Which attempt.
 * @param granted Its links, and what is known of the values of single keys.
 * @param context Says which items come, and is told of those that were published.
 * @returns What it may read, and what it may write, by the names of the links.
 */
export function grantedLinks(
  attempt: Attempt,
  { links, documents, ...values }: GrantedLinks,
  context: Pick<RunContext, "feed" | "published">,
): Pick<Grant, "inputs" | "outputs"> {
  const inputs = new Map<string, GrantedInput>();
  const outputs = new Map<string, GrantedOutput>();
  for (const [name, key] of Object.entries(values.inputs)) {
    const repository = repositoryOf(links, name);
    if (repository) inputs.set(name, { kind: "value", repository, key });
  }
  for (const { name, path, seen } of values.outputs) {
    const repository = repositoryOf(links, name);
    if (!repository || seen === undefined) continue;
    outputs.set(name, { kind: "file", path, tree: repository.kind === "filesystem" });
  }
  for (const [name, link] of Object.entries(links)) {
    for (const [part, input] of grantedInputs(name, link, context)) inputs.set(part, input);
    if (link.view === "items") outputs.set(name, grantedItems(attempt, name, link, context, documents));
  }
  return { inputs, outputs };
}

/** The repository of a link, or of a cokeyed one: `reports.index`. */
function repositoryOf(links: Links, name: string) {
  const [link, other] = name.split(".");
  const found = links[link!];
  return other === undefined ? found?.repository : found?.cokeyed[other];
}

/**
 * What an attempt may read of a requested or streaming input.
 *
 * @param name The name of the link.
 * @param link The link; its view is `lookup` or `stream`.
 * @param context Says which items come.
 * @returns By name: the link itself, and (as `pages.meta`) what lies under the same keys.
 */
export function grantedInputs(
  name: string,
  link: Link,
  context: Pick<RunContext, "feed">,
): ReadonlyMap<string, GrantedInput> {
  const { repository } = link;
  const granted = new Map<string, GrantedInput>();
  if (link.view === "lookup") granted.set(name, { kind: "lookup", repository });
  if (link.view === "stream") {
    granted.set(name, { kind: "feed", repository, keys: (signal) => context.feed(name, signal) });
    for (const [other, beside] of Object.entries(link.cokeyed)) {
      granted.set(`${name}.${other}`, { kind: "lookup", repository: beside });
    }
  }
  return granted;
}

/**
 * What an attempt may publish through a streaming output.
 *
 * @param attempt Which attempt.
 * @param name The name of the link.
 * @param link The link; its view is `items`.
 * @param context Told of each value that was put into a repository.
 * @param documents How documents become files and back.
 * @returns The grant.
 */
export function grantedItems(
  attempt: Attempt,
  name: string,
  link: Link,
  context: Pick<RunContext, "published">,
  documents: Codec,
): GrantedOutput {
  const publisher = new ItemPublisher(attempt, name, link, context);
  const publish = async (item: GrantedItem, signal: AbortSignal): Promise<Key | undefined> => {
    const cokeyed: Record<string, unknown> = {};
    const value = await valueOf(link.repository, item.path, name, item, documents);
    for (const [other, path] of Object.entries(item.cokeyed)) {
      const beside = link.cokeyed[other];
      const place = `${name}.${other}`;
      cokeyed[other] = beside && await valueOf(beside, path, place, item, documents);
    }
    return await publisher.publish({ name: item.name, value, cokeyed }, { signal });
  };
  const tree = ({ kind }: Repository): boolean => kind === "filesystem";
  return {
    kind: "items",
    tree: tree(link.repository),
    cokeyed: Object.fromEntries(
      Object.entries(link.cokeyed).map(([other, beside]) => [other, { tree: tree(beside) }]),
    ),
    publish,
  };
}

/** The value in a file (or, for a tree, a folder). An empty file is no document: automatic values stand for it. */
async function valueOf(
  repository: Repository,
  path: string,
  link: string,
  item: GrantedItem,
  documents: Codec,
): Promise<unknown> {
  if (repository.kind === "filesystem") {
    const at = path.lastIndexOf("/");
    return await directoryDriver(path.slice(0, at)).entries(path.slice(at + 1));
  }
  if (repository.kind === "blob") return async () => (await Deno.open(path)).readable;
  const bytes: Bytes = await Deno.readFile(path);
  if (bytes.length === 0) return undefined;
  try {
    return await documents.decode(bytes);
  } catch (error) {
    throw new RepositoryError(
      "invalid-value",
      `Cannot read item ${JSON.stringify(item.name ?? "")} of ${link} as ${documents.name}: ${
        (error as Error).message
      }; have the script write ${documents.name}`,
      { operation: "publish", subject: link, cause: error },
    );
  }
}
