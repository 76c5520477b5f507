/**
 * A coordinator in a process of its own, for tests: its jobs go on until they are stopped or a key is in `go`.
 *
 * @module
 */
import { pipelineIn } from "./shared_pipeline.ts";

if (import.meta.main) {
  const run = pipelineIn(Deno.args[0]!).run({ whenHeld: Deno.args[1] === "wait" ? "wait" : "fail" });
  for await (const event of run) {
    const attempt = "attempt" in event ? ` ${event.attempt.task}/${event.attempt.job}` : "";
    console.log(`${event.type}${attempt}`);
  }
  await run.finished;
}
