/**
 * A coordinator that a test kills: starts runs and awaits their ends until then.
 *
 * @module
 */
import { sshExecutor } from "../../../executors/ssh/mod.ts";

const [state, round, options] = Deno.args as [string, string, string];
const executor = sshExecutor(JSON.parse(options));
await executor.open({ state });
let next = 0;

async function lane(): Promise<void> {
  while (true) {
    const n = next++;
    const attempt = { task: "work", job: `r${round}-${n}`, replica: 0, attempt: 1 };
    const script = `echo ${attempt.job} >>'${state}/marks'; ${n % 3 === 0 ? "sleep 0.05; " : ""}${
      n % 7 === 0 ? "sleep 30 & " : ""
    }exit ${n % 4}`;
    await executor.start(attempt, {
      kind: "process",
      script,
      environment: {},
      mergeStderr: true,
      notes: { n: String(n) },
    }, { quota: {} });
    if (n === 0) console.log("begun");
    if (n % 3 !== 0) continue;
    await executor.wait(attempt);
    if (n % 2 === 0) await executor.forget(attempt);
  }
}

await Promise.all([lane(), lane(), lane()]);
