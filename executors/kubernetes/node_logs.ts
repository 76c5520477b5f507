/**
 * What a run on every node has written: the lines of all its pods, each after the name of its node.
 *
 * @module
 */
import { type Bytes, concat, encodeText } from "../../core/bytes.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import type { Entry } from "./entry.ts";
import { Linked } from "./linked.ts";
import type { Pod } from "./objects.ts";
import type { Runs } from "./runs.ts";
import { head } from "./script.ts";
import { listing, type Subject, watchAll } from "./watch.ts";

/** The longest line that is kept in one piece, in bytes. */
const LINE = 1 << 16;
/** How much is kept of what each pod of a run has written once it was stopped, in bytes. */
const KEPT = 1 << 18;
/** How many lines of each pod that is. */
const TAIL = "10000";

/** Puts a text before each line. What comes first of a script says which run it is, and is left out. */
async function* prefixed(
  stream: AsyncIterable<Bytes>,
  prefix: Bytes,
  first: string,
): AsyncGenerator<Bytes, void, void> {
  let rest: Bytes = new Uint8Array();
  const lines = (data: Bytes): Bytes => {
    const parts: Bytes[] = [];
    for (let at = 0; at < data.length;) {
      const end = data.indexOf(10, at) + 1 || data.length;
      const line = data.subarray(at, end);
      at = end;
      if (line.length === first.length && new TextDecoder().decode(line) === first) continue;
      parts.push(prefix, line);
    }
    return concat(parts);
  };
  for await (const chunk of stream) {
    const data = concat([rest, chunk]);
    const end = data.lastIndexOf(10) + 1 || (data.length > LINE ? data.length : 0);
    rest = data.slice(end);
    if (end > 0) yield lines(data.subarray(0, end));
  }
  if (rest.length > 0) yield lines(concat([rest, encodeText("\n")]));
}

/** Reads the log of one pod, as far as it has one. */
async function copyLog(
  api: Api,
  pod: Pod,
  entry: Entry,
  query: Readonly<Record<string, string>>,
  write: (bytes: Bytes) => Promise<void> | void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const prefix = encodeText(`${pod.spec.nodeName ?? pod.metadata.name} | `);
  try {
    const path = `${api.path("pods", pod.metadata.name)}/log`;
    const stream = await api.stream({ path, query: { container: entry.container, ...query }, signal });
    for await (const lines of prefixed(stream, prefix, head(entry.name))) await write(lines);
  } catch (error) {
    signal?.throwIfAborted();
    // It is gone, or its container has not begun: then it has written nothing that could be read.
    if (!(error instanceof ApiFault) && !(error instanceof TypeError)) throw error;
  }
}

/**
 * Reads what a run on every node has written.
 *
 * @param api Where.
 * @param runs Where runs are kept.
 * @param subject Its pods.
 * @param entry Which.
 * @param follow Whether to go on until it is stopped.
 * @param signal When to stop.
 * @returns The lines of all pods, in the order in which they come.
 */
export function nodeLogs(
  api: Api,
  runs: Runs,
  subject: Subject,
  entry: Entry,
  follow: boolean,
  signal: AbortSignal | undefined,
): ReadableStream<Bytes> {
  const over = new Linked(signal, runs.closing);
  const pipe = new TransformStream<Bytes, Bytes>();
  const writer = pipe.writable.getWriter();
  const write = (bytes: Bytes): Promise<void> => writer.write(bytes);
  const all = async (): Promise<void> => {
    if (entry.kept !== undefined) return await write(entry.kept);
    if (!follow) {
      for await (const pod of listing<Pod>(api, subject, over.signal)) {
        await copyLog(api, pod, entry, {}, write, over.signal);
      }
      return;
    }
    await followAll(api, runs, subject, entry, write, over.signal);
  };
  // A reader that leaves ends it.
  writer.closed.catch((error) => over.abort(error ?? new DOMException("Nobody reads", "AbortError")));
  all().then(() => writer.close(), (error) => writer.abort(error)).catch(() => {})
    .finally(() => over[Symbol.dispose]());
  return pipe.readable;
}

/** Follows each container of each pod, until the run has ended. */
async function followAll(
  api: Api,
  runs: Runs,
  subject: Subject,
  entry: Entry,
  write: (bytes: Bytes) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  using over = new Linked(signal);
  const begun = new Set<string>();
  const copies: Promise<void>[] = [];
  const seen = (pod: Pod): void => {
    const main = pod.status?.containerStatuses?.find(({ name }) => name === entry.container);
    const since = main?.state?.running?.startedAt;
    const which = `${pod.metadata.uid} ${since}`;
    if (since === undefined || begun.has(which)) return;
    begun.add(which);
    copies.push(
      copyLog(api, pod, entry, { follow: "true" }, write, over.signal).catch((error) => over.abort(error)),
    );
  };
  const ended = runs.ended(entry, over.signal).then(() => over.abort(ENDED), (error) => over.abort(error));
  try {
    await runs.patiently(
      () => watchAll<Pod>(api, subject, { listing() {}, seen, gone() {}, listed() {} }, over.signal),
      over.signal,
    );
  } catch (error) {
    over.abort(error);
    await Promise.all([ended, ...copies]);
    if (error !== ENDED) throw error;
  }
}

const ENDED = new DOMException("The run has ended", "AbortError");

/**
 * Reads what a run on every node still writes while it is stopped, when it can be read for the last time.
 *
 * @param api Where.
 * @param subject Its pods.
 * @param entry Which.
 * @param signal When to stop.
 * @returns Its last lines, once all its pods have ended: call it after they were told to.
 */
export async function lastLines(
  api: Api,
  subject: Subject,
  entry: Entry,
  signal: AbortSignal | undefined,
): Promise<() => Promise<Bytes>> {
  const kept: Bytes[] = [];
  const copies: Promise<void>[] = [];
  for await (const pod of listing<Pod>(api, subject, signal)) {
    const mine: Bytes[] = [];
    const write = (bytes: Bytes): void => {
      mine.push(bytes);
      for (let size = mine.reduce((sum, { length }) => sum + length, 0); size > KEPT && mine.length > 1;) {
        size -= mine.shift()!.length;
      }
    };
    copies.push(
      copyLog(api, pod, entry, { follow: "true", tailLines: TAIL }, write, signal).catch(() => {})
        .then(() => void kept.push(...mine)),
    );
  }
  return async () => {
    await Promise.all(copies);
    return concat(kept);
  };
}
