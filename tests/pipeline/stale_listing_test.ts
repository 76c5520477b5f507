/** Listings that tell of what was some time ago: nothing is done twice for them, and nothing is forgotten. */
import assert from "node:assert/strict";
import {
  BlobRepository,
  functionTask,
  input,
  type KeyDriver,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  type MetadataDriver,
  MetadataRepository,
  output,
  type Pipeline,
} from "../../mod.ts";
import { inMemory, keysOf } from "./kit.ts";

/** What each store has listed so far, so that a listing can be one behind, in another pipeline over it as well. */
class Late {
  readonly #listed = new Map<string, string[][]>();

  over<D extends KeyDriver & { beside?(name: string): D }>(inner: D): D {
    const late: D = {
      ...inner,
      supports: { ...inner.supports, consistentListing: false },
      keys: (options) => this.#keys(inner, options),
    };
    const { beside } = inner;
    return beside ? { ...late, beside: (name: string) => this.over(beside(name)) } : late;
  }

  async *#keys(
    inner: KeyDriver,
    options: Parameters<KeyDriver["keys"]>[0],
  ): AsyncGenerator<readonly string[]> {
    const listed = this.#listed.get(inner.identity) ?? [];
    this.#listed.set(inner.identity, listed);
    listed.push((await Array.fromAsync(inner.keys(options))).flat());
    yield listed[Math.max(0, listed.length - 2)]!;
  }
}

async function setting(): Promise<{
  readonly pipeline: () => Pipeline;
  readonly source: MemoryBlobRepository;
  readonly reports: MemoryBlobRepository;
  readonly done: MemoryMetadataRepository;
  readonly runs: string[];
}> {
  const late = new Late();
  const source = new MemoryBlobRepository("source");
  const reports = new MemoryBlobRepository("reports");
  const done = new MemoryMetadataRepository("done");
  const runs: string[] = [];
  for (const key of ["a", "b", "c"]) await source.put(key, key);
  const pipeline = (): Pipeline =>
    inMemory([
      functionTask("t", {
        done: new MetadataRepository(late.over(done.driver as MetadataDriver)),
        links: {
          source: input(new BlobRepository(late.over(source.driver))),
          reports: output(new BlobRepository(late.over(reports.driver))),
        },
      }, async ({ job, source, reports }) => {
        runs.push(job);
        if (job === "b") throw new Error("no b");
        await reports.write(await source.text());
      }),
    ]);
  return { pipeline, source, reports, done, runs };
}

Deno.test("a late listing of outcomes starts nothing again within a run", async () => {
  const { pipeline, reports, runs } = await setting();
  const { succeeded, failed, started } = await pipeline().run().finished;
  assert.deepEqual([succeeded, failed, started], [2, 1, 3]);
  assert.deepEqual(runs.sort(), ["a", "b", "c"]);
  assert.deepEqual(await keysOf(reports), ["a", "c"]);
});

Deno.test("a late listing of outcomes starts nothing again in another run", async () => {
  const { pipeline, runs } = await setting();
  const first = pipeline();
  await first.run().finished;
  // The first listing of the next coordinator tells of the time before the first run.
  for (let i = 0; i < 2; i++) {
    const { started, succeeded, failed, tasks } = await pipeline().run().finished;
    assert.deepEqual([started, succeeded, failed], [0, 0, 0]);
    assert.deepEqual([tasks.t!.done, tasks.t!.failed], [2, 1]);
  }
  assert.deepEqual(runs.sort(), ["a", "b", "c"]);
});

Deno.test("a late listing hides what was deleted, and what is new, for a while only", async () => {
  const { pipeline, source, done, runs } = await setting();
  const open = pipeline();
  await open.run().finished;
  await done.delete("a");
  await source.put("d", "d");
  for (let i = 0; i < 3; i++) await open.run().finished;
  assert.deepEqual(runs.sort(), ["a", "a", "b", "c", "d"]);
});
