import assert from "node:assert/strict";
import { runAll } from "../pipeline/kit.ts";
import { killCoordinator } from "./children.ts";
import { type Contained, marking } from "./contained_coordinator.ts";
import { containersOf, docker, image, socket } from "./docker/kit.ts";
import { clusterTest, denoImage, hostAddress } from "./kubernetes/cluster.ts";
import { optionsOf, things } from "./kubernetes/kit.ts";
import { address, Place, sshTest } from "./ssh/server.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 3);
/** How many jobs there are. */
const JOBS = 3;
/** How long one round takes about when nobody is killed, in milliseconds: a kill may come anywhere in it. */
const WHOLE = 3000;

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
    const told = `killed after ${Math.round(ms)} ms: ${JSON.stringify(events)}`;
    assert.deepEqual([summary.failed, summary.stuck], [0, 0], told);
    assert.equal((await Array.fromAsync(done)).length, JOBS, told);
    for (let n = 0; n < JOBS; n++) assert.equal(await copies.text(`job-${n}`), `book ${n}`.repeat(100_000));
    assert.equal((await Array.fromAsync(marks)).length, JOBS, `run twice, ${told}`);
    assert.deepEqual(await left(`${dir}/state/pipeline`), []);
    return killed;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Does so again and again, at instants that are spread over a round. */
async function always(where: Contained, left: (state: string) => Promise<readonly string[]>): Promise<void> {
  let killed = 0;
  for (let round = 0; round < KILLS; round++) {
    if (await survives(where, ((round % 3) + Math.random()) * WHOLE / 3, left)) killed++;
  }
  assert(killed > 0, "the coordinator was always over before it was killed");
}

Deno.test({
  ...docker.test,
  name: `containers are adopted in any phase and published once, ${KILLS} times`,
  fn: () => always({ socket, image, hostname: "0.0.0.0" }, containersOf),
});

clusterTest(`pods are adopted in any phase and published once, ${KILLS} times`, async (place) => {
  const where = { pods: optionsOf(place), image: denoImage, hostname: hostAddress };
  await always(where, async () => (await things(place)).filter((name) => name.startsWith("pods/")));
});

sshTest(`items of scripts over SSH are published once, killed in any phase ${KILLS} times`, async (stack) => {
  const place = new Place(stack);
  await always({ ssh: { ...address, root: place.root } }, () => Promise.resolve(place.leftovers()));
});
