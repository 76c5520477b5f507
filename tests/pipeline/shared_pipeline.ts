/**
 * A pipeline over files in a folder, as several processes run it.
 *
 * @module
 */
import {
  fileDriver,
  FileRepository,
  functionTask,
  input,
  json,
  MetadataRepository,
  output,
  Pipeline,
} from "../../mod.ts";
import { encoded } from "../../repositories/encoded.ts";

/** The repositories in a folder. */
export function storesIn(folder: string): Record<"jobs" | "go" | "out", FileRepository> {
  const files = (name: string): FileRepository =>
    new FileRepository(`${folder}/${name}`, { extension: ".txt" });
  return { jobs: files("jobs"), go: files("go"), out: files("out") };
}

/** A pipeline of one task, whose jobs wait until they are let go. */
export function pipelineIn(folder: string): Pipeline {
  const { jobs, go, out } = storesIn(folder);
  const done = new MetadataRepository(encoded(fileDriver(`${folder}/done`, { extension: ".json" }), json));
  const wait = functionTask(
    "wait",
    { done, grace: "1s", links: { jobs: input(jobs), out: output(out) } },
    async ({ job, signal, out }) => {
      while (!await go.has(job)) {
        signal.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await out.write(String(Deno.pid));
    },
  );
  return new Pipeline({ tasks: [wait], state: `${folder}/state` });
}
