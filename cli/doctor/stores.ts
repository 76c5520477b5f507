/**
 * `doctor` on repositories: can they be reached, written and read back.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { describeError, isDatataskError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { BlobRepository } from "../../repositories/blob.ts";
import type { FilesystemRepository } from "../../repositories/filesystem.ts";
import type { KeyDriver } from "../../repositories/driver.ts";
import type { MetadataRepository } from "../../repositories/metadata.ts";
import type { Repository } from "../../repositories/repository.ts";
import { near } from "../near.ts";
import { counted } from "../rows.ts";
import type { Check } from "./check.ts";

/** How many values are read back, and how much of each, in bytes. */
const SAMPLE = 20;
const ENOUGH = 2 ** 20;
/** How many stores are looked at at once. */
const WIDTH = 8;

interface Known {
  readonly names: string[];
  readonly repository: Repository;
  writes: boolean;
  /** Whether anything but outcomes is kept there: these are looked at by a check of their own. */
  values: boolean;
}

/** Looks at each repository once, whatever the number of links. */
export async function checkRepositories(pipeline: Pipeline): Promise<readonly Check[]> {
  const known = new Map<string, Known>();
  for (const task of pipeline.tasks.values()) {
    for (const [link, { repository, direction }] of Object.entries(task.allLinks)) {
      const id = repository.driver.identity;
      const entry = known.get(id) ?? { names: [], repository, writes: false, values: false };
      entry.names.push(`${task.name}.${link}`);
      entry.writes ||= direction === "out";
      entry.values ||= direction !== "status";
      known.set(id, entry);
    }
  }
  const entries = [...known.values()];
  const checks: Check[] = [];
  for (let at = 0; at < entries.length; at += WIDTH) {
    checks.push(...await Promise.all(entries.slice(at, at + WIDTH).map(checkOne)));
  }
  return checks;
}

/** What a listing has shown. */
interface Listing {
  readonly count: number;
  readonly skipped: number;
  readonly first: readonly Key[];
  /** Why it cannot be told of some keys whether they are there. */
  readonly faults: readonly unknown[];
}

async function list(repository: Repository): Promise<Listing> {
  const first: Key[] = [];
  let count = 0;
  let skipped = 0;
  const faults: unknown[] = [];
  const pages = repository.pages({
    onSkipped: (_name, _some, n) => skipped = n,
    onUnreadable: (_key, error) => faults.push(error),
  });
  for await (const page of pages) {
    count += page.length;
    if (first.length < SAMPLE) first.push(...page.slice(0, SAMPLE - first.length));
  }
  return { count, skipped, first, faults };
}

async function checkOne({ names, repository, writes, values }: Known): Promise<Check> {
  const name = names[0]!;
  const bad = (text: string, advice: string): Check => ({ name, state: "fail", text, advice });
  let listing: Listing;
  try {
    listing = await list(repository);
  } catch (error) {
    return bad(describeError(error), "see that its store is there and can be reached");
  }
  const [fault] = listing.faults;
  if (fault !== undefined) {
    const more = listing.faults.length - 1;
    return bad(
      `of ${counted(listing.faults.length, "key")} it cannot be told whether ${
        near(repository.name)
      } has them: ${near(describeError(fault))}${more > 0 ? `; and ${more} more like it` : ""}`,
      "mend the document, or delete it; until then the jobs of these keys are held back, and no others",
    );
  }
  const missing = await missingFolder(repository);
  if (missing !== undefined) {
    return {
      name,
      state: "warn",
      text: `${near(repository.name)}: there is no folder ${near(missing)}`,
      advice:
        "make the folder, or correct its path: it is relative to the folder in which you run the pipeline",
    };
  }
  if (writes && !repository.driver.supports.writable) {
    return bad(
      `${near(repository.name)} cannot be written, and a task writes it`,
      "link another repository, or leave readOnly out",
    );
  }
  const damaged = values ? await readBack(repository, listing.first) : undefined;
  if (damaged) return bad(damaged, "mend the value, or delete it with rm so that it is made again");
  const text = `${near(repository.name)}, ${counted(listing.count, "key")}${writes ? ", writable" : ""}`;
  if (listing.skipped === 0) return { name, state: "ok", text };
  return {
    name,
    state: "warn",
    text: `${text}; ${counted(listing.skipped, "name")} skipped`,
    advice: "names that are no valid keys are never jobs: rename them",
  };
}

/** A folder of this machine in which the values shall be, and that is not there. */
async function missingFolder(repository: Repository): Promise<string | undefined> {
  for (const driver of repository.footprint().values()) {
    const path = (driver as KeyDriver & { path?(key: Key): string }).path?.("key");
    const folder = path?.slice(0, path.lastIndexOf("/"));
    if (!folder) continue;
    try {
      await Deno.stat(folder);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return folder;
    }
  }
  return undefined;
}

/** What is wrong with the first of some values that cannot be read. */
async function readBack(repository: Repository, keys: readonly Key[]): Promise<string | undefined> {
  for (const key of keys) {
    try {
      await readOne(repository, key);
    } catch (error) {
      // Somebody may have deleted it meanwhile.
      if (!isDatataskError(error, "not-found")) return describeError(error);
    }
  }
  return undefined;
}

async function readOne(repository: Repository, key: Key): Promise<void> {
  if (repository.kind === "metadata") await (repository as MetadataRepository).get(key);
  else if (repository.kind === "blob") await readSome(await (repository as BlobRepository).open(key));
  else if (repository.kind === "filesystem") {
    let read = 0;
    for await (const entry of await (repository as FilesystemRepository).entries(key)) {
      if (entry.kind === "file") read += await readSome(await entry.open());
      if (read >= ENOUGH) break;
    }
  }
}

/** Reads the beginning of a stream. Returns how much that was, in bytes. */
async function readSome(stream: ReadableStream<Bytes>): Promise<number> {
  let read = 0;
  for await (const chunk of stream) if ((read += chunk.length) >= ENOUGH) break;
  return read;
}
