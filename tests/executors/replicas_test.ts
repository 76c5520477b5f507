/** Replicas fill what a place has to spare, give way to jobs, and publish nothing. */
import assert from "node:assert/strict";
import {
  allocated,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  outputs,
  Pipeline,
  type PipelineEvent,
  sh,
  stream,
} from "../../mod.ts";
import { until } from "../kit/waiting.ts";
import { keysOf } from "../pipeline/kit.ts";
import { everywhere } from "./places.ts";

/** How many runs there is room for. */
const ROOM = 3;

everywhere(
  "replicas fill a place, give way to a job, and leave one outcome, of the run that counts,",
  async (where, _, state) => {
    const seeds = new MemoryBlobRepository("seeds");
    const builds = new MemoryBlobRepository("builds");
    const ends = new MemoryBlobRepository("ends");
    const finds = new MemoryBlobRepository("finds");
    const [fuzzed, built, ended] = ["fuzzed", "built", "ended"].map((name) =>
      new MemoryMetadataRepository(name)
    );
    await seeds.put("seed", "");
    // Pods ask for nothing of what their node has.
    const quota = { licence: 1, ...(where.name === "on Kubernetes" && { cpu: 0 }) };
    const fuzz = where.script("fuzz", {
      done: fuzzed!,
      quota,
      replicas: 100,
      grace: "20s",
      links: { seeds: input(seeds), ends: stream(ends, { of: allocated() }), finds: output(finds) },
      script: ({ ends, finds, replica }) =>
        sh`while [ ! -e ${ends}.end ]; do sleep 0.1; done; echo ${replica} >${finds}`,
    });
    const build = where.script("build", {
      done: built!,
      quota,
      priority: 1000,
      links: { builds: input(builds) },
      script: "echo built",
    });
    // As long as this one could end it, the script goes on.
    const over = Promise.withResolvers<void>();
    const end = functionTask(
      "end",
      { done: ended!, links: { seeds: input(seeds), ends: outputs(ends) } },
      async ({ ends }) => {
        await over.promise;
        await ends.write("1", "over");
      },
    );
    const pipeline = new Pipeline({
      tasks: [fuzz, build, end],
      state: `${state}/state`,
      agent: where.agent,
    });
    const run = pipeline.run({ forever: true });
    const events: PipelineEvent[] = [];
    const reading = (async () => {
      for await (const event of run) events.push(event);
    })();
    const told = (): string => JSON.stringify(events);
    const fuzzing = (): readonly number[] =>
      run.running().filter(({ attempt }) => attempt.task === "fuzz").map(({ attempt }) => attempt.replica);
    try {
      await until("replicas fill the place", () => fuzzing().length === ROOM);
      assert(fuzzing().includes(0), told());
      await builds.put("build", "");
      await until("the job has had its room", async () => await built!.has("build"));
      const gone = events.flatMap((event) => event.type === "released" ? [event] : []);
      assert(gone.some(({ attempt, why }) => attempt.replica > 0 && why === "gave-way"), told());
      assert(gone.every(({ attempt }) => attempt.replica > 0), told());
      await until("a replica is there again", () => fuzzing().length === ROOM);
      over.resolve();
      await until("the run that counts has ended", async () => await fuzzed!.has("seed"));
    } finally {
      over.resolve();
      run.stop("stop");
    }
    const summary = await run.finished;
    await reading;
    assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [3, 0, 0], told());
    assert(!events.some(({ type }) => type === "retrying" || type === "trouble"), told());
    assert.deepEqual([await keysOf(fuzzed!), await keysOf(finds)], [["seed"], ["seed"]]);
    assert.equal(await finds.text("seed"), "0\n");
    const outcome = await fuzzed!.get("seed") as { readonly attempt: number };
    assert.equal(outcome.attempt, 1);
    assert.equal(
      events.filter((event) => event.type === "finished" && event.attempt.task === "fuzz").length,
      1,
      told(),
    );
    assert.deepEqual(await where.left(`${state}/state`), []);
  },
  true,
  { licence: ROOM },
);
