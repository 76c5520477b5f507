/**
 * Kills the real coordinator at random instants, stops and continues it, starts several at once; then checks what was left.
 *
 * `DATATASK_KILLS` says how many kills; 25 when it is not set.
 */
import assert from "node:assert/strict";
import { formatAttempt } from "../../core/attempt.ts";
import { seededRandom } from "../../core/random.ts";
import { start, type Started } from "./process.ts";

const JOBS = 12;
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 25);

async function makeFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "datatask-crash-" });
  await Deno.mkdir(`${folder}/source`);
  for (let i = 0; i < JOBS; i++) {
    await Deno.writeTextFile(`${folder}/source/job-${i}.txt`, "x".repeat(100 + i));
  }
  return folder;
}

const run = (folder: string, ...args: string[]): Started => start(folder, ["run", "--json", ...args]);

/** What must hold when the last coordinator has left, whatever was done to the ones before. */
async function check(folder: string, events: readonly string[]): Promise<void> {
  const jobs = Array.from({ length: JOBS }, (_, i) => `job-${i}`);
  for (const [i, job] of jobs.entries()) {
    assert.equal(await Deno.readTextFile(`${folder}/report/${job}.txt`), `${job}: ${100 + i}\n`);
  }
  for (const name of ["shout", "count", "check", "write"]) {
    const found = [...Deno.readDirSync(`${folder}/done-${name}`)].map((entry) => entry.name).sort();
    assert.deepEqual(
      found.filter((name) => !name.startsWith("_")),
      jobs.map((job) => `${job}.yaml`).sort(),
      `done-${name} holds what it should, and nothing else`,
    );
    for (const beside of ["_failed", "_attempts"]) {
      const left = await Array.fromAsync(Deno.readDir(`${folder}/done-${name}/${beside}`)).catch(() => []);
      assert.deepEqual(left, [], `nothing is left in ${beside} of ${name}`);
    }
  }
  for (const name of ["upper", "counted", "checked", "report"]) {
    const found = [...Deno.readDirSync(`${folder}/${name}`)].map((entry) => entry.name).sort();
    assert.deepEqual(
      found,
      jobs.map((job) => `${job}.txt`).sort(),
      `${name} holds what it should, and nothing else`,
    );
  }
  const lines = (await Deno.readTextFile(`${folder}/history`)).trim().split("\n");
  assert.deepEqual(
    lines.filter((line) => line.includes("too-early")),
    [],
    "nothing starts before what it needs has succeeded",
  );
  const times = (line: string): number => lines.filter((other) => other === line).length;
  for (const job of jobs) {
    assert.equal(times(`count ${job}`), 1, `count ${job} was started once`);
    for (const attempt of [1, 2]) {
      assert.equal(
        times(`check ${job} attempt ${attempt}`),
        1,
        `attempt ${attempt} of check ${job} was started once`,
      );
    }
    assert.equal(times(`check ${job} attempt 3`), 0);
  }
  const finished = events.flatMap((line) => {
    const event = parse(line);
    return event?.type === "finished" ? [formatAttempt(event.attempt)] : [];
  });
  assert.equal(new Set(finished).size, finished.length, "no job is published twice");
  const runs = await Array.fromAsync(walk(`${folder}/state/runs`)).catch(() => []);
  assert.deepEqual(runs, [], "no run is left behind");
  assert.deepEqual(await processesOf(folder), [], "no process is left behind");
}

// deno-lint-ignore no-explicit-any
function parse(line: string): any {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // The line that the kill has cut.
  }
}

async function* walk(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) yield* walk(`${folder}/${entry.name}`);
    else yield `${folder}/${entry.name}`;
  }
}

/** Processes whose command line or folder is in the pipeline's. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    const cwd = await Deno.readLink(`/proc/${name}/cwd`).catch(() => "");
    if (command.includes(folder) || cwd.startsWith(folder)) {
      found.push(`${name} ${command.replaceAll("\0", " ")}`);
    }
  }
  return found;
}

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test({
  name:
    `a coordinator that is killed ${KILLS} times at random instants loses nothing, and nothing is run or published twice`,
  ...linux,
  async fn() {
    const random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42));
    for (let kills = 0; kills < KILLS;) {
      const folder = await makeFolder();
      const events: string[] = [];
      try {
        for (;;) {
          const coordinator = run(folder);
          // From before its first line to after its last one.
          const killed = kills < KILLS && await coordinator.killAfter(random() * 900);
          const { code, lines, errors } = await coordinator.ended;
          events.push(...lines);
          if (!killed) {
            assert.equal(
              code,
              0,
              errors + lines.filter((line) => /"success":false|"trouble"/.test(line)).join("\n"),
            );
            break;
          }
          kills++;
        }
        await check(folder, events);
        const again = await run(folder).ended;
        assert.equal(again.code, 0);
        assert.equal(
          again.lines.filter((line) => parse(line)?.type === "started").length,
          0,
          "nothing is left to do",
        );
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  },
});

Deno.test({
  name:
    "a coordinator that is stopped for a while keeps the lease; one that comes meanwhile says who holds it",
  ...linux,
  async fn() {
    const folder = await makeFolder();
    try {
      const first = run(folder);
      await first.line((line) => parse(line)?.type === "started");
      first.signal("SIGSTOP");
      const second = await run(folder).ended;
      assert.notEqual(second.code, 0);
      assert.match(second.errors, new RegExp(`already being run by process ${first.pid} on .*, since `));
      first.signal("SIGCONT");
      const { code, lines } = await first.ended;
      assert.equal(code, 0);
      await check(folder, lines);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

for (const many of [2, 5]) {
  Deno.test({
    name: `${many} coordinators at once take turns, with one of them killed and one stopped for a while`,
    ...linux,
    async fn() {
      const folder = await makeFolder();
      try {
        const all = Array.from({ length: many }, () => run(folder, "--wait"));
        await Promise.race(all.map((one) => one.line((line) => parse(line)?.type === "started")));
        all[0]!.signal("SIGSTOP");
        all[1]!.signal("SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, 200));
        all[0]!.signal("SIGCONT");
        const ends = await Promise.all(all.map((one) => one.ended));
        ends.forEach(({ code, errors }, i) => i !== 1 && assert.equal(code, 0, errors));
        await check(folder, ends.flatMap((end) => end.lines));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test({
  name:
    "Ctrl-C once waits for what runs and twice stops it; neither marks good work as failed, and the next run completes it",
  ...linux,
  async fn() {
    const folder = await makeFolder();
    try {
      const events: string[] = [];
      for (const presses of [1, 2]) {
        const coordinator = run(folder);
        await coordinator.line((line) =>
          parse(line)?.type === "started" && parse(line).attempt.task !== "shout"
        );
        for (let i = 0; i < presses; i++) {
          coordinator.signal("SIGINT");
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
        const { lines } = await coordinator.ended;
        events.push(...lines);
        const failed = lines.map(parse).filter((event) =>
          event?.type === "finished" && !event.outcome.success
        );
        assert.deepEqual(failed, []);
      }
      const { code, lines, errors } = await run(folder).ended;
      assert.equal(code, 0, errors);
      const jobs = Array.from({ length: JOBS }, (_, i) => `${folder}/report/job-${i}.txt`);
      for (const path of jobs) await Deno.stat(path);
      events.push(...lines);
      assert.deepEqual(await processesOf(folder), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
