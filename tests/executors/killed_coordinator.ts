/**
 * A coordinator of processes that a test kills.
 *
 * @module
 */
import { localExecutor } from "../../executors/local.ts";
import { markingScript, startForever } from "./endless.ts";

const [state, round] = Deno.args as [string, string];
const executor = localExecutor();
await executor.open({ state });
await startForever(executor, round, 3, (attempt, n) =>
  executor.start(attempt, {
    kind: "process",
    script: markingScript(n, attempt.job, `${state}/marks`),
    environment: {},
    mergeStderr: n % 2 === 0,
    notes: { n: `${n}` },
  }, { quota: {} }));
