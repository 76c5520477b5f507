/**
 * The entry of a worker that is a thread.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { Channel } from "../../core/channel.ts";
import type { FromWorker, Received, ToWorker } from "./protocol.ts";
import { serve } from "./runtime.ts";
import type { Posted, ThreadEvent } from "./thread.ts";

/** The thread as it sees itself. */
const scope = globalThis as unknown as {
  postMessage(message: Posted<FromWorker | ThreadEvent>): void;
  close(): void;
  onmessage: ((event: MessageEvent<Posted<ToWorker>>) => void) | null;
};

/**
 * Runs a worker.
 *
 * @param module The namespace of the module of the body.
 */
export async function main(module: { readonly default?: unknown }): Promise<void> {
  const channel = new Channel<Received<ToWorker>>();
  scope.onmessage = ({ data: { message, parts } }) =>
    channel.push({ message, parts: parts as readonly Bytes[] });
  const say = (message: FromWorker | ThreadEvent, parts: readonly Uint8Array[] = []): void =>
    scope.postMessage({ message, parts });
  const log = (line: string): void => say({ k: "log", line });
  const shown = (...values: readonly unknown[]): void =>
    log(
      values.map((value) => typeof value === "string" ? value : Deno.inspect(value, { colors: false })).join(
        " ",
      ),
    );
  Object.assign(console, { log: shown, info: shown, warn: shown, error: shown, debug: shown });
  const close = scope.close.bind(scope);
  // A thread that leaves says nothing by itself.
  Deno.exit = (code = 0): never => {
    say({ k: "exit", code });
    close();
    throw new Error("The worker is leaving");
  };

  await serve({
    wire: { send: say, received: channel, flushed: () => Promise.resolve(), close },
    log,
    mark: () => true,
    leave: close,
  }, module);
}
