/**
 * A coordinator of processes on a host over SSH that a test kills.
 *
 * @module
 */
import { sshExecutor } from "../../../executors/ssh/mod.ts";
import { markingScript, startForever } from "../endless.ts";

const [state, round, options] = Deno.args as [string, string, string];
const executor = sshExecutor(JSON.parse(options));
await executor.open({ state });
await startForever(executor, round, 3, (attempt, n) =>
  executor.start(attempt, {
    kind: "process",
    script: markingScript(n, attempt.job, `${state}/marks`),
    environment: {},
    mergeStderr: true,
    notes: { n: `${n}` },
  }, { quota: {} }));
