/**
 * A client of a Docker registry: the OCI distribution protocol over `fetch`.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { OpenResource } from "../../session/resource.ts";
import { type RegistryAddress, registryAddress } from "./address.ts";
import { type Access, type AuthOptions, RegistryAuth } from "./auth.ts";
import { connectionFault, faultOf, RegistryFault } from "./fault.ts";

/** How a registry is reached. */
export interface RegistryOptions extends AuthOptions {
  /** Certificates of authorities to trust besides the known ones, each in PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /** Allow `http://` to another machine: passwords and images then go unencrypted. Default: false. */
  readonly plainHttp?: boolean | undefined;
}

/** One request. */
export interface RegistryRequest {
  /** The HTTP method. */
  readonly method: string;
  /** A path below the registry's address, or a whole URL that it gave. */
  readonly path: string;
  /** What it wants to do, for the registry's token service. */
  readonly access: Access;
  /** Headers. */
  readonly headers?: Record<string, string> | undefined;
  /** Whole, so that it can be sent again with a fresh token. */
  readonly body?: Bytes | undefined;
  /** Answers that are no success and yet no failure. */
  readonly expect?: readonly number[] | undefined;
  /** When to stop. */
  readonly signal?: AbortSignal | undefined;
}

/** How many redirects are followed. */
const HOPS = 5;

/** A client of one registry. Holds no connection that must be closed unless it has certificates of its own. */
export class RegistryClient implements Disposable {
  /** Where it is. */
  readonly address: RegistryAddress;
  readonly #auth: RegistryAuth;
  readonly #http: Deno.HttpClient | undefined;
  #isRegistry: Promise<void> | undefined;

  /**
   * A client outside a session.
   *
   * @param address `registry.example:5000`, `https://…` or `http://…`.
   * @param options How it is reached.
   * @throws {DefinitionError} When the address is none, or would send passwords unencrypted.
   */
  constructor(address: string, options: RegistryOptions = {}) {
    this.address = registryAddress(address, options.plainHttp);
    this.#http = options.caCerts && Deno.createHttpClient({ caCerts: [...options.caCerts] });
    this.#auth = new RegistryAuth(
      this.address.host,
      options,
      (input, init) => fetch(input, this.#with(init ?? {})),
    );
  }

  /** Closes its connections. */
  [Symbol.dispose](): void {
    this.#http?.close();
  }

  /**
   * What the console shows.
   *
   * @returns The host, never a secret.
   */
  toString(): string {
    return this.address.host;
  }

  /**
   * Does a request, logging in when the registry asks for it.
   *
   * @param request What to do.
   * @returns The answer: a success, or one of `expect`. Its body must be read or cancelled.
   * @throws {RegistryFault} In words that say what to do.
   */
  async request(request: RegistryRequest): Promise<Response> {
    const { access, expect = [], signal } = request;
    const first = await this.#auth.known(access);
    let response = await this.#send(request, first);
    if (response.status === 401) {
      const challenge = response.headers.get("www-authenticate") ?? "";
      await response.body?.cancel();
      response = await this.#send(request, await this.#auth.answer(challenge, access, first, signal));
      if (response.status === 401) {
        await response.body?.cancel();
        throw await this.#auth.rejected(signal);
      }
    }
    if (response.status === 404 && expect.includes(404)) await this.#checkRegistry(response, signal);
    if (response.ok || expect.includes(response.status)) return response;
    throw await faultOf(this.address.host, response);
  }

  /** That something is not there is believed only to a registry: a wrong address answers 404 to everything. */
  async #checkRegistry(response: Response, signal: AbortSignal | undefined): Promise<void> {
    if (response.headers.has("docker-distribution-api-version")) return;
    this.#isRegistry ??= this.#probe(signal);
    try {
      await this.#isRegistry;
    } catch (error) {
      this.#isRegistry = undefined;
      await response.body?.cancel();
      throw error;
    }
  }

  async #probe(signal: AbortSignal | undefined): Promise<void> {
    const response = await this.#fetch(new URL("/v2/", this.address.origin), { ...(signal && { signal }) });
    await response.body?.cancel();
    if (response.ok || response.status === 401) return;
    throw new RegistryFault(
      "unavailable",
      `what answers at ${this.address.origin} is no Docker registry (it answered ${response.status} to /v2/); check the address`,
      { status: response.status },
    );
  }

  async #send(request: RegistryRequest, authorization: string | undefined): Promise<Response> {
    const { method, headers, body, signal } = request;
    let url = this.#resolve(request.path);
    for (let hop = 0; hop <= HOPS; hop++) {
      const sent = new Headers(headers);
      // Blobs may lie elsewhere: the password stays here.
      if (authorization && url.origin === this.address.origin) sent.set("authorization", authorization);
      const response = await this.#fetch(url, {
        method,
        headers: sent,
        ...(body && { body }),
        redirect: "manual",
        ...(signal && { signal }),
      });
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || !location) return response;
      await response.body?.cancel();
      url = new URL(location, url);
      if (url.protocol === "http:" && this.address.origin.startsWith("https:")) break;
    }
    throw new RegistryFault(
      "io",
      `${this.address.host} sends requests on without end, or to an unencrypted place (${url.origin}); check its configuration`,
    );
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, this.#with(init));
    } catch (error) {
      init.signal?.throwIfAborted();
      throw connectionFault(url.host, error);
    }
  }

  #with(init: RequestInit): RequestInit & { readonly client?: Deno.HttpClient } {
    return this.#http ? { ...init, client: this.#http } : init;
  }

  /** A URL that the registry gave. Behind a proxy it often believes that it is reached by `http`. */
  #resolve(path: string): URL {
    const own = new URL(this.address.origin);
    const url = new URL(path, own);
    if (url.hostname === own.hostname && own.protocol === "https:" && url.protocol === "http:") {
      return new URL(url.pathname + url.search, own);
    }
    return url;
  }
}

/**
 * A registry as a resource of a session.
 *
 * @param address `registry.example:5000`, `https://…` or `http://…`. Without a scheme it is `https`, on this machine `http`.
 * @param options How it is reached. Without `credentials` the logins of `docker login` are used, once the registry asks.
 * @returns What `Session.resource` takes.
 * @throws {DefinitionError} When the address is none, or would send passwords unencrypted.
 */
export function registryClient(address: string, options: RegistryOptions = {}): OpenResource<RegistryClient> {
  registryAddress(address, options.plainHttp);
  return (stack) => stack.use(new RegistryClient(address, options));
}
