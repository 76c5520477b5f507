/**
 * Calls of the API of a cluster, over `fetch`.
 *
 * One client carries the calls, another the streams: over HTTP/2 all requests of a client share one connection, on which the apiserver serves 100 at a
 * time, and each watch and each log that is followed takes one of them. Documents of some size go with the streams, over HTTP/1.1: over HTTP/2 `fetch`
 * sends them in two pieces, and the second waits 40 ms for the first to be confirmed.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { Access, Proof } from "./access.ts";
import { chunks, Linked } from "./linked.ts";
import { Way } from "./renamed.ts";
import { ApiFault, faultOf, type StatusDocument } from "./fault.ts";

/** One call of the API. */
export interface ApiCall {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** A document to send. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** How long the apiserver may take to answer a call, in milliseconds. */
const ANSWER = 60_000;

/** How long a document may be to go over HTTP/2, in characters. */
const SMALL = 512;

/** The API of a cluster. */
export class Api {
  /** How it is reached. */
  readonly access: Access;
  readonly #clients = new Map<string, Deno.HttpClient>();
  /** What requests name: the server, by the name of its certificate. */
  readonly #server: string;
  readonly #way: Way | undefined;
  #closed = false;

  /** @param access How it is reached. */
  constructor(access: Access) {
    this.access = access;
    const { server, certified } = access;
    this.#server = server;
    if (certified === undefined) return;
    const { hostname, port, pathname } = new URL(server);
    const at = Number(port || 443);
    this.#way = new Way({ hostname: hostname.replace(/^\[|\]$/g, ""), port: at });
    this.#server = `https://${certified}:${at}${pathname.replace(/\/$/, "")}`;
  }

  /** The path of things of one kind in the namespace. */
  path(kind: string, name?: string, group = "api/v1"): string {
    const { namespace } = this.access;
    return `/${group}/namespaces/${encodeURIComponent(namespace)}/${kind}${
      name === undefined ? "" : `/${name}`
    }`;
  }

  #client(proof: Proof, shared: boolean): Deno.HttpClient {
    if (this.#closed) throw new DOMException("The executor was closed", "AbortError");
    const kind = `${shared}\n${proof.cert ?? ""}`;
    let client = this.#clients.get(kind);
    if (client === undefined) {
      const { authorities } = this.access;
      const proxy = this.#way?.proxy ?? this.access.proxy;
      client = Deno.createHttpClient({
        caCerts: [...authorities],
        ...(proof.cert !== undefined && { cert: proof.cert, key: proof.key! }),
        ...(proxy !== undefined && { proxy: { url: proxy } }),
        http2: shared,
        ...(!shared && { poolMaxIdlePerHost: 8 }),
      });
      this.#clients.set(kind, client);
    }
    return client;
  }

  /**
   * Makes a call.
   *
   * @param call Which.
   * @returns The document.
   * @throws {ApiFault} When it failed; the reason of the signal when it was aborted.
   */
  async call<T>(call: ApiCall): Promise<T> {
    using late = new Linked(call.signal);
    const timer = setTimeout(() => late.abort(new ApiFault("it took too long to answer", {})), ANSWER);
    try {
      const response = await this.#request(call, late.signal, false);
      return await response.json() as T;
    } catch (error) {
      call.signal?.throwIfAborted();
      throw error instanceof ApiFault || !(error instanceof TypeError) ? error : faultOf(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Makes a call whose subject may not be there.
   *
   * @param call Which.
   * @returns The document; nothing when the apiserver does not know what was asked for.
   */
  async find<T>(call: ApiCall): Promise<T | undefined> {
    try {
      return await this.call<T>(call);
    } catch (error) {
      if (error instanceof ApiFault && error.status === 404) return undefined;
      throw error;
    }
  }

  /**
   * Makes a call whose answer is a stream.
   *
   * @param call Which.
   * @returns The bytes. They end, or fail, with the connection or the signal.
   * @throws {ApiFault} When it failed; the reason of the signal when it was aborted.
   */
  async stream(call: ApiCall): Promise<AsyncIterable<Bytes>> {
    const response = await this.#request(call, call.signal, true);
    return chunks(response.body ?? new Blob([]).stream(), call.signal);
  }

  async #request(
    call: ApiCall,
    signal: AbortSignal | undefined,
    streams: boolean,
    fresh = false,
  ): Promise<Response> {
    signal?.throwIfAborted();
    const proof = await this.access.proof(fresh);
    const { method = "GET", path, query, body } = call;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const client = this.#client(proof, !streams && (text === undefined || text.length <= SMALL));
    let response: Response;
    try {
      response = await fetch(`${this.#server}${path}${query ? `?${new URLSearchParams(query)}` : ""}`, {
        method,
        client,
        headers: this.#headers({
          Accept: "application/json",
          ...(text !== undefined && {
            "Content-Type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
          }),
          ...proof.headers,
        }),
        ...(text !== undefined && { body: text }),
        ...(signal && { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw faultOf(error);
    }
    if (response.ok) return response;
    const said = await response.text();
    if (response.status === 401 && this.access.renews && !fresh) {
      return await this.#request(call, signal, streams, true);
    }
    throw refusal(response, said);
  }

  #headers(headers: Readonly<Record<string, string>>): [string, string][] {
    return [
      ...Object.entries(headers),
      ...this.access.groups.map((group): [string, string] => ["Impersonate-Group", group]),
    ];
  }

  /**
   * Runs a command in a container.
   *
   * @param pod The name of the pod.
   * @param container The name of the container.
   * @param command The command.
   * @param signal When to stop waiting.
   * @returns Whether it was run; not when the container does not run or has no such program.
   * @throws {ApiFault} When the apiserver could not be reached, or refuses.
   */
  async exec(
    pod: string,
    container: string,
    command: readonly string[],
    signal?: AbortSignal,
  ): Promise<boolean> {
    const query = new URLSearchParams({ container, stdout: "1", stderr: "1" });
    for (const word of command) query.append("command", word);
    const path = `${this.path("pods", pod)}/exec`;
    const proof = await this.access.proof();
    const socket = new WebSocket(`${this.#server.replace(/^http/, "ws")}${path}?${query}`, {
      protocols: ["v5.channel.k8s.io"],
      headers: this.#headers(proof.headers),
      client: this.#client(proof, false),
    });
    socket.binaryType = "arraybuffer";
    const done = Promise.withResolvers<{ readonly status?: string } | "refused">();
    let opened = false;
    socket.onopen = () => opened = true;
    socket.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data as ArrayBuffer);
      if (bytes[0] === 3) done.resolve(JSON.parse(new TextDecoder().decode(bytes.subarray(1))));
    };
    socket.onerror = (event) => {
      event.preventDefault();
      if (!opened) done.resolve("refused");
    };
    socket.onclose = () => done.reject(new ApiFault("the connection was cut", {}));
    const abort = (): void => done.reject(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const answer = await done.promise;
      if (answer !== "refused") return answer.status === "Success";
    } finally {
      signal?.removeEventListener("abort", abort);
      await closed(socket);
    }
    return await this.#whyRefused(path, query, signal);
  }

  /** An upgrade that is refused hides its status; the same request without it says why. */
  async #whyRefused(path: string, query: URLSearchParams, signal: AbortSignal | undefined): Promise<false> {
    try {
      await this.call({ path: `${path}?${query}`, signal });
    } catch (error) {
      const fault = error as ApiFault;
      // It takes upgrades only: so the container was the trouble. It is gone, or does not run.
      if (fault.status !== 400 && fault.status !== 404 && fault.status !== 500) throw error;
    }
    return false;
  }

  /** Gives back all connections. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    await this.#way?.close();
  }
}

async function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const over = new Promise<void>((resolve) =>
    socket.addEventListener("close", () => resolve(), { once: true })
  );
  socket.close();
  await over;
}

function refusal(response: Response, text: string): ApiFault {
  let said: StatusDocument = {};
  try {
    said = JSON.parse(text) as StatusDocument;
  } catch {
    // A proxy in between answers as it likes.
  }
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new ApiFault(
    said.message || text.trim().slice(0, 500) || response.statusText || `HTTP ${response.status}`,
    {
      status: response.status,
      reason: said.reason,
      retryAfterMs: Number.isFinite(wait) ? wait * 1000 : undefined,
    },
  );
}
