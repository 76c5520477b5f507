/**
 * A server that speaks the protocol of the agent, over values that a test puts into it, and fails when it is told to. The agent itself is
 * tested elsewhere: this one is small, and its faults come when a test wants them.
 *
 * @module
 */
import { concat, decodeText } from "../../core/bytes.ts";

/** What goes wrong with a request. */
export type Fault =
  /** Its connection is cut after so many bytes of its body, or of ours. */
  | { readonly cut: number }
  /** It is answered with this status. */
  | { readonly status: number }
  /** It is answered with a wrong digest. */
  | { readonly digest: string };

const hex = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();

/** A server, its values, and what was sent to it. */
export class WorkerServer implements AsyncDisposable {
  /** What workers may read: by `LINK` or `LINK/KEY`. */
  readonly values: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  /** What they have sent, whole: by the path after `/out/` or `/items/`, decoded. */
  readonly sent: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  /** The requests, as `METHOD /path`. */
  readonly requests: string[] = [];
  /** What goes wrong, by `METHOD /path`, each once and in this order. */
  readonly faults: Map<string, Fault[]> = new Map();
  /** The keys of feeds, and whether there can be more. A cursor of another epoch stands for the beginning. */
  readonly feeds: Map<string, { readonly keys: string[]; over: boolean; readonly epoch?: string }> =
    new Map();
  /** What workers may fetch besides. */
  file: (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined> = () => Promise.resolve(undefined);
  /** What opens it. */
  readonly token = "aGVsbG8.d29ybGQ";
  /** What requests begin with. */
  readonly path = "/4f1d";
  readonly #partial = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #abort = new AbortController();
  #wake = Promise.withResolvers<void>();

  constructor(
    options: { readonly port?: number; readonly tls?: { readonly key: string; readonly cert: string } } = {},
  ) {
    const { port = 0, tls } = options;
    this.#server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port,
        signal: this.#abort.signal,
        onListen() {},
        onError: () => new Response("", { status: 500 }),
        ...tls,
      },
      async (request) => {
        const response = await this.#answer(request);
        response.headers.set("X-Datatask-Agent", this.path.slice(1));
        return response;
      },
    );
  }

  /** Where it is. */
  get port(): number {
    return this.#server.addr.port;
  }

  /** Its address. */
  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Puts a text. */
  put(path: string, content: string | Uint8Array<ArrayBuffer>): void {
    this.values.set(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }

  /** What was sent, as a text. */
  text(path: string): string {
    return decodeText(this.sent.get(path)!);
  }

  /** Tells feeds that something has changed. */
  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (!url.pathname.startsWith(this.path)) return new Response("no such agent\n", { status: 404 });
    const path = url.pathname.slice(this.path.length);
    this.requests.push(`${request.method} ${path}`);
    if (request.headers.get("authorization") !== `Bearer ${this.token}`) {
      return new Response("no token\n", { status: 401 });
    }
    const fault = this.faults.get(`${request.method} ${path}`)?.shift();
    if (fault && "status" in fault) {
      await request.body?.cancel();
      return new Response(`it is told to say ${fault.status}\n`, { status: fault.status });
    }
    const [, what, ...rest] = path.split("/");
    const name = rest.map(decodeURIComponent).join("/");
    switch (what) {
      case "in":
        return await this.#read(request, name, fault);
      case "digest": {
        const value = this.values.get(name);
        if (!value) return new Response("no such value\n", { status: 404 });
        return new Response(`${fault && "digest" in fault ? fault.digest : await hex(value)}\n`);
      }
      case "keys": {
        const keys = [...this.values.keys()].filter((key) => key.startsWith(`${name}/`));
        const lines = new TextEncoder().encode(keys.map((key) => `${key.slice(name.length + 1)}\n`).join(""));
        return new Response(fault && "cut" in fault ? cutOff(lines, fault.cut) : lines);
      }
      case "files": {
        const file = await this.file(name);
        return file ? new Response(file) : new Response("no such file\n", { status: 404 });
      }
      case "feed":
        return await this.#feed(name, url.searchParams.get("after") ?? "");
      default:
        return await this.#write(request, name, fault);
    }
  }

  async #read(request: Request, name: string, fault: Fault | undefined): Promise<Response> {
    const value = this.values.get(name);
    if (!value) return new Response("no such value\n", { status: 404 });
    const etag = `"${(await hex(value)).slice(0, 8)}"`;
    const range = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "");
    const asked = request.headers.get("if-range");
    const from = range && (asked === null || asked === etag) ? Number(range[1]) : 0;
    const body = value.subarray(from);
    const headers: Record<string, string> = { etag, "content-length": String(body.length) };
    if (from > 0) headers["content-range"] = `bytes ${from}-${value.length - 1}/${value.length}`;
    const sent = fault && "cut" in fault ? cutOff(body, fault.cut) : body;
    return new Response(sent, { status: from > 0 ? 206 : 200, headers });
  }

  async #feed(name: string, after: string): Promise<Response> {
    const feed = this.feeds.get(name);
    if (!feed) return new Response("no such link\n", { status: 403 });
    const { epoch = "" } = feed;
    const from = after.startsWith(epoch) ? Number(after.slice(epoch.length)) : 0;
    if (feed.keys.length <= from && !feed.over) {
      const timer = setTimeout(() => this.wake(), 500);
      await this.#wake.promise;
      clearTimeout(timer);
    }
    const keys = feed.keys.slice(from);
    return new Response(
      [`@${epoch}${feed.keys.length}`, ...keys, ...(feed.over ? ["."] : [])].join("\n") + "\n",
    );
  }

  async #write(request: Request, name: string, fault: Fault | undefined): Promise<Response> {
    if (request.method === "HEAD") {
      return new Response(null, {
        headers: { "x-datatask-received": String(this.#partial.get(name)?.length ?? 0) },
      });
    }
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(request.headers.get("content-range") ?? "");
    const before = this.#partial.get(name) ?? new Uint8Array();
    if (range && Number(range[1]) > before.length) {
      await request.body?.cancel();
      const headers = { "x-datatask-received": String(before.length) };
      return new Response("it does not belong there\n", { status: 416, headers });
    }
    const chunks: Uint8Array[] = range ? [before.subarray(0, Number(range[1]))] : [];
    let size = 0;
    try {
      for await (const chunk of request.body ?? []) {
        if (fault && "cut" in fault && size + chunk.length > fault.cut) {
          chunks.push(chunk.subarray(0, fault.cut - size));
          this.#partial.set(name, concat(chunks));
          return new Response("it is told to be busy\n", { status: 503, headers: { connection: "close" } });
        }
        size += chunk.length;
        chunks.push(chunk);
      }
    } catch {
      this.#partial.set(name, concat(chunks));
      return new Response("", { status: 500 });
    }
    const value = concat(chunks);
    if (range && value.length < Number(range[2])) {
      this.#partial.set(name, value);
      return new Response(null, { status: 202 });
    }
    const digest = request.headers.get("x-datatask-sha256");
    this.#partial.delete(name);
    if ((digest !== null && digest !== await hex(value)) || (fault && "digest" in fault)) {
      return new Response("the digest is another\n", { status: 422 });
    }
    this.sent.set(name, value);
    return new Response(`key-of-${name.split("/")[1] ?? ""}\n`, { status: 201 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wake();
    this.#abort.abort();
    await this.#server.finished;
  }
}

/** So many bytes, and then no more, though more were promised. */
function cutOff(bytes: Uint8Array<ArrayBuffer>, at: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      if (at > 0) controller.enqueue(bytes.subarray(0, at));
    },
    pull(controller) {
      controller.error(new Error("it is told to cut"));
    },
  }, { highWaterMark: 0 });
}
