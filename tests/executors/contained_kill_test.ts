import assert from "node:assert/strict";
import { runAll } from "../pipeline/kit.ts";
import { type Contained, marking } from "./contained_coordinator.ts";
import { containersOf, docker, image, socket } from "./docker/kit.ts";
import { killIfThere } from "./children.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 3);
/** How many jobs there are. */
const JOBS = 3;

/** Kills the coordinator somewhere on its way, and sees that the next brings all to its end, each run once. */
async function survives(where: Contained, ms: number, left: (state: string) => Promise<readonly string[]>) {
  const dir = await Deno.makeTempDir();
  try {
    const { pipeline, books, copies, marks, done } = marking(dir, where);
    for (let n = 0; n < JOBS; n++) await books.put(`job-${n}`, `book ${n}`.repeat(100_000));
    const program = new URL("contained_coordinator.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", program, dir, JSON.stringify(where)],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, ms));
    killIfThere(child);
    await reader.cancel();
    await child.status;
    const { summary, events } = await runAll(pipeline);
    const told = JSON.stringify(events);
    assert.deepEqual([summary.failed, summary.stuck], [0, 0], told);
    assert.equal((await Array.fromAsync(done)).length, JOBS, told);
    for (let n = 0; n < JOBS; n++) assert.equal(await copies.text(`job-${n}`), `book ${n}`.repeat(100_000));
    assert.equal((await Array.fromAsync(marks)).length, JOBS, `run twice: ${told}`);
    assert.deepEqual(await left(`${dir}/state/pipeline`), []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test({
  ...docker.test,
  name: `containers are adopted in any phase and published once, ${KILLS} times`,
  async fn() {
    for (let round = 0; round < KILLS; round++) {
      const where = { socket, image, hostname: "0.0.0.0" };
      await survives(where, round * 600 + Math.random() * 600, containersOf);
    }
  },
});
