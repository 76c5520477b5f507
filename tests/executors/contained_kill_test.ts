import assert from "node:assert/strict";
import { runAll } from "../pipeline/kit.ts";
import { type Contained, marking } from "./contained_coordinator.ts";
import { containersOf, docker, image, socket } from "./docker/kit.ts";
import { killCoordinator } from "./children.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 3);
/** How many jobs there are. */
const JOBS = 3;

/**
 * Kills the coordinator somewhere on its way, and sees that the next brings all to its end, each run once.
 *
 * @returns Whether it was on its way still.
 */
async function survives(
  where: Contained,
  ms: number,
  left: (state: string) => Promise<readonly string[]>,
): Promise<boolean> {
  const dir = await Deno.makeTempDir();
  try {
    const { pipeline, books, copies, marks, done } = marking(dir, where);
    for (let n = 0; n < JOBS; n++) await books.put(`job-${n}`, `book ${n}`.repeat(100_000));
    const program = new URL("contained_coordinator.ts", import.meta.url);
    const killed = await killCoordinator(program, [dir, JSON.stringify(where)], ms);
    const { summary, events } = await runAll(pipeline);
    const told = JSON.stringify(events);
    assert.deepEqual([summary.failed, summary.stuck], [0, 0], told);
    assert.equal((await Array.fromAsync(done)).length, JOBS, told);
    for (let n = 0; n < JOBS; n++) assert.equal(await copies.text(`job-${n}`), `book ${n}`.repeat(100_000));
    assert.equal((await Array.fromAsync(marks)).length, JOBS, `run twice: ${told}`);
    assert.deepEqual(await left(`${dir}/state/pipeline`), []);
    return killed;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test({
  ...docker.test,
  name: `containers are adopted in any phase and published once, ${KILLS} times`,
  async fn() {
    const where = { socket, image, hostname: "0.0.0.0" };
    let killed = 0;
    for (let round = 0; round < KILLS; round++) {
      if (await survives(where, (round % 3) * 600 + Math.random() * 600, containersOf)) killed++;
    }
    assert(killed > 0, "the coordinator was always over before it was killed");
  },
});
