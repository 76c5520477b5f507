import assert from "node:assert/strict";
import { seededRandom } from "../../core/random.ts";
import type { RunStatus } from "../../executors/executor.ts";
import { localExecutor } from "../../executors/local.ts";
import { killCoordinator } from "./children.ts";
import { alive, until } from "../kit/waiting.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 40);

/** Processes of runs of this state folder: those whose working directory is below it, or whose shell's is. */
function processesIn(state: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return Deno.readLinkSync(`/proc/${name}/cwd`).startsWith(state) && alive(Number(name));
    } catch {
      return false;
    }
  }).map(Number);
}

/** What a fresh coordinator makes of it: every run is decided, none is stuck, all can be forgotten. */
async function recover(state: string): Promise<RunStatus[]> {
  const executor = localExecutor();
  await executor.open({ state });
  try {
    const found: RunStatus[] = [];
    for await (const status of executor.list()) found.push(status);
    const ended = await Promise.all(found.map((status) => executor.wait(status.attempt)));
    for (const status of ended) {
      const n = Number(status.attempt.job.split("-")[1]);
      assert.equal(status.notes.n, String(n));
      // No shell is killed here, so none may lose its exit code.
      assert(status.state === "finished", JSON.stringify(status));
      assert.equal(status.exitCode, n % 4);
      await executor.forget(status.attempt);
    }
    for await (const status of executor.list()) assert.fail(`still there: ${JSON.stringify(status)}`);
    return ended;
  } finally {
    await executor.close();
  }
}

Deno.test({
  name: `localExecutor() decides every run after its coordinator was killed, ${KILLS} times`,
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const state = Deno.makeTempDirSync();
    const program = new URL("killed_coordinator.ts", import.meta.url);
    const random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? Date.now() % 1000));
    try {
      let adopted = 0;
      for (let round = 0; round < KILLS; round++) {
        await killCoordinator(program, [state, `${round}`], random() * 60);
        adopted += (await recover(state)).length;
        const marks = Deno.readTextFileSync(`${state}/marks`).trim().split("\n");
        assert.equal(new Set(marks).size, marks.length, "a run was executed twice");
        assert.deepEqual([...Deno.readDirSync(`${state}/runs/work`)], []);
        assert.deepEqual([...Deno.readDirSync(`${state}/runs/.new`)], []);
      }
      assert(adopted > 0, "the coordinator was always killed too early to leave a run");
      await until("no process is left", () => processesIn(state).length === 0);
    } finally {
      Deno.removeSync(state, { recursive: true });
    }
  },
});
