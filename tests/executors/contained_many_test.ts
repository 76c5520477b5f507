/**
 * Several coordinators of one pipeline whose scripts see no file of this machine, and coordinators that are stopped for a while: each job is
 * published once, and no attempt is used up.
 */
import assert from "node:assert/strict";
import { Coordinator } from "./children.ts";
import { type Contained, marking } from "./contained_coordinator.ts";
import { containersOf, docker, image, socket } from "./docker/kit.ts";
import { inFolder } from "../kit/folder.ts";
import { pause } from "../kit/waiting.ts";
import { address, Place, sshTest } from "./ssh/server.ts";

/** How many jobs there are. */
const JOBS = 3;

const PROGRAM = new URL("contained_coordinator.ts", import.meta.url);

/** Where scripts run, and what is left there of the runs of a state folder. */
interface Where {
  readonly where: Contained;
  readonly left: (state: string) => Promise<readonly string[]>;
}

const inDocker: Where = { where: { socket, image, hostname: "0.0.0.0" }, left: containersOf };

const overSsh = (place: Place): Where => ({
  where: { ssh: { ...address, root: place.root } },
  left: () => Promise.resolve(place.leftovers()),
});

/**
 * Starts coordinators, does something to them, and sees that all was published, and nothing is left.
 *
 * @param where Where scripts run.
 * @param many How many coordinators.
 * @param beset What is done, once a script runs.
 * @param again Whether scripts may be run again, for a reason of the infrastructure.
 */
async function converges(
  { where, left }: Where,
  many: number,
  beset: (all: readonly Coordinator[]) => Promise<void>,
  again = false,
): Promise<void> {
  await inFolder(async (dir) => {
    const { books, copies, marks, done } = marking(dir, where);
    for (let n = 0; n < JOBS; n++) await books.put(`job-${n}`, `book ${n}`.repeat(300_000));
    const all = Array.from({ length: many }, () => new Coordinator(PROGRAM, [dir, JSON.stringify(where)]));
    await Promise.race(all.map((one) => one.begun));
    await beset(all);
    for (const one of all) {
      const { code, killed, said } = await one.ended;
      assert(killed || code === 0, said);
    }
    for (let n = 0; n < JOBS; n++) {
      const outcome = await done.get(`job-${n}`) as { readonly success: boolean; readonly attempt: number };
      assert.deepEqual([outcome.success, outcome.attempt], [true, 1]);
      assert.equal(await copies.text(`job-${n}`), `book ${n}`.repeat(300_000));
    }
    const runs = (await Array.fromAsync(marks)).length;
    if (again) assert(runs >= JOBS, `${runs} runs`);
    else assert.equal(runs, JOBS, "a script was run twice");
    assert.deepEqual(await left(`${dir}/state/pipeline`), []);
  });
}

/** One of them is killed, and another stands still for a while. */
async function disturb(all: readonly Coordinator[]): Promise<void> {
  all[0]!.signal("SIGSTOP");
  all[1]!.signal("SIGKILL");
  await pause(Math.random() * 2000);
  all[0]!.signal("SIGCONT");
}

/** All stand still for some time. */
const halt = (ms: number) => async (all: readonly Coordinator[]): Promise<void> => {
  await pause(Math.random() * 2000);
  for (const one of all) one.signal("SIGSTOP");
  await pause(ms);
  for (const one of all) one.signal("SIGCONT");
};

for (const many of [2, 5]) {
  Deno.test({
    ...docker.test,
    name: `${many} coordinators of containers take turns, with one killed and one stopped for a while`,
    fn: () => converges(inDocker, many, disturb),
  });
  sshTest(
    `${many} coordinators of scripts over SSH take turns, with one killed and one stopped for a while`,
    (stack) => converges(overSsh(new Place(stack)), many, disturb),
  );
}

Deno.test({
  ...docker.test,
  name: "containers whose agent stands still for longer than they wait are run again, and use up no attempt",
  // Their client gives up after 20 seconds.
  fn: () => converges({ ...inDocker, where: { ...inDocker.where, patience: "1s" } }, 1, halt(25_000), true),
});

sshTest("scripts over SSH go on when an agent that has stood still answers again", async (stack) => {
  const { where, left } = overSsh(new Place(stack));
  await converges({ where: { ...where, patience: "1s" }, left }, 1, halt(10_000));
});
