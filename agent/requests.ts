/**
 * What becomes of each request: read strictly, whose it is, done, counted.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Admissions } from "./admissions.ts";
import { Alarm } from "./alarm.ts";
import { Exchange } from "./exchange.ts";
import { Metrics } from "./metrics.ts";
import { Refusal, refusalOf } from "./refusal.ts";
import { parseTarget, type Route } from "./route.ts";
import { serve, type Shop } from "./serving.ts";
import { readToken } from "./token.ts";

/** What the requests of an agent need. */
export interface RequestsInit extends Shop {
  readonly id: string;
  readonly secret: Uint8Array;
  readonly admissions: Admissions;
  /** After how long without progress a request is ended, in milliseconds. */
  readonly idleMs: number;
  /** Told of requests that were refused, a sentence each. */
  readonly notice: (message: string) => void;
}

/** The requests of an agent. */
export class Requests implements AsyncDisposable {
  readonly #init: RequestsInit;
  readonly #metrics = new Metrics();
  readonly #alarm: Alarm;
  readonly #running = new Set<Exchange>();
  #empty: (() => void) | undefined;
  readonly #watch: ReturnType<typeof setInterval>;

  /** @param init What they need. */
  constructor(init: RequestsInit) {
    this.#init = init;
    this.#alarm = new Alarm(init.notice);
    this.#watch = setInterval(() => {
      const now = performance.now();
      for (const exchange of this.#running) exchange.check(now, init.idleMs);
    }, Math.max(20, Math.min(1000, init.idleMs / 4)));
  }

  /** Waits for the last of them. Their connections must have been closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#empty = resolve);
    clearInterval(this.#watch);
  }

  /**
   * Sees a request to its end.
   *
   * @param request The request.
   * @param response Its answer.
   * @param expects Whether the client waits with the body until it is asked for it.
   */
  async handle(request: IncomingMessage, response: ServerResponse, expects: boolean): Promise<void> {
    const exchange = new Exchange(this.#init.id, request, response, this.#metrics.traffic, expects);
    this.#running.add(exchange);
    this.#metrics.inFlight++;
    const seen: { route: Route["to"] | "unknown"; attempt: string | undefined } = {
      route: "unknown",
      attempt: undefined,
    };
    try {
      await this.#answer(exchange, seen);
    } catch (error) {
      this.#refuse(exchange, refusalOf(error, `answer ${request.method} ${seen.route}`), seen.attempt);
    }
    await exchange.close();
    this.#running.delete(exchange);
    if (this.#running.size === 0) this.#empty?.();
    this.#metrics.inFlight--;
    this.#metrics.count(seen.route, exchange.status);
  }

  /** Takes note of a request that could not even be read. */
  malformed(from: string, status: number, why: string): void {
    this.#metrics.count("unknown", status);
    this.#alarm.note({ status, why, method: "", target: "", from, attempt: undefined }, performance.now());
  }

  async #answer(
    exchange: Exchange,
    seen: { route: Route["to"] | "unknown"; attempt: string | undefined },
  ): Promise<void> {
    const { id, secret, admissions, digests } = this.#init;
    const { method = "", url = "" } = exchange.request;
    // Read first, so that it is known whose a malformed request is.
    const name = seen.attempt = readToken(secret, exchange.header("authorization"));
    const route = parseTarget(method, url, id);
    seen.route = route.to;
    if (route.to === "health") return exchange.text(200, "ok");
    if (route.to === "metrics") {
      const text = this.#metrics.text({ admitted: admissions.count, digests: digests.counts });
      return exchange.text(200, text, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
    }
    if (name === undefined) {
      throw new Refusal(401, "The request has no token of this agent", { "WWW-Authenticate": "Bearer" });
    }
    const admitted = admissions.find(name);
    const leave = admitted.enter(exchange);
    try {
      await serve(route, exchange, admitted, this.#init);
      await exchange.answered();
    } catch (error) {
      // Answered before the attempt counts as having no request any more.
      this.#refuse(exchange, refusalOf(error, `answer ${method} ${route.to}`), name);
      await exchange.answered();
    } finally {
      leave();
    }
  }

  #refuse(exchange: Exchange, refusal: Refusal, attempt: string | undefined): void {
    const { method = "", url = "", socket } = exchange.request;
    // What the client meant is what counts, when it was told to end and has ended for that reason.
    const { reason } = exchange.signal;
    const told = exchange.signal.aborted && reason instanceof Refusal ? reason : refusal;
    const from = socket.remoteAddress ?? "an unknown address";
    const { status, message } = told;
    this.#alarm.note({ status, why: message, method, target: url, from, attempt }, performance.now());
    exchange.refuse(told);
  }
}
