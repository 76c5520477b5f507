/**
 * The way to a host, made again when it is lost.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import type { AgentServer } from "../executor.ts";
import { connect, type ConnectOptions, forward } from "./connect.ts";
import { ConnectError, goneError, hostError, LostError } from "./fault.ts";
import { Host, type HostOptions, type Told } from "./host.ts";
import { addressText, SESSIONS, type SshExecutorOptions } from "./options.ts";

/** How long to wait before the next try of a connection, in milliseconds: at first, and at the most. */
const SOON = 100;
const LATE = 5000;

/** The way to a host. */
export class Link {
  /** Who uses it, for errors. */
  readonly name: string;
  readonly #options: SshExecutorOptions;
  readonly #id: string;
  readonly #onEnd: (told: Told) => void;
  readonly #onLost: () => void;
  readonly #closed = new AbortController();
  #host: Promise<Host> | undefined;
  #wasThere = false;
  /** What runs must be able to connect to. */
  #server: AgentServer | undefined;

  /**
   * @param name Who uses it.
   * @param options How the host is reached.
   * @param id The folder there that is ours.
   * @param on What to do when a run has ended, and when the connection is lost.
   */
  constructor(
    name: string,
    options: SshExecutorOptions,
    id: string,
    on: { readonly end: (told: Told) => void; readonly lost: () => void },
  ) {
    this.name = name;
    this.#options = options;
    this.#id = id;
    this.#onEnd = on.end;
    this.#onLost = on.lost;
  }

  /** The host, connected now or soon. Fails at once when it cannot be. */
  host(): Promise<Host> {
    if (this.#closed.signal.aborted) return Promise.reject(this.#closed.signal.reason);
    if (this.#host) return this.#host;
    const host = this.#connect();
    this.#host = host;
    host.catch(() => {
      if (this.#host === host) this.#host = undefined;
    });
    return host;
  }

  async #connect(): Promise<Host> {
    const { connectMs = 20_000, keepaliveMs = 15_000, proxyJump } = this.#options;
    const options: ConnectOptions = { name: this.name, connectMs, keepaliveMs, signal: this.#closed.signal };
    const through = proxyJump &&
      await connect(proxyJump, { ...options, name: `${this.name}, whose proxyJump it is` });
    try {
      const sock = through && await forward(through, this.#options, options);
      const connection = await connect(this.#options, options, sock);
      const host: Host = new Host(connection, through ? [through] : [], this.#hostOptions(() => host));
      const fault = await host.open();
      if (fault === undefined) {
        this.#wasThere = true;
        // Runs that wait for it find it again. A host that has changed its mind is told of when the next run starts.
        if (this.#server) await host.reach(this.#server).catch(() => {});
        return host;
      }
      const lost = host.lost;
      await host.close();
      if (lost) throw new LostError("the connection was closed at once");
      throw hostError(this.name, `use ${addressText(this.#options)}`, fault);
    } catch (error) {
      if (through) await through.end();
      throw error;
    }
  }

  #hostOptions(host: () => Host): HostOptions {
    const { shell = "/bin/sh", root = "", maxSessions = SESSIONS } = this.#options;
    return {
      name: this.name,
      shell,
      root,
      id: this.#id,
      maxSessions,
      onEnd: this.#onEnd,
      onLost: () => {
        const gone = host();
        void this.#host?.then((current) => {
          if (current === gone) this.#host = undefined;
          this.#onLost();
        }, () => {});
      },
    };
  }

  /**
   * Does something on the host, again when the connection is lost while it is done: it must be safe to do twice.
   *
   * @param action What, for errors: `list runs`.
   * @param call Does it.
   * @param signal When to stop.
   * @returns What it gives.
   * @throws {ExecutorError} With code `unavailable`, when the host is gone for longer than is waited for.
   */
  async use<T>(action: string, call: (host: Host) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const late = systemClock.monotonic() + (this.#options.patienceMs ?? 120_000);
    for (let wait = SOON;; wait = Math.min(wait * 2, LATE)) {
      signal?.throwIfAborted();
      try {
        return await orAborted(this.host().then(call), signal);
      } catch (error) {
        const passes = error instanceof LostError || (this.#wasThere && error instanceof ConnectError);
        if (!passes || this.#closed.signal.aborted) throw error;
        if (systemClock.monotonic() + wait > late) throw goneError(this.name, action, error);
        await sleep(systemClock, wait * (0.75 + Math.random() / 2), signal);
      }
    }
  }

  /**
   * Lets runs connect to a server of this machine, over this connection and those that follow it.
   *
   * @param server The server.
   * @param signal When to stop.
   * @returns The path of a file on the host that holds the address.
   */
  reach(server: AgentServer, signal?: AbortSignal): Promise<string> {
    this.#server = server;
    return this.use("bring values to runs", (host) => host.reach(server), signal);
  }

  /** Leaves the host. */
  async close(): Promise<void> {
    const host = this.#host;
    this.#closed.abort(
      new ExecutorError("cannot-start", `Cannot use executor ${this.name}: it was closed; open it again`, {
        operation: "use",
        subject: this.name,
      }),
    );
    await (await host?.catch(() => undefined))?.leave();
  }
}

/** A promise, or the reason of a signal when that comes first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
