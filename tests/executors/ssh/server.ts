/**
 * The server of SSH that the tests use, and executors on it whose folders go away when a test is over.
 *
 * @module
 */
import type { Executor, ProcessWork } from "../../../executors/executor.ts";
import { sshExecutor, type SshExecutorOptions } from "../../../executors/ssh/mod.ts";
import { needs } from "../../../testing/needs.ts";

const service = needs("sshd", ["SSH_HOST", "SSH_PORT", "SSH_USER", "SSH_KEY", "SSH_KNOWN_HOSTS"]);

/** Whether there is a server. */
export const { available } = service;

/** How it is reached. */
export const address = {
  host: service.get("SSH_HOST"),
  port: Number(service.get("SSH_PORT")),
  user: service.get("SSH_USER"),
  identity: service.get("SSH_KEY"),
  knownHosts: service.get("SSH_KNOWN_HOSTS"),
} as const;

/** The file of the server's program, and of busybox; empty where they are not known. */
export const program: string = Deno.env.get("SSH_PROGRAM") ?? "";
export const busybox: string = Deno.env.get("SSH_BUSYBOX") ?? "";

/** A folder of a test: the state of its executors, and what they keep on the host, which is this machine. */
export class Place {
  /** The state. */
  readonly state: string = Deno.makeTempDirSync();
  /** The folder on the host. */
  readonly root: string = Deno.makeTempDirSync();

  /** @param stack Removes both in the end. */
  constructor(stack: AsyncDisposableStack) {
    stack.defer(() => Deno.remove(this.state, { recursive: true }));
    stack.defer(() => Deno.remove(this.root, { recursive: true }).catch(() => {}));
  }

  /** An executor, not yet open. */
  executor(options: Partial<SshExecutorOptions> = {}): Executor<ProcessWork> {
    return sshExecutor({ ...address, root: this.root, ...options });
  }

  /** An executor that is open, and closed in the end. */
  async opened(
    stack: AsyncDisposableStack,
    options: Partial<SshExecutorOptions> = {},
  ): Promise<Executor<ProcessWork>> {
    const executor = this.executor(options);
    await executor.open({ state: this.state });
    stack.defer(() => executor.close());
    return executor;
  }

  /** What is left of runs: all but the folders that are there as long as the executor is. */
  leftovers(): string[] {
    const found: string[] = [];
    const walk = (folder: string, depth: number): void => {
      for (const entry of Deno.readDirSync(folder)) {
        const path = `${folder}/${entry.name}`;
        // <id>/<host>/ and then: folders of tasks, `.new` and `.watch`.
        if (depth >= 3 && !/\/(\.new|\.watch)\/[^/]+$/.test(path)) {
          found.push(path.slice(this.root.length + 1));
        }
        if (entry.isDirectory) walk(path, depth + 1);
      }
    };
    walk(this.root, 0);
    return found;
  }
}

/** Registers a test that needs the server. */
export function sshTest(
  name: string,
  body: (stack: AsyncDisposableStack) => Promise<void>,
  ignore = false,
): void {
  Deno.test({
    name,
    ignore: !available || ignore,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await body(stack);
    },
  });
}
