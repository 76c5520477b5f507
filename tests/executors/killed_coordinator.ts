/**
 * A coordinator that a test kills: starts, awaits and forgets runs until then.
 *
 * @module
 */
import { localExecutor } from "../../executors/local.ts";

const [state, round] = Deno.args as [string, string];
const executor = localExecutor();
await executor.open({ state });
let next = 0;

async function lane(lane: number): Promise<void> {
  while (true) {
    const n = next++;
    const attempt = { task: "work", job: `r${round}-${n}`, replica: 0, attempt: 1 };
    const script = `echo ${attempt.job} >> '${state}/marks'; ${n % 3 === 0 ? "sleep 0.05; " : ""}${
      n % 7 === 0 ? "sleep 30 & " : ""
    }exit ${n % 4}`;
    await executor.start(attempt, {
      kind: "process",
      script,
      environment: {},
      mergeStderr: n % 2 === 0,
      notes: { n: String(n) },
    }, { quota: {} });
    if (n === 0) console.log("begun");
    if ((n + lane) % 3 !== 0) continue;
    await executor.wait(attempt);
    if (n % 2 === 0) await executor.forget(attempt);
  }
}

await Promise.all([lane(0), lane(1), lane(2)]);
