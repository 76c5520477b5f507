/**
 * The folder of the pipeline that is killed, and what must hold there when the last coordinator has left, whatever was done to the ones before.
 */
import assert from "node:assert/strict";
import { formatAttempt } from "../../core/attempt.ts";
import { parse, processesOf, treeOf } from "./left.ts";
import { start, type Started } from "./process.ts";

/** How many jobs every task has. */
export const JOBS = 12;

/** What belongs in the state folder when nobody runs. */
const PLACES =
  /^(lease|open|requests|delivery(\/\w+)?|runs(\/(\.new|\w+))?|logs(\/\w+(\/_attempt-1)?(\/job-\d+\.log)?)?)$/;

/** Makes it. */
export async function makeFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "datatask-crash-" });
  await Deno.mkdir(`${folder}/source`);
  for (let i = 0; i < JOBS; i++) {
    await Deno.writeTextFile(`${folder}/source/job-${i}.txt`, "x".repeat(100 + i));
  }
  return folder;
}

/** Starts a coordinator. */
export const run = (folder: string, ...args: string[]): Started => start(folder, ["run", "--json", ...args]);

/** Checks it, with the events of all coordinators; nothing is asked of how often scripts began when there are none. */
export async function check(folder: string, events: readonly string[] | undefined): Promise<void> {
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
  if (events) checkOnce(jobs, lines, events);
  const state = `${folder}/state/pipeline`;
  const left = [...treeOf(state).keys()].filter((path) => !PLACES.test(path));
  assert.deepEqual(left, [], "nothing is left in the state folder");
  assert.deepEqual(await processesOf(folder), [], "no process is left behind");
}

/** No script was begun twice, and no end was published twice. */
function checkOnce(jobs: readonly string[], lines: readonly string[], events: readonly string[]): void {
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
}
