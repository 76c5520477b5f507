/** A coordinator of its own: `worker_pool_child.ts KIND ACT...` runs the acts as jobs, and tells of each log line and each end. */
import {
  functionTask,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  moduleBody,
  Pipeline,
  workerPool,
} from "../../mod.ts";
import { textLinks } from "../tasks/bodies/links.ts";

const [kind, ...texts] = Deno.args;
const [from, to] = [new MemoryBlobRepository("from"), new MemoryBlobRepository("to")];
for (const [at, text] of texts.entries()) await from.put(`job-${at}`, text);
const task = functionTask(
  "acts",
  {
    done: new MemoryMetadataRepository("done"),
    links: textLinks(from, to),
    executor: workerPool({ kind: kind as "subprocess" | "worker", size: 1 }),
  },
  moduleBody<typeof import("../tasks/bodies/acts.ts")>(import.meta.resolve("../tasks/bodies/acts.ts")),
);
await using pipeline = new Pipeline({ tasks: [task], state: null });
for await (const event of pipeline.run()) {
  if (event.type === "located") console.log(JSON.stringify({ where: event.where }));
  if (event.type === "log") console.log(JSON.stringify({ job: event.attempt.job, line: event.line }));
}
for (const at of texts.keys()) {
  const { reason, error } = await task.outcomes.done.get(`job-${at}`);
  const bytes = await to.find(`job-${at}`);
  const text = bytes && new TextDecoder().decode(bytes);
  console.log(JSON.stringify({ job: `job-${at}`, reason, error: error?.message, text }));
}
