/** What the flags of `run` do, and `cancel` from another process. */
import assert from "node:assert/strict";
import { input } from "../../mod.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { MemoryMetadataRepository } from "../../repositories/memory.ts";
import { functionTask } from "../../tasks/function.ts";
import { until } from "../kit/waiting.ts";
import { cli, toy } from "./held_io.ts";
import { CLI, deno, ended, started, withPipeline } from "./own_program.ts";

/** The jobs of the events of a type, in order. */
function jobs(said: string, type: string): string[] {
  const whole = said.slice(0, said.lastIndexOf("\n") + 1);
  return whole.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
    .flatMap((event) => event.type === type ? [event.attempt.job] : []);
}

Deno.test("run --once starts what is ready at its begin, and nothing that becomes ready by that", async () => {
  const it = toy();
  await it.books.put("emma", "a b c");
  const first = await cli(["run", "--once"], it);
  assert.equal(first.code, 0);
  assert.match(first.out, /: 1 succeeded, 0 failed, 1 left for the next run\n$/);
  assert.match((await cli(["why", "report", "emma"], it)).out, /^report\/emma is ready\n/);
  assert.match((await cli(["run", "--once"], it)).out, /report\/emma done in [^]*: 1 succeeded, 0 failed\n$/);
});

Deno.test("run --fail-fast starts nothing more after the first failure, and ends with 1", async () => {
  for (const [flags, failed] of [[["--fail-fast"], 1], [[], 3]] as const) {
    const it = toy();
    for (const key of ["a", "b", "c"]) await it.books.put(key, "x");
    const break_ = functionTask("break", {
      done: new MemoryMetadataRepository("what is broken"),
      concurrency: 1,
      links: { books: input(it.books) },
    }, ({ job }) => {
      throw new Error(`cannot break ${job}`);
    });
    const { code, out } = await cli(["run", ...flags], {
      pipeline: new Pipeline({ name: "fragile", tasks: [break_], state: null }),
    });
    assert.equal(code, 1);
    assert.match(
      out,
      new RegExp(`: 0 succeeded, ${failed} failed${failed === 1 ? ", 2 left for the next run" : ""}\n`),
    );
  }
});

for (const flag of ["--forever", "--watch"]) {
  Deno.test(`run ${flag} goes on when all is done, runs a key that comes later, and ends politely at Ctrl-C`, () =>
    withPipeline(1, async (dir) => {
      const { child, rest, err, said } = await started(dir, flag);
      await until("what was there is done", () => jobs(said(), "finished").length === 3);
      await Deno.writeTextFile(`${dir}/late`, "late");
      await Deno.rename(`${dir}/late`, `${dir}/in/late`);
      await until("what came later is done", () => jobs(said(), "finished").includes("late"));
      assert.equal(await Deno.readTextFile(`${dir}/out/late`), "late");
      child.kill("SIGINT");
      assert.equal((await child.status).code, 130);
      assert.match(await err, /^Stopping: .*\n$/);
      const { type, summary } = JSON.parse((await rest).trimEnd().split("\n").at(-1)!);
      assert.deepEqual([type, summary.ended, summary.succeeded, summary.failed], ["closed", "stopped", 4, 0]);
    }));
}

Deno.test("cancel stops a job that another process runs, in words and as JSON; it has failed and is not tried again", () =>
  withPipeline("go", async (dir) => {
    const { child, rest, err, said } = await started(dir);
    await until("two jobs run", () => jobs(said(), "started").length === 2);
    const [one, two] = jobs(said(), "started");
    const first = await ended(deno(dir, "-A", CLI, "cancel", "copy", one!));
    assert.deepEqual([first.code, first.out, first.err], [0, `Cancelled copy/${one}\n`, ""]);
    const second = await ended(deno(dir, "-A", CLI, "cancel", "--json", "copy", two!));
    assert.deepEqual([second.code, JSON.parse(second.out), second.err], [
      0,
      { task: "copy", job: two, cancelled: true },
      "",
    ]);
    await until("the third job runs", () => jobs(said(), "started").length === 3);
    await Deno.writeTextFile(`${dir}/go`, "");
    assert.equal((await child.status).code, 1);
    assert.equal(await err, "");
    const { summary } = JSON.parse((await rest).trimEnd().split("\n").at(-1)!);
    assert.deepEqual([summary.ended, summary.succeeded, summary.failed], ["complete", 1, 2]);
    const why = await ended(deno(dir, "-A", CLI, "why", "copy", one!));
    assert.match(why.out, new RegExp(`^copy/${one} has failed\nIt was cancelled after `));
    const again = await ended(deno(dir, "-A", CLI, "cancel", "--json", "copy", one!));
    assert.deepEqual([again.code, JSON.parse(again.out)], [2, { task: "copy", job: one, cancelled: false }]);
    assert.match(again.err, /^datatask: Cannot cancel job "." of task copy: it is not running; see /);
  }));
