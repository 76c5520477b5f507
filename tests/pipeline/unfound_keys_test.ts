/** Keys that could not be found, since what they are read from could not: their jobs may well come. */
import assert from "node:assert/strict";
import {
  DatataskError,
  field,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  type Pipeline,
  requires,
  stream,
} from "../../mod.ts";
import { faulty } from "../../testing/faulty.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { blobs, inMemory, jobsOf, keysOf, outcomes, runAll, runByHand, troubles } from "./kit.ts";

/** Cleans what has an owner, and writes one report over all that is clean. The document of "b" cannot be read while `broken` gives an error. */
async function owned(clock: ManualClock, broken: () => Error | undefined) {
  const [raw, owners] = [await blobs("raw", "a", "b"), await blobs("owners", "ada", "bob")];
  const [clean, reports] = ["clean", "reports"].map((name) => new MemoryBlobRepository(name)) as [
    MemoryBlobRepository,
    MemoryBlobRepository,
  ];
  const documents = new MemoryMetadataRepository<{ owner: string }>("meta");
  await documents.set("a", { owner: "ada" });
  await documents.set("b", { owner: "bob" });
  const meta = documents.with(faulty({
    rate: 1,
    on: ["read"],
    when: ({ key }) => key === "b" && broken() !== undefined,
    error: () => broken()!,
  }));
  const tasks = [
    functionTask("clean", {
      done: outcomes("clean-done"),
      links: {
        raw: input(raw),
        meta: input(meta),
        owner: input(owners, { key: field("meta.owner") }),
        clean: output(clean),
      },
    }, async ({ raw, owner, clean }) => await clean.write(`${await owner.text()}: ${await raw.text()}`)),
    functionTask("report", {
      done: outcomes("report-done"),
      links: {
        wanted: requires(await blobs("wanted", "all")),
        clean: stream(clean),
        report: output(reports),
      },
    }, async ({ clean, report }) => {
      const texts: string[] = [];
      for await (const each of clean) texts.push(await each.text());
      await report.write(texts.sort().join(", "));
    }),
  ];
  return { pipeline: inMemory(tasks, { clock }), clean, reports };
}

const away = () => new DatataskError("unavailable", "the disk is away");
const damaged = () => new DatataskError("invalid-value", "it is damaged");

async function reportOf(reports: MemoryBlobRepository): Promise<string> {
  return await reports.text("all");
}

Deno.test("A key that cannot be found for a while is looked for again, and what streams its job waits", async () => {
  const clock = new ManualClock();
  let left = 2;
  const { pipeline, reports } = await owned(clock, () => left > 0 ? (left--, away()) : undefined);
  const { summary, events } = await runByHand(pipeline, clock);
  assert.deepEqual(
    [summary.succeeded, summary.failed, summary.stuck],
    [3, 0, 0],
    troubles(events).join("\n"),
  );
  assert.equal(await reportOf(reports), "ada: a, bob: b");
});

for (const [what, error, tries] of [["away", away, 4], ["damaged", damaged, 1]] as const) {
  Deno.test(`A job whose key cannot be found is left for the next run, and what streams it too: ${what}`, async () => {
    const clock = new ManualClock();
    let broken = true;
    const { pipeline, reports, clean } = await owned(clock, () => broken ? error() : undefined);
    const { summary, events } = await runByHand(pipeline, clock);
    assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [1, 0, 2]);
    assert.deepEqual(jobsOf(events, "finished"), ["clean/a"]);
    const told = troubles(events).filter((text) => text.startsWith("Cannot find the keys"));
    assert.equal(told.length, tries, told.join("\n"));
    assert.equal(told[0], `Cannot find the keys of job "b" of task clean: ${error().message}`);
    assert.equal(
      troubles(events).at(-1),
      'Cannot go on with job "all" of task report; it is left for the next run: its stream clean waits for clean, which cannot go on in this run',
    );
    assert.deepEqual(await keysOf(reports), []);
    const why = await (pipeline as Pipeline).why("clean", "b");
    assert.equal(
      why.text,
      `It waits: the key of the job in owner (owners) cannot be found: ${error().message}`,
    );
    broken = false;
    const again = await runAll(pipeline);
    assert.deepEqual([again.summary.succeeded, again.summary.stuck], [2, 0]);
    assert.equal(await reportOf(reports), "ada: a, bob: b");
    assert.deepEqual(await keysOf(clean), ["a", "b"]);
  });
}
