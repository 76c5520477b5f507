/**
 * What a run has written: the log of its container, byte for byte, without the line that it begins with.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { Api } from "./api.ts";
import { ApiFault, isAway } from "./fault.ts";
import { chunks, Linked } from "./linked.ts";
import { STDERR } from "./objects.ts";
import type { Entry } from "./entry.ts";
import type { Runs } from "./runs.ts";
import { head } from "./script.ts";

/** What is to be read. */
export interface LogOrder {
  readonly entry: Entry;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** What is being done, for errors. */
  readonly action: string;
  readonly signal: AbortSignal | undefined;
}

/** The largest piece that is handed on, in bytes. */
const PIECE = 1 << 16;
/** How long to wait for news of a run whose log has ended before its log is asked for again, in milliseconds. */
const NEWS = 1000;

/**
 * Reads a log. It reads no faster than it is read, and goes on where it was when the apiserver comes back.
 *
 * @param api Where it is.
 * @param runs Where runs are kept.
 * @param order What is to be read.
 * @returns The bytes. They fail at the end when the beginning is no longer there.
 */
export function logStream(api: Api, runs: Runs, order: LogOrder): ReadableStream<Bytes> {
  const stop = new Linked(order.signal, runs.closing);
  const { signal } = stop;
  const pieces = read(api, runs, { ...order, signal });
  let abort = (): void => {};
  return new ReadableStream<Bytes>({
    start(controller) {
      abort = () => {
        controller.error(signal.reason);
        pieces.return().catch(() => {});
      };
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    },
    async pull(controller) {
      try {
        const { value, done } = await pieces.next();
        if (signal.aborted) return;
        if (!done) return controller.enqueue(value);
        stop[Symbol.dispose]();
        controller.close();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    async cancel() {
      signal.removeEventListener("abort", abort);
      stop.abort();
      await pieces.return();
    },
  }, { highWaterMark: 0 });
}

async function* read(
  api: Api,
  runs: Runs,
  order: LogOrder & { readonly signal: AbortSignal },
): AsyncGenerator<Bytes, void, void> {
  const { entry, stderr, follow, signal } = order;
  const container = stderr ? STDERR : entry.container;
  const first = new Beginning(
    stderr || entry.headed ? new TextEncoder().encode(head(entry.name)) : undefined,
  );
  let sent = 0;
  while (true) {
    // What has ended says all that it has still to say, and then its log ends.
    const over = entry.ended !== undefined;
    const query = { container, ...((follow || over) && { follow: "true" }) };
    let skip = sent;
    first.again();
    try {
      for await (const chunk of await open(api, runs, entry, query, signal)) {
        for (const piece of first.take(chunk)) {
          const rest = piece.subarray(Math.min(skip, piece.length));
          skip -= piece.length - rest.length;
          sent += rest.length;
          for (let at = 0; at < rest.length; at += PIECE) yield rest.slice(at, at + PIECE);
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiFault && !error.away) throw error;
      await runs.patiently(() => api.find({ path: api.path("pods", entry.pod), signal }), signal);
      if (entry.gone) return;
      continue;
    }
    if (!follow || over || entry.gone) break;
    if (!entry.ended) await news(runs, entry, signal);
  }
  if (!first.missing) return;
  throw new ExecutorError(
    "lost",
    `Cannot ${order.action}: its beginning is gone: the node keeps only the end of a log this long (containerLogMaxSize of the kubelet); write large output to a link`,
    { operation: "read", subject: entry.name },
  );
}

/** The log of a container, once it has one. */
async function open(
  api: Api,
  runs: Runs,
  entry: Entry,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<AsyncIterable<Bytes>> {
  while (true) {
    const path = `${api.path("pods", entry.pod)}/log`;
    try {
      if (entry.pod === "") throw new ApiFault("its Job has no pod", { status: 404 });
      return await runs.patiently(() => api.stream({ path, query, signal }), signal);
    } catch (error) {
      if (!(error instanceof ApiFault) || isAway(error)) throw error;
      // A container that has not begun has no log, and one that is gone none any more.
      if (error.status !== 400 && error.status !== 404 && error.status !== 500) throw error;
      if (!query.follow || entry.ended || entry.gone) return chunks(new Blob([]).stream(), undefined);
    }
    await news(runs, entry, signal);
  }
}

/** Waits for news of a run, but not long: its end may be known already. */
async function news(runs: Runs, entry: Entry, signal: AbortSignal): Promise<void> {
  using over = new Linked(signal);
  const timer = setTimeout(() => over.abort(), NEWS);
  try {
    await runs.changed(entry, over.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!over.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Takes the first line of a log away, and notices when it is not there. */
class Beginning {
  readonly #expected: Uint8Array | undefined;
  #seen = 0;
  /** Whether something else came first. */
  missing = false;

  constructor(expected: Uint8Array | undefined) {
    this.#expected = expected;
  }

  /** The log is read from its beginning once more. */
  again(): void {
    this.#seen = 0;
  }

  *take(chunk: Bytes): Generator<Bytes> {
    const expected = this.#expected;
    if (expected === undefined || this.missing || this.#seen === expected.length) {
      yield chunk;
      return;
    }
    for (const [at, byte] of chunk.entries()) {
      if (byte !== expected[this.#seen]) {
        this.missing = true;
        yield expected.slice(0, this.#seen) as Bytes;
        yield chunk.subarray(at);
        return;
      }
      if (++this.#seen === expected.length) {
        yield chunk.subarray(at + 1);
        return;
      }
    }
  }
}
