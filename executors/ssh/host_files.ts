/**
 * Files of a host over SFTP: one session for all, as long as anybody needs it, with many requests under way at once.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Bytes } from "../../core/bytes.ts";
import type { Sftp } from "../../deps/ssh2.ts";
import type { Channels } from "./channels.ts";
import { LostError } from "./fault.ts";

/** How much is asked for at once, in bytes: OpenSSH takes a little more, others take it in parts. */
const CHUNK = 252 * 1024;

/** How many requests of a copy are under way at once. */
const WIDTH = 8;

/** How long a session may take to open, and an answer to come, in milliseconds: less than the most impatient client of a run waits for its own. */
const OPEN_MS = 10_000;
const ANSWER_MS = 15_000;

/** Flags of SFTP: nothing is created, nothing is cut off. */
const READ = 1;
const WRITE = 2;

/** A session that is open, and its end. */
interface Session {
  readonly sftp: Sftp;
  /** Aborted when it is over. */
  readonly over: AbortSignal;
  /** Ends it, whether it hears of it or not. */
  readonly end: (reason: Error) => void;
}

/** A session, and how many use it. */
interface Shared {
  readonly opening: Promise<Session>;
  users: number;
  /** Has others take another one. */
  readonly leave: () => void;
}

/** Asks a session for something. */
type Ask = <T>(call: (sftp: Sftp, done: (error: Error | undefined, answer: T) => void) => void) => Promise<T>;

/** Reads and writes files of one host, as long as one connection lasts. */
export class HostFiles {
  readonly #channels: Channels;
  #shared: Shared | undefined;
  /** Why there is no SFTP on this connection, once that was seen. */
  #refused: unknown;

  /** @param channels Those of the connection. */
  constructor(channels: Channels) {
    this.#channels = channels;
  }

  /**
   * Writes into a file that is there.
   *
   * @param path Its path.
   * @param content What; not read before the file is open, and no faster than the host writes.
   * @param start From which byte on.
   * @param signal When to stop.
   */
  async write(
    path: string,
    content: ReadableStream<Bytes>,
    start: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await using file = await this.#open(path, WRITE, signal);
    const { ask, handle } = file;
    const free: Buffer[] = [];
    const busy = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    const room = async (): Promise<Buffer> => {
      if (busy.size === WIDTH) await Promise.race(busy);
      if (failure) throw failure.error;
      return free.pop() ?? Buffer.allocUnsafeSlow(CHUNK);
    };
    let position = start;
    const send = (buffer: Buffer, length: number): void => {
      const at = position;
      position += length;
      const sent = ask<void>((sftp, done) =>
        sftp.write(handle, buffer, 0, length, at, (error) => done(error, undefined))
      ).then(() => void free.push(buffer), (error) => void (failure ??= { error }))
        .finally(() => busy.delete(sent));
      busy.add(sent);
    };
    let [buffer, filled] = [await room(), 0];
    for await (const chunk of content) {
      for (let at = 0; at < chunk.length;) {
        const part = chunk.subarray(at, at + CHUNK - filled);
        buffer.set(part, filled);
        [at, filled] = [at + part.length, filled + part.length];
        if (filled < CHUNK) continue;
        send(buffer, filled);
        [buffer, filled] = [await room(), 0];
      }
    }
    if (filled > 0) send(buffer, filled);
    await Promise.all(busy);
    if (failure) throw failure.error;
  }

  /**
   * Reads a file.
   *
   * @param path Its path.
   * @param start The first byte.
   * @param end The byte after the last.
   * @param signal When to stop.
   * @returns The bytes, no faster than they are taken.
   */
  async *read(
    path: string,
    start: number,
    end: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Bytes, void, void> {
    await using file = await this.#open(path, READ, signal);
    const { ask, handle } = file;
    const read = async (position: number, length: number): Promise<Bytes> => {
      const buffer = Buffer.allocUnsafeSlow(length);
      for (let at = 0; at < length;) {
        const got = await ask<number>((sftp, done) =>
          sftp.read(handle, buffer, at, length - at, position + at, done)
        );
        if (got === 0) throw new Error(`${path} ends before byte ${end}`);
        at += got;
      }
      return buffer as Uint8Array as Bytes;
    };
    const coming: Promise<Bytes>[] = [];
    let position = start;
    do {
      while (position < end && coming.length < WIDTH) {
        const length = Math.min(CHUNK, end - position);
        const next = read(position, length);
        next.catch(() => {});
        coming.push(next);
        position += length;
      }
      const next = coming.shift();
      if (next) yield await next;
    } while (coming.length > 0);
  }

  /** Opens a file that is there. Its end gives back all that it has taken, and waits for nobody who does not answer. */
  async #open(
    path: string,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly ask: Ask; readonly handle: Buffer } & AsyncDisposable> {
    await using stack = new AsyncDisposableStack();
    const session = await this.#enter(stack);
    const { sftp, over } = session;
    const until = signal ? AbortSignal.any([signal, over]) : over;
    const ask: Ask = (call) => asked(session, until, call);
    const handle = await ask<Buffer>((sftp, done) => sftp.open(path, flags, done));
    // Requests are done in the order in which they were made: those under way come before.
    stack.defer(() => void (over.aborted || sftp.close(handle, () => {})));
    const taken = stack.move();
    return { ask, handle, [Symbol.asyncDispose]: () => taken.disposeAsync() };
  }

  async #enter(stack: AsyncDisposableStack): Promise<Session> {
    if (this.#refused !== undefined) throw this.#refused;
    const shared = this.#shared ??= this.#share();
    shared.users++;
    stack.defer(async () => {
      if (--shared.users > 0) return;
      shared.leave();
      await shared.opening.then(
        ({ end }) => end(new LostError("nobody needs the session of SFTP")),
        () => {},
      );
    });
    return await shared.opening;
  }

  /** A session for all, until it is over. */
  #share(): Shared {
    const shared: Shared = {
      opening: this.#begin(),
      users: 0,
      leave: () => {
        if (this.#shared === shared) this.#shared = undefined;
      },
    };
    shared.opening.then(({ over }) => over.addEventListener("abort", shared.leave), shared.leave);
    return shared;
  }

  async #begin(): Promise<Session> {
    const opening = this.#channels.sftp();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("SFTP does not answer")), OPEN_MS);
    try {
      const sftp = await Promise.race([opening, late]);
      const over = new AbortController();
      const ended = (): void => over.abort(new LostError("the session of SFTP has ended"));
      sftp.on("end", ended);
      sftp.on("close", ended);
      const end = (reason: Error): void => {
        over.abort(reason);
        sftp.end();
      };
      return { sftp, over: over.signal, end };
    } catch (error) {
      // One that comes too late is of no use.
      opening.then((sftp) => sftp.end(), () => {});
      const passes = error instanceof LostError || (error as { reason?: unknown }).reason !== undefined;
      if (!passes) this.#refused = error;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Asks for something; fails when the signal comes before the answer. Who does not answer at all is not asked again. */
function asked<T>(
  { sftp, end }: Session,
  signal: AbortSignal,
  call: (sftp: Sftp, done: (error: Error | undefined, answer: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      how();
    };
    const abort = (): void => settle(() => reject(signal.reason));
    const timer = setTimeout(() => end(new LostError("SFTP does not answer")), ANSWER_MS);
    signal.addEventListener("abort", abort, { once: true });
    call(sftp, (error, answer) => settle(() => error ? reject(error) : resolve(answer)));
  });
}
