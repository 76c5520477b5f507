/**
 * Channels of a connection: as many at once as the server allows, the others wait their turn.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import type { Bytes } from "../../core/bytes.ts";
import type { Client, ClientChannel, Sftp } from "../../deps/ssh2.ts";
import { LostError } from "./fault.ts";

/** A command that runs on the host. */
export interface Channel {
  /** Where to write and read. Its `close` event comes when all is over. */
  readonly stream: ClientChannel;
  /** Settles when it is closed, with the exit code where there is one; a connection that is lost gives none. */
  readonly closed: Promise<number | undefined>;
  /** What it said on standard error, up to a few thousand characters. */
  said(): string;
}

/** Gives channels of one connection. */
export class Channels {
  readonly #client: Client;
  readonly #waiting: (() => void)[] = [];
  /** Sessions of SFTP. */
  readonly #sessions = new Set<Sftp>();
  #free: number;
  #closed = false;
  /** Whether the server has refused a command a channel. */
  #narrowed = false;

  /**
   * @param client The connection.
   * @param width How many channels the server allows.
   */
  constructor(client: Client, width: number) {
    this.#client = client;
    this.#free = width;
    // Each channel that is being opened listens for the end of the connection.
    (client as unknown as { setMaxListeners(count: number): void }).setMaxListeners(0);
    client.once("close", () => {
      this.#closed = true;
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  async #take(signal: AbortSignal | undefined): Promise<void> {
    while (this.#free <= 0 && !this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      if (signal?.aborted) {
        this.#waiting.shift()?.();
        throw signal.reason;
      }
    }
    if (this.#closed) throw new LostError("the connection was closed");
    this.#free--;
  }

  #give(): void {
    this.#free++;
    this.#waiting.shift()?.();
  }

  /**
   * Runs a command when its turn comes.
   *
   * @param command What the login shell of the user there is to run; it should be no more than `exec` of something.
   * @param signal When to stop waiting for a turn.
   * @returns The channel.
   * @throws {LostError} When the connection is gone.
   */
  async run(command: string, signal?: AbortSignal): Promise<Channel> {
    signal?.throwIfAborted();
    await this.#take(signal);
    for (let tries = 1;; tries++) {
      try {
        return this.#wrap(await this.#exec(command));
      } catch (error) {
        const refused = (error as { reason?: unknown }).reason !== undefined;
        if (!refused || this.#closed || tries === 50) {
          this.#give();
          if (refused) throw error;
          throw new LostError((error as Error).message);
        }
        this.#narrow();
        // The server allows fewer than was thought: one less from now on, once another is given back.
        await sleep(systemClock, 20 * tries);
      }
    }
  }

  /**
   * Opens a session of SFTP, when a channel is free now and another one stays free for commands. It ends early when a command is refused a
   * channel: who copies has another way.
   *
   * @returns The session. Its end gives the channel back.
   * @throws {LostError} When the connection is gone.
   * @throws {Error} With a `reason`, when no channel is to be had now; otherwise the server has no SFTP, and the channel is lost.
   */
  async sftp(): Promise<Sftp> {
    if (this.#narrowed || this.#free <= 1) {
      throw Object.assign(new Error("no channel can be spared"), { reason: "busy" });
    }
    this.#free--;
    try {
      const session = await this.#opened<Sftp>((done) => this.#client.sftp(done));
      this.#sessions.add(session);
      session.on("error", () => {});
      session.on("close", () => {
        this.#sessions.delete(session);
        this.#give();
      });
      if (this.#narrowed) session.end();
      return session;
    } catch (error) {
      if ((error as { reason?: unknown }).reason !== undefined) this.#give();
      throw error;
    }
  }

  /** No more SFTP here, as it has a channel that a command needs. */
  #narrow(): void {
    this.#narrowed = true;
    for (const session of this.#sessions) session.end();
  }

  #exec(command: string): Promise<ClientChannel> {
    return this.#opened((done) => this.#client.exec(command, done));
  }

  #opened<T>(open: (done: (error: Error | undefined, opened: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(new LostError("the connection was closed"));
      if (this.#closed) return lost();
      this.#client.once("close", lost);
      try {
        open((error, opened) => {
          this.#client.off("close", lost);
          if (error) reject(error);
          else resolve(opened);
        });
      } catch (error) {
        this.#client.off("close", lost);
        reject(error);
      }
    });
  }

  #wrap(stream: ClientChannel): Channel {
    let said = "";
    let code: number | undefined;
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    stream.stderr.on("data", (chunk: Uint8Array) => {
      if (said.length < 4000) said += new TextDecoder().decode(chunk);
    });
    stream.on("error", () => {});
    stream.on("exit", (exit: number | null) => code = exit ?? undefined);
    stream.once("close", () => {
      this.#give();
      resolve(code);
    });
    return { stream, closed: promise, said: () => said };
  }
}

/**
 * Writes a stream into a channel and ends it, no faster than the other side reads.
 *
 * @param channel Where to.
 * @param content What.
 * @param signal When to stop.
 */
export async function pour(
  { stream, closed }: Channel,
  content: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const chunk of content) {
    signal?.throwIfAborted();
    if (!stream.writable) break;
    if (stream.write(chunk)) continue;
    await Promise.race([new Promise<void>((resolve) => stream.once("drain", () => resolve())), closed]);
  }
  stream.end();
}

/**
 * What a channel says, no faster than it is read.
 *
 * @param channel Which.
 * @returns Its standard output. Its end says nothing of whether all went well: ask `closed`.
 */
export async function* output(channel: Channel): AsyncGenerator<Bytes, void, void> {
  try {
    for await (const chunk of channel.stream) yield new Uint8Array(chunk);
  } catch {
    // Cut off: `closed` tells.
  } finally {
    hangUp(channel);
  }
}

/** Closes a channel, whatever is still to come from it. */
export function hangUp({ stream }: Channel): void {
  stream.destroy();
  // It is not closed before what has arrived is read, and an iterator that has left still holds it back.
  stream.removeAllListeners("readable");
  stream.on("data", () => {});
  stream.resume();
}
