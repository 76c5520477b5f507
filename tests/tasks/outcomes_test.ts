import assert from "node:assert/strict";
import {
  functionTask,
  input,
  MemoryMetadataRepository,
  type MetadataDriver,
  MetadataRepository,
  Outcomes,
} from "../../mod.ts";
import { blobs, each, inMemory, jobsOf, keysOf, outcomes, runAll } from "../pipeline/kit.ts";
import { outcomeOf } from "../kit/outcome.ts";

Deno.test("Outcomes keeps successes and failures apart, and done holds both", async () => {
  const kept = new Outcomes(outcomes());
  await kept.commit("good", outcomeOf(true));
  await kept.commit("bad", outcomeOf(false));
  assert.deepEqual([await keysOf(kept.success), await keysOf(kept.failed), await keysOf(kept.done)], [
    ["good"],
    ["bad"],
    ["bad", "good"],
  ]);
  assert.deepEqual(await kept.done.get("bad"), outcomeOf(false));
});

Deno.test("Outcomes: success wins where both are there", async () => {
  const kept = new Outcomes(outcomes());
  await kept.commit("job", outcomeOf(false));
  await kept.commit("job", outcomeOf(true));
  assert.equal((await kept.done.get("job")).success, true);
});

Deno.test("Outcomes.forget leaves nothing of a job", async () => {
  const kept = new Outcomes(outcomes());
  await kept.commit("job", outcomeOf(true));
  await kept.commit("job", outcomeOf(false));
  await kept.attempts.set("job", { outcomes: [outcomeOf(false)], retryAt: "2026-01-01T00:00:00.000Z" });
  await kept.forget("job");
  assert.deepEqual([await keysOf(kept.done), await keysOf(kept.attempts)], [[], []]);
});

Deno.test("Outcomes takes a repository for each kind, and refuses one that has no place beside it", async () => {
  const [success, failed, attempts] = [outcomes("s"), outcomes("f"), outcomes("a")];
  const kept = new Outcomes({ success, failed, attempts });
  await kept.commit("bad", outcomeOf(false));
  assert.deepEqual(await keysOf(failed), ["bad"]);
  const { beside: _, ...alone } = new MemoryMetadataRepository("alone").driver;
  assert.throws(() => new Outcomes(new MetadataRepository(alone)), {
    code: "invalid-definition",
    message:
      "Cannot keep outcomes in alone: it has no place beside it for failures; give { success, failed, attempts }, a repository each",
  });
});

Deno.test("Outcomes reads no document to tell who has succeeded", async () => {
  const done = outcomes();
  const a = await blobs("a", "1", "2");
  await runAll(inMemory([each("task", a, ({ job }) => {
    if (job === "2") throw new Error("no");
  }, { done })]));
  let reads = 0;
  const counted = (inner: MetadataDriver): MetadataDriver => ({
    ...inner,
    get(key, options) {
      reads++;
      return inner.get(key, options);
    },
    getMany(keys, options) {
      reads++;
      return inner.getMany!(keys, options);
    },
    beside: (name) => counted(inner.beside!(name)),
  });
  const { summary } = await runAll(
    inMemory([each("task", a, () => {}, { done: new MetadataRepository(counted(done.driver)) })]),
  );
  assert.deepEqual([summary.tasks.task!.done, summary.tasks.task!.failed, summary.started, reads], [
    1,
    1,
    0,
    0,
  ]);
});

Deno.test("A document in done that makes no sense stops nothing: the job is over, and why says what is there", async () => {
  const a = await blobs("a", "1", "2", "3");
  const done = outcomes();
  await done.set("1", "nonsense");
  await done.set("2", null);
  const pipeline = inMemory([each("task", a, () => {}, { done })]);
  const { events, summary } = await runAll(pipeline);
  assert.deepEqual([jobsOf(events, "finished"), summary.tasks.task!.done], [["task/3"], 3]);
  for (const job of ["1", "2"]) assert.equal((await pipeline.why("task", job)).state, "done");
  assert.equal((await pipeline.trace("1")).tasks[0]!.state, "done");
});

Deno.test("A job that succeeds after it had failed is a success, and its failure is cleared away", async () => {
  const a = await blobs("a", "1");
  const done = outcomes();
  let fails = true;
  const task = functionTask("task", { done, links: { a: input(a) } }, () => {
    if (fails) throw new Error("no");
  });
  const pipeline = inMemory([task]);
  await runAll(pipeline);
  fails = false;
  assert.equal((await runAll(pipeline)).summary.started, 0, "a failure is not tried again by itself");
  assert.deepEqual(await pipeline.retry("task", "failed"), ["1"]);
  await runAll(pipeline);
  assert.deepEqual([await keysOf(task.outcomes.success), await keysOf(task.outcomes.failed)], [["1"], []]);
});

Deno.test("A job fails, and its outcome is kept, whatever its body throws", async () => {
  const a = await blobs("a", "shy", "bare", "huge", "nothing");
  const refuse = (): never => {
    throw new Error("refused");
  };
  const thrown: Record<string, unknown> = {
    shy: { [Symbol.for("Deno.customInspect")]: refuse },
    bare: Object.create(null),
    huge: new Error("x".repeat(10_000_000)),
    nothing: null,
  };
  const task = each("task", a, ({ job }) => {
    throw thrown[job];
  });
  const { summary } = await runAll(inMemory([task]));
  assert.equal(summary.failed, 4);
  const message = async (job: string): Promise<string> =>
    (await task.outcomes.failed.get(job)).error!.message;
  assert.equal(await message("shy"), "something was thrown that cannot be shown; throw an Error");
  assert.equal(await message("nothing"), "null");
  assert.match(await message("huge"), /^x{16384}\.\.\. \(9983616 characters more\)$/);
});
