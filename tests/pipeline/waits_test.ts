import assert from "node:assert/strict";
import { PlainProgress } from "../../cli/progress/plain.ts";
import type { Executor, ProcessWork } from "../../executors/executor.ts";
import { Pipeline, type PipelineEvent, processTask, requires } from "../../mod.ts";
import type { Flight } from "../../pipeline/flight.ts";
import { Waits } from "../../pipeline/waits.ts";
import { fakeExecutor } from "../../testing/fake_executor.ts";
import { until } from "../kit/waiting.ts";
import { blobs, outcomes } from "./kit.ts";

/** The same executor, with other answers. */
function asked(
  executor: Executor<ProcessWork>,
  answers: Partial<Executor<ProcessWork>>,
): Executor<ProcessWork> {
  return new Proxy(executor, {
    get(target, name) {
      const value = Reflect.get(name in answers ? answers : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A run of jobs on an executor, and what is told of their waits, look by look. */
async function withRuns(
  executor: Executor<ProcessWork>,
  jobs: readonly string[],
  use: (look: () => Promise<string[]>) => Promise<void>,
): Promise<void> {
  const a = await blobs("a", ...jobs);
  const state = await Deno.makeTempDir();
  const task = processTask("task", { done: outcomes(), executor, links: { a: requires(a) }, script: ":" });
  const run = new Pipeline({ state, tasks: [task] }).run();
  await until(() => run.running().length === jobs.length);
  const lines: string[] = [];
  const plain = new PlainProgress({
    write: (line) => lines.push(line),
    quiet: false,
    logsCommand: () => "",
    time: () => "",
  });
  let events: PipelineEvent[] = [];
  const flights = (): Flight[] =>
    run.running().map((flight) => ({ ...flight, state: { task } }) as unknown as Flight);
  let now = Date.now();
  const waits = new Waits({
    flights,
    clock: { now: () => now } as never,
    emit: (event) => events.push(event),
  });
  try {
    await use(async () => {
      events = [];
      lines.length = 0;
      now += 60_000;
      await waits.look(new AbortController().signal);
      for (const event of events) plain.apply(event);
      plain.flush(now);
      return [...lines];
    });
  } finally {
    run.stop("stop");
    await run.finished;
    await Deno.remove(state, { recursive: true });
  }
}

Deno.test("What a run waits for is told when it is new or another, and not again", async () => {
  let why: string | undefined = "no node has room for it";
  const inner = fakeExecutor({ runFor: Infinity });
  const executor = asked(inner, {
    async *list(options) {
      for await (const run of inner.list(options)) {
        yield run.state === "running" && run.attempt.job === "1" ? { ...run, waiting: why } : run;
      }
    },
  });
  await withRuns(executor, ["1", "2"], async (look) => {
    assert.deepEqual(await look(), [" task/1 waits: no node has room for it"]);
    assert.deepEqual(await look(), []);
    why = "its image is being pulled";
    assert.deepEqual(await look(), [" task/1 waits: its image is being pulled"]);
    why = undefined;
    assert.deepEqual(await look(), []);
    why = "its image is being pulled";
    assert.deepEqual(await look(), [" task/1 waits: its image is being pulled"]);
  });
});

Deno.test("What very many runs wait for is told three times, and then counted", async () => {
  const jobs = Array.from({ length: 50 }, (_, i) => `k${i}`);
  const executor = fakeExecutor({ runFor: Infinity, waiting: () => "no node has room for it" });
  await withRuns(executor, jobs, async (look) => {
    const lines = await look();
    assert.equal(lines.length, 4);
    assert.match(lines[2]!, /^ task\/k\d+ waits: no node has room for it$/);
    assert.equal(lines[3], " … 17 more of the trouble above");
  });
});

Deno.test("Where nobody answers, what is wrong there is told of what runs there", async () => {
  const executor = fakeExecutor({ runFor: Infinity });
  let away = false;
  const gone = asked(executor, {
    list: (options) => {
      if (away) throw new Error("no route");
      return executor.list(options);
    },
    probe: () => Promise.resolve({ healthy: !away, reason: "Cannot connect to worker: no route to host" }),
  });
  await withRuns(gone, ["1"], async (look) => {
    assert.deepEqual(await look(), []);
    away = true;
    assert.deepEqual(await look(), [" task/1 waits: Cannot connect to worker: no route to host"]);
    away = false;
    assert.deepEqual(await look(), []);
  });
});
