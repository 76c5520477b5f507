/**
 * One request and its answer: the body as it comes, the answer with back-pressure, and an end for whoever makes no progress.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Bytes } from "../core/bytes.ts";
import { AGENT_HEADER } from "../tasks/agent.ts";
import { Refusal } from "./refusal.ts";

/** Fewer bytes than this in the time of patience are no progress. */
const LEAST_BYTES = 1024;

/** How long what is left of a refused body is read, in milliseconds. */
const LINGER_MS = 2000;

/** How long an exchange that was ended may take to end, in milliseconds. */
const FORCE_MS = 10_000;

/** The status of a client that has gone. */
const GONE = 499;

/** What an exchange counts. */
export interface Traffic {
  /** Bytes that came. */
  up: number;
  /** Bytes that went. */
  down: number;
  /** Bytes that were copied past the worker, from its place and to it. */
  copiedUp: number;
  copiedDown: number;
}

/** Something that others wait for, again and again. */
class Bell {
  #ring: (() => void) | undefined;

  /** @returns When it is rung next. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#ring = resolve);
  }

  readonly ring = (): void => {
    this.#ring?.();
    this.#ring = undefined;
  };
}

/** One request and its answer. */
export class Exchange {
  /** The request. */
  readonly request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #agent: string;
  readonly #forceMs: number;
  readonly #traffic: Traffic;
  /** Whether the client waits with the body until it is asked for it. */
  #expects: boolean;
  readonly #controller = new AbortController();
  readonly #bell = new Bell();
  #moved = 0;
  /** How long the client was waited for since it last made progress, in milliseconds. */
  #waited = 0;
  #waitingSince: number | undefined;
  #failed = false;
  #cut: number | undefined;
  #ended = false;
  /** Whether nothing of it is left. */
  #over = false;
  #force: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param agent The name of the agent.
   * @param request The request.
   * @param response Its answer.
   * @param traffic Where bytes are counted.
   * @param expects Whether the client waits with the body until it is asked for it.
   * @param forceMs How long it may take to end when it was ended, in milliseconds.
   */
  constructor(
    agent: string,
    request: IncomingMessage,
    response: ServerResponse,
    traffic: Traffic,
    expects: boolean,
    forceMs: number = FORCE_MS,
  ) {
    this.#agent = agent;
    this.#forceMs = forceMs;
    this.request = request;
    this.#expects = expects;
    this.#response = response;
    this.#traffic = traffic;
    for (const event of ["readable", "end", "close"]) request.on(event, this.#bell.ring);
    request.on("error", this.#fail);
    response.on("error", this.#fail);
    for (const event of ["drain", "finish"]) response.on(event, this.#bell.ring);
    response.on("close", () => {
      if (!response.writableFinished) this.#fail();
      this.#bell.ring();
    });
  }

  /** Aborted when the client is gone, or the exchange shall end for another reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How it has ended, as a status: that of the answer, or of what cut it off. */
  get status(): number {
    return this.#cut ?? (this.#failed ? GONE : this.#response.statusCode);
  }

  /** A header of the request; the first, when it came more than once. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Ends it soon, and by force when its connection tells of nothing any more. */
  abort(refusal: Refusal): void {
    this.#controller.abort(refusal);
    this.#bell.ring();
    if (!this.#over) this.#force ??= setTimeout(this.#drop, this.#forceMs);
  }

  /** Ends it when the client has made no progress for too long. */
  check(now: number, idleMs: number): void {
    if (this.#waited + (this.#waitingSince === undefined ? 0 : now - this.#waitingSince) < idleMs) return;
    if (this.#moved < LEAST_BYTES) {
      return this.abort(new Refusal(408, "The request is ended: it made no progress for too long"));
    }
    this.#moved = this.#waited = 0;
    if (this.#waitingSince !== undefined) this.#waitingSince = now;
  }

  /**
   * The body, as it comes.
   *
   * @param limit How long it may be, in bytes.
   * @param tooLong The refusal of a longer one.
   */
  async *body(limit: number, tooLong: () => Refusal): AsyncGenerator<Bytes, void, void> {
    const { request } = this;
    let length = 0;
    if (this.#expects) {
      this.#expects = false;
      this.#response.writeContinue();
    }
    for (;;) {
      this.signal.throwIfAborted();
      const chunk = request.read() as Bytes | null;
      if (chunk === null) {
        if (request.readableEnded) break;
        await this.#wait();
        continue;
      }
      length += chunk.length;
      this.#moved += chunk.length;
      this.#traffic.up += chunk.length;
      if (length > limit) throw tooLong();
      yield chunk;
    }
    if (!request.complete) throw new Refusal(400, "The body ended before it was whole");
  }

  /** Notes that a part of its value was copied past the client. */
  copied(direction: "up" | "down", bytes: number): void {
    if (direction === "up") this.#traffic.copiedUp += bytes;
    else this.#traffic.copiedDown += bytes;
  }

  /** Answers with headers only. */
  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.#head(status, headers, undefined);
    this.#response.end();
    this.#ended = true;
  }

  /** Answers with a text. */
  text(status: number, text: string, headers: Readonly<Record<string, string>> = {}): void {
    if (this.#response.headersSent) return;
    const body = text.endsWith("\n") || text === "" ? text : `${text}\n`;
    const bytes = new TextEncoder().encode(body);
    this.#head(status, { "Content-Type": "text/plain; charset=utf-8", ...headers }, bytes.length);
    this.#traffic.down += this.request.method === "HEAD" ? 0 : bytes.length;
    this.#response.end(this.request.method === "HEAD" ? undefined : bytes);
    this.#ended = true;
  }

  /**
   * Answers with a stream, and sees it to its end.
   *
   * @param status The status.
   * @param headers The headers.
   * @param length How long the content is, where that is known.
   * @param content Opens the content. Not called when only the head was asked for.
   */
  async send(
    status: number,
    headers: Readonly<Record<string, string>>,
    length: number | undefined,
    content: () => Promise<ReadableStream<Bytes>>,
  ): Promise<void> {
    const response = this.#response;
    if (this.request.method === "HEAD") {
      this.#head(status, headers, length);
      response.end();
      this.#ended = true;
      return;
    }
    const reader = (await content()).getReader();
    try {
      this.#head(status, headers, length);
      let sent = 0;
      // The last bytes go with the end: over TLS this runtime never tells that an end which comes later, and has no bytes, was handed over.
      let last: Bytes | undefined;
      let next = reader.read();
      for (;;) {
        this.signal.throwIfAborted();
        const { done, value } = await next;
        if (done) break;
        // The next one is read while this one is on its way.
        next = reader.read();
        next.catch(() => {});
        sent += value.length;
        // More than was promised would be read as the beginning of the next answer.
        if (length !== undefined && sent > length) throw new Error("The value is longer than its store says");
        this.#moved += value.length;
        this.#traffic.down += value.length;
        if (sent === length) last ??= value;
        else if (!response.write(value)) await this.#drained();
      }
      if (length !== undefined && sent < length) throw new Error("The value is shorter than its store says");
      response.end(last);
      this.#ended = true;
    } catch (error) {
      await reader.cancel(error).catch(() => {});
      throw error;
    }
  }

  /** Answers that it could not be done. Once an answer has begun, the connection is cut, so that nobody takes it for whole. */
  refuse({ status, message, headers }: Refusal): void {
    if (this.#ended) return;
    if (this.#response.headersSent || this.#failed) {
      this.#cut = status;
      return void this.#response.destroy();
    }
    this.text(status, message, headers);
  }

  /** Resolves when the answer was handed over, or the client is gone. */
  async answered(): Promise<void> {
    const response = this.#response;
    while (!response.writableFinished && !response.destroyed && !this.#failed) await this.#wait(true);
  }

  /**
   * Sees that nothing of the exchange is left. What is left of a body is read for a while: who is cut off while it speaks hears no answer.
   */
  async close(): Promise<void> {
    const { request } = this;
    await this.answered();
    if (!request.complete && !this.#failed && !this.#expects) {
      const timer = setTimeout(() => request.destroy(), LINGER_MS);
      while (!request.complete && !request.destroyed && !this.#failed) {
        if (request.read() === null) await this.#wait(true);
      }
      clearTimeout(timer);
    }
    if (!request.complete) request.destroy();
    this.#controller.abort(new Refusal(GONE, "The request is over"));
    this.#over = true;
    clearTimeout(this.#force);
  }

  #head(status: number, headers: Readonly<Record<string, string>>, length: number | undefined): void {
    this.#response.writeHead(status, {
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      [AGENT_HEADER]: this.#agent,
      ...headers,
      ...(length !== undefined && { "Content-Length": String(length) }),
    });
  }

  async #drained(): Promise<void> {
    while (this.#response.writableNeedDrain && !this.#failed) {
      this.signal.throwIfAborted();
      await this.#wait();
    }
  }

  async #wait(deaf: boolean = false): Promise<void> {
    if (this.signal.aborted && !deaf) throw this.signal.reason;
    const since = this.#waitingSince = performance.now();
    await this.#bell.wait();
    this.#waited += performance.now() - since;
    this.#waitingSince = undefined;
  }

  readonly #drop = (): void => {
    this.#response.destroy();
    this.#fail();
  };

  readonly #fail = (): void => {
    this.#failed = true;
    this.#controller.abort(new Refusal(GONE, "The client has gone"));
    this.#bell.ring();
  };
}
