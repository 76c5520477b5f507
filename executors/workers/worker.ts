/**
 * A worker as its pool sees it, whatever it is made of: it runs one body after another.
 *
 * @module
 */
import { StopError } from "../../core/attempt.ts";
import type { ResourceUse } from "../executor.ts";
import type { FunctionRunOptions } from "../function_work.ts";
import { Peer } from "./peer.ts";
import type { FromWorker, Received, ToWorker, Wire } from "./protocol.ts";

/** What a worker is made of. */
export interface WorkerHost {
  /** What people call it: `pid 4711`. */
  readonly where: string;
  /** The line to it. */
  readonly wire: Wire<FromWorker, ToWorker>;
  /** Resolves when it has ended, with why. */
  readonly gone: Promise<Error>;
  /** Ends it, with all that it has started. Resolves when nothing of it is left, or when it does not let itself be ended. */
  kill(): Promise<void>;
  /** Begins to look at what a run uses. The function gives what it has used. */
  measure(): () => ResourceUse | undefined;
  /** Where what it writes goes from now on. */
  logTo(sink: ((line: string) => void) | undefined): void;
  /** Waits for the end of what a run has written. */
  marked(mark: string): Promise<void>;
}

/** How a run has ended in a worker. */
export interface WorkerEnd {
  /** What went wrong. */
  readonly error?: { readonly reason: unknown } | undefined;
  /** Whether the body has begun. */
  readonly begun: boolean;
  /** What the run used. */
  readonly resources: ResourceUse | undefined;
}

/** The run under way. */
interface Running {
  readonly n: number;
  readonly peer: Peer;
  begun: boolean;
  readonly end: (
    result: { readonly error?: { readonly reason: unknown } | undefined; readonly marked: boolean },
  ) => void;
}

/** A worker. */
export class Worker {
  /** When it was started, on a clock that never jumps, in milliseconds. */
  readonly since: number = performance.now();
  /** What it is made of. */
  readonly host: WorkerHost;
  /** Resolves when its module is loaded; rejects when it cannot be. */
  readonly ready: Promise<void>;
  #jobs = 0;
  #memory = 0;
  #fit = true;
  #running: Running | undefined;

  /** @param host What it is made of. */
  constructor(host: WorkerHost) {
    this.host = host;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    promise.catch(() => {});
    void this.#listen(resolve, reject);
    void host.gone.then((why) => {
      this.#fit = false;
      reject(why);
      this.#running?.end({ error: { reason: why }, marked: false });
    });
  }

  /** How many runs it has had. */
  get jobs(): number {
    return this.#jobs;
  }

  /** How many bytes it held after its last run. */
  get memory(): number {
    return this.#memory;
  }

  /** Whether it may run another. */
  get fit(): boolean {
    return this.#fit;
  }

  /**
   * Runs the body.
   *
   * @param context What it is called with.
   * @param options How.
   * @returns How it has ended.
   */
  async run(context: Readonly<Record<string, unknown>>, options: FunctionRunOptions): Promise<WorkerEnd> {
    const { host } = this;
    const { signal, clock, graceMs } = options;
    const n = ++this.#jobs;
    const mark = `\x1e${crypto.randomUUID()}`;
    const peer = new Peer((message, parts) => host.wire.send({ ...message, n }, parts));
    const { promise: ended, resolve: end } = Promise.withResolvers<Parameters<Running["end"]>[0]>();
    const running: Running = this.#running = { n, peer, begun: false, end };
    const parts: Uint8Array[] = [];
    const used = host.measure();
    const written = host.marked(mark);
    host.logTo((line) => options.log(line));
    options.located(host.where);
    let cancel: (() => void) | undefined;
    const onAbort = (): void => {
      const why = signal.reason instanceof StopError ? signal.reason.why : undefined;
      host.wire.send({ k: "stop", n, why });
      cancel = clock.after(graceMs, () => void host.kill());
    };
    try {
      host.wire.send({ k: "run", n, mark, context: peer.encode(context, parts) }, parts);
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      const { error, marked } = await ended;
      if (marked || !this.#fit) await Promise.race([written, host.gone]);
      return { error, begun: running.begun, resources: used() };
    } finally {
      used();
      signal.removeEventListener("abort", onAbort);
      cancel?.();
      peer.close(new Error("The attempt is over"));
      host.logTo(undefined);
      this.#running = undefined;
    }
  }

  async #listen(ready: () => void, failed: (why: unknown) => void): Promise<void> {
    try {
      for await (const received of this.host.wire.received) this.#take(received, ready, failed);
    } catch {
      // A line that ends in the middle of something is a line that has ended: `gone` says why.
    }
    await this.host.kill();
  }

  #take({ message, parts }: Received<FromWorker>, ready: () => void, failed: (why: unknown) => void): void {
    if (message.k === "ready") return ready();
    if (message.k === "unusable") return failed(new Error(String(message.error)));
    const running = this.#running;
    if (message.k === "log" || message.n !== running?.n) return;
    if (message.k === "begun") running.begun = true;
    else if (message.k === "end") {
      this.#memory = message.rss;
      if (!message.again) this.#fit = false;
      const error = "error" in message ? { reason: running.peer.decode(message.error, parts) } : undefined;
      running.end({ error, marked: message.marked });
    } else running.peer.handle(message, parts);
  }
}
