/** Two processes that would run the same pipeline, whose jobs run elsewhere: the second is told of the first, or waits for it, and nothing runs twice. */
import assert from "node:assert/strict";
import type { PipelineEvent, RunSummary } from "../../mod.ts";
import { inFolder } from "../kit/folder.ts";
import { refuses } from "../kit/refuses.ts";
import { killCoordinator } from "./children.ts";
import { type Contained, marking } from "./contained_coordinator.ts";
import { docker, image, socket } from "./docker/kit.ts";
import { clusterTest, denoImage, hostAddress } from "./kubernetes/cluster.ts";
import { optionsOf } from "./kubernetes/kit.ts";
import { address, Place, sshTest } from "./ssh/server.ts";

/** How many jobs there are. */
const JOBS = 3;

/**
 * Starts a coordinator as a process of its own, and others here while it is at work; then it is killed, and who waits goes on.
 *
 * @param where Where the jobs run.
 */
async function refusesOthers(where: Contained): Promise<void> {
  await inFolder(async (dir) => {
    const { books, copies, marks, done } = marking(dir, where);
    for (let n = 0; n < JOBS; n++) await books.put(`job-${n}`, `book ${n}`);
    const program = new URL("contained_coordinator.ts", import.meta.url);
    const waits = Promise.withResolvers<void>();
    const events: PipelineEvent[] = [];
    let second: Promise<RunSummary> | undefined;
    await killCoordinator(program, [dir, JSON.stringify(where)], async () => {
      await refuses(
        marking(dir, where).pipeline.run().finished,
        "lease-held",
        /is already being run by process \d+ on \S+, since \S+ \(\S+contained_coordinator\.ts\); wait until it has ended/,
      );
      const run = marking(dir, where).pipeline.run({ whenHeld: "wait" });
      second = (async () => {
        for await (const event of run) {
          events.push(event);
          if (event.type === "lease-waiting") waits.resolve();
        }
        return await run.finished;
      })();
      await waits.promise;
    });
    const summary = await second!;
    const told = JSON.stringify(events);
    assert.deepEqual([summary.failed, summary.stuck], [0, 0], told);
    assert.equal((await Array.fromAsync(done)).length, JOBS, told);
    for (let n = 0; n < JOBS; n++) assert.equal(await copies.text(`job-${n}`), `book ${n}`);
    assert.equal((await Array.fromAsync(marks)).length, JOBS, `run twice: ${told}`);
  });
}

const name = (where: string): string => `of two coordinators one runs the jobs ${where}, and each once`;

clusterTest(
  name("in pods"),
  (place) => refusesOthers({ pods: optionsOf(place), image: denoImage, hostname: hostAddress }),
);

Deno.test({
  ...docker.test,
  name: name("in containers"),
  fn: () => refusesOthers({ socket, image, hostname: "0.0.0.0" }),
});

sshTest(name("over SSH"), (stack) => refusesOthers({ ssh: { ...address, root: new Place(stack).root } }));
