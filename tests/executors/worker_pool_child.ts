/**
 * A coordinator of its own: `worker_pool_child.ts KIND ACT...` runs the acts as jobs, and tells of each log line and each end. A thread that loops is
 * cancelled. `RECYCLE_JOBS` says after how many jobs a worker is not used again.
 */
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
    grace: "100ms",
    executor: workerPool({
      kind: kind as "subprocess" | "worker",
      size: 1,
      recycle: { jobs: Number(Deno.env.get("RECYCLE_JOBS") ?? 1000) },
    }),
  },
  moduleBody<typeof import("../tasks/bodies/acts.ts")>(import.meta.resolve("../tasks/bodies/acts.ts")),
);
let looping = false;
await using pipeline = new Pipeline({ tasks: [task], state: null });
for await (const event of pipeline.run()) {
  if (event.type === "located") console.log(JSON.stringify({ where: event.where }));
  if (event.type === "log") {
    const { attempt: { job }, line } = event;
    console.log(JSON.stringify({ job, line }));
    if (line === "looping" && kind === "worker") looping = await pipeline.cancel("acts", job);
  }
}
for (const at of texts.keys()) {
  const { done, failed } = task.outcomes;
  const { reason, error } = await (await failed.has(`job-${at}`) ? failed : done).get(`job-${at}`);
  const bytes = await to.find(`job-${at}`);
  const text = bytes && new TextDecoder().decode(bytes);
  console.log(JSON.stringify({ job: `job-${at}`, reason, error: error?.message, text }));
}
// A thread that never comes back goes on, and would keep the program.
if (looping) Deno.exit();
