/**
 * An attempt that was let in: what it may do, and what it does now.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import { formatAttempt } from "../core/attempt.ts";
import type { Grant, GrantedInput, GrantedOutput } from "../tasks/agent.ts";
import type { Exchange } from "./exchange.ts";
import { Feed } from "./feed.ts";
import { Items } from "./items.ts";
import { Refusal } from "./refusal.ts";

/** An attempt that was let in. */
export class Admitted {
  /** What it may do. */
  readonly grant: Grant;
  readonly #folder: string;
  readonly #maxRequests: number;
  readonly #maxItems: number;
  readonly #controller = new AbortController();
  readonly #exchanges = new Set<Exchange>();
  readonly #feeds = new Map<string, Feed>();
  readonly #items = new Map<string, Items>();
  #reached: boolean;
  #empty: (() => void) | undefined;

  /**
   * @param grant What it may do.
   * @param folder Where items lie until they are published.
   * @param limits How many requests at a time, and how many items.
   * @param reached Whether its worker has made a request before.
   */
  constructor(
    grant: Grant,
    folder: string,
    limits: { readonly maxRequests: number; readonly maxItems: number },
    reached: boolean,
  ) {
    this.grant = grant;
    this.#folder = folder;
    this.#maxRequests = limits.maxRequests;
    this.#maxItems = limits.maxItems;
    this.#reached = reached;
  }

  /** Aborted when it is shut out. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether its worker has made a request. */
  get reached(): boolean {
    return this.#reached;
  }

  /** Begins a request. Returns what to call when it is over. */
  enter(exchange: Exchange): () => void {
    this.#reached = true;
    if (this.signal.aborted) throw this.signal.reason;
    if (this.#exchanges.size >= this.#maxRequests) {
      throw new Refusal(
        503,
        `The attempt has ${this.#maxRequests} requests under way; try again when one has ended`,
        {
          "Retry-After": "1",
        },
      );
    }
    this.#exchanges.add(exchange);
    return () => {
      this.#exchanges.delete(exchange);
      if (this.#exchanges.size === 0) this.#empty?.();
    };
  }

  /** Ends all its requests. Resolves when they have ended. */
  async shutOut(refusal: Refusal): Promise<void> {
    this.#controller.abort(refusal);
    for (const exchange of this.#exchanges) exchange.abort(refusal);
    if (this.#exchanges.size > 0) await new Promise<void>((resolve) => this.#empty = resolve);
  }

  /** What it may read under the name of a link, which may be that of a lookup with a key. */
  input(link: string, key: string | undefined): { readonly granted: GrantedInput; readonly key: string } {
    const granted = this.grant.inputs.get(link);
    if (!granted) throw denied(this.grant.attempt, "read", link);
    if (granted.kind === "value") {
      if (key === undefined) return { granted, key: granted.key };
      throw new Refusal(403, `Link ${link} is one value; it takes no key`);
    }
    if (key !== undefined) return { granted, key };
    throw new Refusal(400, `Link ${link} is many values; ask for /${link}/KEY`);
  }

  /** The repository of a link of which it may read any value. */
  lookup(link: string): GrantedInput & { readonly kind: "lookup" } {
    const granted = this.grant.inputs.get(link);
    if (granted?.kind === "lookup") return granted;
    throw denied(this.grant.attempt, "list", link);
  }

  /** The feed of a link. */
  feed(link: string): Feed {
    const granted = this.grant.inputs.get(link);
    if (granted?.kind !== "feed") throw denied(this.grant.attempt, "follow", link);
    let feed = this.#feeds.get(link);
    if (!feed) this.#feeds.set(link, feed = new Feed(granted.keys, this.signal));
    return feed;
  }

  /** What it may write as a whole under the name of a link. */
  output(link: string): GrantedOutput & { readonly kind: "file" } {
    const granted = this.grant.outputs.get(link);
    if (granted?.kind === "file") return granted;
    throw denied(this.grant.attempt, "write", link);
  }

  /** The items of a link, or (`pages.index`) the values that go under their keys. */
  items(link: string): { readonly items: Items; readonly cokey: string | undefined } {
    const whole = this.grant.outputs.get(link);
    if (whole?.kind === "items") return { items: this.#itemsOf(link, whole), cokey: undefined };
    const at = link.lastIndexOf(".");
    const [name, cokey] = [link.slice(0, at), link.slice(at + 1)];
    const granted = at > 0 ? this.grant.outputs.get(name) : undefined;
    if (granted?.kind === "items" && Object.hasOwn(granted.cokeyed, cokey)) {
      return { items: this.#itemsOf(name, granted), cokey };
    }
    throw denied(this.grant.attempt, "write items of", link);
  }

  #itemsOf(link: string, granted: GrantedOutput & { readonly kind: "items" }): Items {
    let items = this.#items.get(link);
    if (!items) {
      // The name of a link may hold what a name of a file may not.
      const folder = `${this.#folder}/${encodeURIComponent(link)}`;
      this.#items.set(link, items = new Items(granted, folder, this.#maxItems));
    }
    return items;
  }
}

function denied(attempt: Attempt, what: string, link: string): Refusal {
  return new Refusal(403, `${formatAttempt(attempt)} may not ${what} ${JSON.stringify(link)}`);
}
