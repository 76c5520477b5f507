/**
 * A worker that is a thread of this process. It starts sooner and takes less than a process, and isolates less: memory is shared, and a body that
 * never comes back to its event loop cannot be ended.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { Channel } from "../../core/channel.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { Permissions } from "../permissions.ts";
import type { FromWorker, Received, ToWorker, Wire } from "./protocol.ts";
import type { WorkerSpec } from "./subprocess.ts";
import type { WorkerHost } from "./worker.ts";

/**
 * Starts a thread.
 *
 * @param spec What it may do.
 * @param id What tells it from others.
 * @returns What it is made of.
 */
export function startThread(spec: WorkerSpec, id: number): WorkerHost {
  return new Thread(spec, id);
}

/** A message to or from a thread, as it is posted. */
export interface Posted<T> {
  /** What is said. */
  readonly message: T;
  /** The bytes that belong to it. */
  readonly parts: readonly Uint8Array[];
}

/** What a thread says besides the messages of a worker. */
export type ThreadEvent =
  /** The body has asked to leave. */
  { readonly k: "exit"; readonly code: number };

class Thread implements WorkerHost {
  readonly where: string;
  readonly wire: Wire<FromWorker, ToWorker>;
  readonly gone: Promise<Error>;
  readonly #thread: globalThis.Worker;
  readonly #channel = new Channel<Received<FromWorker>>();
  readonly #end: (why: Error) => void;
  #sink: ((line: string) => void) | undefined;

  constructor(spec: WorkerSpec, id: number) {
    this.where = `thread ${id}`;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.gone = promise;
    this.#end = (why) => {
      this.#thread.terminate();
      this.#channel.close();
      resolve(why);
    };
    const main = new URL("./thread_main.ts", import.meta.url).href;
    const entry = [
      `import * as module from ${JSON.stringify(spec.module)};`,
      `import { main } from ${JSON.stringify(main)};`,
      `await main(module);`,
    ].join("\n");
    const options = {
      type: "module",
      name: spec.module,
      deno: { permissions: permissionsOf(spec.permissions) },
    };
    this.#thread = new globalThis.Worker(
      `data:application/typescript,${encodeURIComponent(entry)}`,
      options as WorkerOptions,
    );
    this.#thread.addEventListener("message", (event) => this.#take(event.data));
    this.#thread.addEventListener("error", (event) => {
      event.preventDefault();
      this.#end(failed(event.message.replace(/^Uncaught (\(in promise\) )?/, "")));
    });
    this.wire = {
      send: (message, parts = []) => this.#thread.postMessage({ message, parts } satisfies Posted<ToWorker>),
      received: this.#channel,
      flushed: () => Promise.resolve(),
      close: () => this.#end(failed("The line to it was closed")),
    };
  }

  kill(): Promise<void> {
    this.#end(failed("The worker was ended"));
    return Promise.resolve();
  }

  measure(): () => undefined {
    return () => undefined;
  }

  logTo(sink: ((line: string) => void) | undefined): void {
    this.#sink = sink;
  }

  /** Lines come by the line itself, in order. */
  marked(): Promise<void> {
    return Promise.resolve();
  }

  #take({ message, parts }: Posted<FromWorker | ThreadEvent>): void {
    if (message.k === "exit") {
      this.#end(failed(
        `The worker left with code ${message.code} before the body had returned; a body returns or throws, and does not call Deno.exit()`,
      ));
    } else if (message.k === "log") this.#sink?.(message.line);
    else this.#channel.push({ message, parts: parts as readonly Bytes[] });
  }
}

/** Permissions as a thread wants them. */
function permissionsOf(permissions: Permissions): Record<string, boolean | readonly string[]> {
  const kinds = ["read", "write", "net", "env", "run", "sys", "ffi", "import"] as const;
  return Object.fromEntries(kinds.map((kind) => [kind, permissions[kind] ?? false]));
}

function failed(message: string): Error {
  const error = new ExecutorError("run-failed", message, { operation: "run", subject: "worker" });
  Object.defineProperty(error, "stack", { value: undefined });
  return error;
}
