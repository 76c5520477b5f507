/**
 * Reading what a run on a host writes, while it writes: over a channel of its own that the host closes with the run, or that is opened
 * again where it was cut off.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import { type Bytes, streamOf } from "../../core/bytes.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import { type Channel, hangUp, output } from "./channels.ts";
import { LostError } from "./fault.ts";
import { type Host, quote } from "./host.ts";
import { folderOf, type SshRuns } from "./runs.ts";

/** How often a log is looked at for which no channel is free, in milliseconds. */
const AGAIN = 300;

/** How many channels are kept free for what does not last. */
const SPARE = 5;

/** Goes on until its input ends, which is when nobody follows any more. */
const FOLLOW = 'tail -c +"$1" -f "$0" & read -r x; kill $! 2>/dev/null';

/** What is read. */
export interface LogSource {
  /** The run. */
  readonly attempt: Attempt;
  /** Which of its logs. */
  readonly stream: "stdout" | "stderr";
  /** Whether to go on until it has ended. */
  readonly follow: boolean;
  /** When to stop. */
  readonly signal: AbortSignal | undefined;
}

/** Reads logs of the runs on one host. */
export class SshLogs {
  readonly #runs: SshRuns;
  readonly #shell: string;
  #room: number;

  /**
   * @param runs The runs.
   * @param shell A POSIX shell there.
   * @param maxSessions How many channels the server allows.
   */
  constructor(runs: SshRuns, shell: string, maxSessions: number) {
    this.#runs = runs;
    this.#shell = shell;
    this.#room = Math.max(0, maxSessions - SPARE);
  }

  /**
   * A log as a stream that holds one chunk.
   *
   * @param source Which.
   * @returns The bytes.
   */
  read(source: LogSource): ReadableStream<Bytes> {
    return streamOf((signal) => this.#chunks(source, signal), source.signal);
  }

  async *#chunks(source: LogSource, signal: AbortSignal): AsyncGenerator<Bytes, void, void> {
    const { attempt, stream } = source;
    let at = 0;
    while (true) {
      const running = source.follow && (await this.#runs.status(attempt, signal))?.state === "running";
      const live = running && this.#room > 0;
      if (live) this.#room--;
      try {
        const channel = await this.#open(attempt, stream, at, live, signal);
        for await (const chunk of this.#pump(channel, attempt, live, signal)) {
          at += chunk.length;
          yield chunk;
        }
        const code = await channel.closed;
        signal.throwIfAborted();
        if (!running && code !== undefined) return;
        // One that is not followed, or is not there, since standard error is written to standard output.
        if (running && (!live || at === 0)) await this.#runs.endedWithin(attempt, AGAIN, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof LostError)) throw error;
        await sleep(systemClock, AGAIN, signal);
      } finally {
        if (live) this.#room++;
      }
    }
  }

  #open(attempt: Attempt, stream: string, at: number, live: boolean, signal: AbortSignal): Promise<Channel> {
    return this.#runs.link.use("read a log", (host: Host) => {
      const path = quote(`${host.facts.root}/${folderOf(attempt)}/${stream}`);
      const command = live
        ? `exec ${this.#shell} -c ${quote(FOLLOW)} ${path} ${at + 1}`
        : `exec tail -c +${at + 1} ${path}`;
      return host.channels.run(command, signal);
    }, signal);
  }

  async *#pump(
    channel: Channel,
    attempt: Attempt,
    live: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Bytes, void, void> {
    const abort = (): void => hangUp(channel);
    signal.addEventListener("abort", abort, { once: true });
    const over = new AbortController();
    if (live) {
      // The end of its input ends it; what is written until then is read to the end by another.
      this.#runs.ended(attempt, AbortSignal.any([signal, over.signal])).then(
        () => channel.stream.end(),
        () => {},
      );
    } else channel.stream.end();
    try {
      if (signal.aborted) abort();
      yield* output(channel);
      signal.throwIfAborted();
    } finally {
      over.abort();
      signal.removeEventListener("abort", abort);
    }
  }
}
