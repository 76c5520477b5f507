/**
 * A pipeline whose scripts run over SSH, and a coordinator of it that a test kills.
 *
 * @module
 */
import {
  FileRepository,
  input,
  output,
  Pipeline,
  processTask,
  sh,
  YamlMetadataRepository,
} from "../../../mod.ts";
import { sshExecutor, type SshExecutorOptions } from "../../../executors/ssh/mod.ts";

/** Repositories and the pipeline over them: each job notes that it runs, and copies a large value twice. */
export function copying(dir: string, options: SshExecutorOptions, pause: string) {
  const books = new FileRepository(`${dir}/books`);
  const copies = new FileRepository(`${dir}/copies`);
  const done = YamlMetadataRepository.files(`${dir}/done`);
  const task = processTask("copy", {
    done,
    links: { books: input(books), copies: output(copies) },
    executor: sshExecutor(options),
    script: ({ job, books, copies }) =>
      sh`echo ${job} >>${`${dir}/marks`}; cat ${books} ${books} >${copies}; ${sh.raw(pause)}`,
  });
  return { books, copies, done, pipeline: new Pipeline({ tasks: [task], state: `${dir}/state` }) };
}

if (import.meta.main) {
  const [dir, options, pause] = Deno.args as [string, string, string];
  const { pipeline } = copying(dir, JSON.parse(options), pause);
  const run = pipeline.run();
  for await (const event of run) if (event.type === "started") console.log("begun");
}
