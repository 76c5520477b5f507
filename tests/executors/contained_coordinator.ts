/**
 * A pipeline whose scripts run where no file of this machine is seen, and a coordinator of it that a test kills.
 *
 * @module
 */
import {
  type BoundFolder,
  containerTask,
  FileRepository,
  input,
  output,
  outputs,
  Pipeline,
  processTask,
  sh,
  type Task,
  YamlMetadataRepository,
} from "../../mod.ts";
import { dockerExecutor } from "../../executors/docker/mod.ts";
import { kubernetesExecutor, type KubernetesExecutorOptions } from "../../executors/kubernetes/mod.ts";
import { sshExecutor, type SshExecutorOptions } from "../../executors/ssh/mod.ts";

/** Where it runs: one of three places. */
export interface Contained {
  /** The image of its containers or pods. */
  readonly image?: string;
  /** Where the agent listens. */
  readonly hostname?: string;
  /** The socket of an engine. */
  readonly socket?: string;
  /** A cluster. */
  readonly pods?: KubernetesExecutorOptions;
  /** How long scripts wait for an agent that does not answer. */
  readonly patience?: string;
  /** A host. */
  readonly ssh?: SshExecutorOptions;
}

/** Repositories and the pipeline over them: each run copies a value, and leaves a mark that no other run leaves. */
export function marking(
  dir: string,
  { image = "", hostname, socket, pods, ssh, patience = "1h" }: Contained,
) {
  const books = new FileRepository(`${dir}/books`);
  const copies = new FileRepository(`${dir}/copies`);
  const marks = new FileRepository(`${dir}/marks`);
  const done = YamlMetadataRepository.files(`${dir}/done`);
  const options = {
    done,
    patience,
    links: { books: input(books), copies: output(copies), marks: outputs(marks, { keys: "content" }) },
    // Nothing of what one node has: however many run, none waits for room.
    quota: { cpu: 0 },
    script: ({ books, copies, marks }: Readonly<Record<"books" | "copies" | "marks", BoundFolder>>) =>
      sh`cat /proc/sys/kernel/random/uuid >${marks.path}/mark; sleep 1; cat ${books.path} >${copies.path}`,
  } as const;
  const task: Task = ssh
    ? processTask("copy", { ...options, executor: sshExecutor(ssh) })
    : pods
    ? containerTask("copy", { ...options, image, executor: kubernetesExecutor(pods) })
    : containerTask("copy", {
      ...options,
      image,
      executor: dockerExecutor({ socket: socket!, sharesFiles: false }),
    });
  const agent = hostname === undefined ? {} : { hostname };
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
  const run = marking(dir, JSON.parse(where)).pipeline.run({ whenHeld: "wait" });
  for await (const event of run) if (event.type === "started") console.log("begun");
}
