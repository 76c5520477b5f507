/**
 * A pipeline whose scripts run in containers that see no file of this machine, and a coordinator of it that a test kills.
 *
 * @module
 */
import {
  containerTask,
  FileRepository,
  input,
  output,
  outputs,
  Pipeline,
  sh,
  YamlMetadataRepository,
} from "../../mod.ts";
import { dockerExecutor } from "../../executors/docker/mod.ts";

/** Where it runs. */
export interface Contained {
  readonly image: string;
  readonly hostname: string;
  readonly socket: string;
}

/** Repositories and the pipeline over them: each run copies a value, and leaves a mark that no other run leaves. */
export function marking(dir: string, where: Contained) {
  const books = new FileRepository(`${dir}/books`);
  const copies = new FileRepository(`${dir}/copies`);
  const marks = new FileRepository(`${dir}/marks`);
  const done = YamlMetadataRepository.files(`${dir}/done`);
  const task = containerTask("copy", {
    done,
    links: { books: input(books), copies: output(copies), marks: outputs(marks, { keys: "content" }) },
    executor: dockerExecutor({ socket: where.socket, sharesFiles: false }),
    image: where.image,
    script: ({ books, copies, marks }) =>
      sh`cat /proc/sys/kernel/random/uuid >${marks}/mark; sleep 1; cat ${books} >${copies}`,
  });
  const agent = { hostname: where.hostname };
  return {
    books,
    copies,
    marks,
    done,
    pipeline: new Pipeline({ tasks: [task], state: `${dir}/state`, agent }),
  };
}

if (import.meta.main) {
  const [dir, where] = Deno.args as [string, string];
  const run = marking(dir, JSON.parse(where)).pipeline.run();
  for await (const event of run) if (event.type === "started") console.log("begun");
}
