/**
 * The inside of a worker: it loads one module, and runs its default export for one attempt after another.
 *
 * @module
 */
import { StopError } from "../../core/attempt.ts";
import { Peer } from "./peer.ts";
import type { FromWorker, ToWorker, Wire } from "./protocol.ts";

/** What a worker does in its own way. */
export interface WorkerSide {
  /** The line to the pool. */
  readonly wire: Wire<ToWorker, FromWorker>;
  /** Writes a line to the log of the job. */
  readonly log: (line: string) => void;
  /** Marks the end of what a run has written; `false` when that cannot be done. */
  readonly mark: (mark: string) => boolean;
  /** Leaves. */
  readonly leave: () => void;
}

/** The run under way. */
interface Running {
  readonly n: number;
  readonly mark: string;
  readonly peer: Peer;
  readonly stop: AbortController;
}

/**
 * Serves the pool until the line ends.
 *
 * @param side What this worker does in its own way.
 * @param module The namespace of the module of the body.
 */
export async function serve(side: WorkerSide, module: { readonly default?: unknown }): Promise<void> {
  const { wire } = side;
  let running: Running | undefined;
  /** Told to what has outlived its attempt; the next one is not to blame for it. */
  const lateErrors = new WeakSet<Error>();
  const { default: body } = module;
  if (typeof body !== "function") {
    const message = `its default export is ${
      body === undefined ? "missing" : `a ${typeof body}`
    }; export a function: export default async function (context) { ... }`;
    wire.send({ k: "unusable", error: message });
    await wire.flushed();
    return side.leave();
  }

  const end = (run: Running, error: { readonly reason: unknown } | undefined, again: boolean): void => {
    if (running !== run) return;
    running = undefined;
    const parts: Uint8Array[] = [];
    wire.send({
      k: "end",
      n: run.n,
      ...(error && { error: asSent(run.peer, error.reason, parts) }),
      marked: side.mark(run.mark),
      again,
      rss: Deno.memoryUsage().rss,
    }, parts);
    const late = new Error("The attempt is over; wait for all that the body has begun before it returns");
    lateErrors.add(late);
    run.peer.close(late);
  };

  const run = async (
    { n, mark, context }: ToWorker & { k: "run" },
    parts: Parameters<Peer["decode"]>[1],
  ): Promise<void> => {
    const peer = new Peer((message, parts) => wire.send({ ...message, n }, parts));
    const stop = new AbortController();
    const mine: Running = running = { n, mark, peer, stop };
    wire.send({ k: "begun", n });
    const log = (...values: readonly unknown[]): void => {
      if (running === mine) side.log(values.map(show).join(" "));
    };
    try {
      const links = peer.decode(context, parts) as Record<string, unknown>;
      await body({ ...links, signal: stop.signal, log });
      end(mine, undefined, !stop.signal.aborted);
    } catch (error) {
      end(mine, { reason: error }, !stop.signal.aborted);
    }
  };

  // What nobody has caught ends the attempt, and the worker with it: who knows what state it is in.
  const uncaught = (event: Event, reason: unknown): void => {
    event.preventDefault();
    if (reason instanceof Error && lateErrors.has(reason)) return;
    if (running) end(running, { reason }, false);
    void wire.flushed().then(side.leave);
  };
  globalThis.addEventListener("unhandledrejection", (event) => uncaught(event, event.reason));
  globalThis.addEventListener("error", (event) => uncaught(event, event.error ?? new Error(event.message)));

  wire.send({ k: "ready" });
  for await (const { message, parts } of wire.received) {
    if (message.k === "run") void run(message, parts);
    else if (running?.n !== message.n) continue;
    else if (message.k === "stop") running.stop.abort(message.why ? new StopError(message.why) : undefined);
    else running.peer.handle(message, parts);
  }
  side.leave();
}

/** What a body has thrown, as it is sent: whatever it is. */
function asSent(peer: Peer, reason: unknown, parts: Uint8Array[]): unknown {
  try {
    return peer.encode(reason, parts);
  } catch {
    parts.length = 0;
    return peer.encode(Deno.inspect(reason, { colors: false }), parts);
  }
}

/** A value as a line of a log shows it. */
function show(value: unknown): string {
  return typeof value === "string" ? value : Deno.inspect(value, { colors: false });
}
