/**
 * Answering a registry that asks who one is: `Basic`, and `Bearer` with a token service.
 *
 * @module
 */
import { isLoopback } from "./address.ts";
import {
  dockerConfigPath,
  dockerCredentials,
  type FoundCredentials,
  type RegistryCredentials,
} from "./credentials.ts";
import { connectionFault, faultOf, jsonOf, RegistryFault } from "./fault.ts";

/** What a request wants to do. */
export interface Access {
  /** With which image repository. */
  readonly repository: string;
  /** What: `pull`, `pull,push`, `delete`. */
  readonly actions: string;
}

/** How credentials are found. */
export interface AuthOptions {
  /** Who one is, or a function that tells. Default: what `docker login` has left, looked up when the registry asks. */
  readonly credentials?:
    | RegistryCredentials
    | (() => RegistryCredentials | Promise<RegistryCredentials>)
    | undefined;
  /** Where Docker keeps logins. Default: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
  readonly dockerConfig?: string | undefined;
}

interface Token {
  readonly header: string;
  /** In milliseconds since 1970. */
  readonly until: number;
}

/** A token is not used in its last seconds. In milliseconds. */
const SLACK = 5_000;

/** How long a token lasts that does not say, in seconds: what the protocol says. */
const LASTS = 60;

/** Who one is to one registry. Remembers tokens, by what they allow, until they end. */
export class RegistryAuth {
  readonly #host: string;
  readonly #options: AuthOptions;
  readonly #fetch: typeof fetch;
  readonly #tokens = new Map<string, Promise<Token>>();
  #basic: string | undefined;
  #bearer: string | undefined;

  /**
   * @param host Of which registry.
   * @param options How credentials are found.
   * @param send Does requests, with the registry's certificates.
   */
  constructor(host: string, options: AuthOptions, send: typeof fetch) {
    this.#host = host;
    this.#options = options;
    this.#fetch = send;
  }

  /**
   * What is already known to work.
   *
   * @param access What the request wants.
   * @returns The `Authorization` header, or nothing.
   */
  async known(access: Access): Promise<string | undefined> {
    const fixed = this.#basic ?? this.#bearer;
    if (fixed) return fixed;
    const token = await this.#tokens.get(nameOf(access))?.catch(() => undefined);
    return token && token.until - SLACK > Date.now() ? token.header : undefined;
  }

  /**
   * Answers a challenge.
   *
   * @param challenge The `WWW-Authenticate` header.
   * @param access What the request wants.
   * @param refused The header that was refused, so that it is not tried again.
   * @param signal When to stop.
   * @returns The `Authorization` header to try.
   * @throws {RegistryFault} With code `denied` when there is no answer.
   */
  async answer(
    challenge: string,
    access: Access,
    refused: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const { scheme, parameters } = parseChallenge(challenge);
    const hints: string[] = [];
    const found = await this.#find(signal, hints);
    if (found && "bearerToken" in found.credentials) {
      this.#bearer = `Bearer ${found.credentials.bearerToken}`;
      if (refused === this.#bearer) throw this.#refusal(found);
      return this.#bearer;
    }
    if (scheme === "basic") {
      if (!found) throw this.#stranger(hints);
      const header = basic(found);
      if (header === undefined || header === refused) throw this.#refusal(found);
      return this.#basic = header;
    }
    if (scheme !== "bearer" || !parameters.realm) {
      throw new RegistryFault(
        "denied",
        `${this.#host} wants a login of a kind that is not known here (${scheme || "none named"})`,
      );
    }
    const name = nameOf(access);
    const pending = this.#tokens.get(name);
    const current = await pending?.catch(() => undefined);
    // Of many requests that were refused at once, the first fetches the token and the others take it.
    if (current && current.header !== refused && current.until - SLACK > Date.now()) return current.header;
    if (this.#tokens.get(name) === pending) {
      const fetching = this.#token(parameters, access, found, hints, signal);
      fetching.catch(() => this.#tokens.delete(name));
      this.#tokens.set(name, fetching);
    }
    return (await this.#tokens.get(name)!).header;
  }

  /**
   * What to say when even the answer to the challenge was refused.
   *
   * @param signal When to stop.
   * @returns What to throw.
   */
  async rejected(signal: AbortSignal | undefined): Promise<RegistryFault> {
    const hints: string[] = [];
    const found = await this.#find(signal, hints);
    return found ? this.#refusal(found) : this.#stranger(hints);
  }

  async #find(signal: AbortSignal | undefined, hints: string[]): Promise<FoundCredentials | undefined> {
    const { credentials, dockerConfig } = this.#options;
    if (credentials) {
      const given = typeof credentials === "function" ? await credentials() : credentials;
      return { credentials: given, source: "`credentials`" };
    }
    return await dockerCredentials(this.#host, dockerConfig ?? dockerConfigPath(), signal, hints);
  }

  async #token(
    parameters: Record<string, string>,
    access: Access,
    found: FoundCredentials | undefined,
    hints: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const realm = new URL(parameters.realm!);
    if (realm.protocol !== "https:" && found && !isLoopback(realm.hostname)) {
      throw new RegistryFault(
        "denied",
        `${this.#host} wants the password sent unencrypted to ${realm.host}; give its token service https://`,
      );
    }
    const scope = parameters.scope || `repository:${access.repository}:${access.actions}`;
    const response = await this.#askForToken(realm, parameters.service, scope, found, signal);
    if (response.status === 401 || response.status === 403) {
      await response.body?.cancel();
      throw found ? this.#refusal(found) : this.#stranger(hints);
    }
    if (!response.ok) throw await faultOf(realm.host, response);
    const told = await jsonOf<Record<string, unknown>>(realm.host, response, "a token", signal);
    const { token, access_token, expires_in } = told;
    const value = token ?? access_token;
    if (typeof value !== "string") {
      throw new RegistryFault("io", `the token service ${realm.host} gave no token`);
    }
    const lasts = typeof expires_in === "number" ? Math.max(expires_in, LASTS) : LASTS;
    return { header: `Bearer ${value}`, until: Date.now() + lasts * 1_000 };
  }

  async #askForToken(
    realm: URL,
    service: string | undefined,
    scope: string,
    found: FoundCredentials | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    try {
      if (found && "identityToken" in found.credentials) {
        const form = new URLSearchParams({
          grant_type: "refresh_token",
          client_id: "datatask",
          service: service ?? "",
          scope,
          refresh_token: found.credentials.identityToken,
        });
        return await this.#fetch(realm, {
          method: "POST",
          body: form,
          redirect: "error",
          ...(signal && { signal }),
        });
      }
      if (service) realm.searchParams.set("service", service);
      for (const one of scope.split(" ")) realm.searchParams.append("scope", one);
      const authorization = found && basic(found);
      return await this.#fetch(realm, {
        headers: authorization ? { authorization } : {},
        redirect: "error",
        ...(signal && { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionFault(realm.host, error);
    }
  }

  #refusal({ credentials, source }: FoundCredentials): RegistryFault {
    const who = "username" in credentials ? `the user ${JSON.stringify(credentials.username)}` : "the token";
    return new RegistryFault(
      "denied",
      `${this.#host} refused ${who} from ${source}: the password is wrong, or this login may not do it; check it, or use another login`,
      { status: 401 },
    );
  }

  #stranger(hints: readonly string[]): RegistryFault {
    const hint = hints.length === 0
      ? 'run "docker login"'
      : `allow Docker's logins to be read (${hints.join(" ")})`;
    return new RegistryFault("denied", `${this.#host} wants a login; pass \`credentials\`, or ${hint}`, {
      status: 401,
    });
  }
}

function nameOf({ repository, actions }: Access): string {
  return `${repository}:${actions}`;
}

function basic({ credentials }: FoundCredentials): string | undefined {
  if (!("username" in credentials)) return undefined;
  const bytes = new TextEncoder().encode(`${credentials.username}:${credentials.password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * Reads a `WWW-Authenticate` header. Of several challenges the first that is `Bearer` or `Basic` counts.
 *
 * @param challenge The header.
 * @returns The scheme in lower case, and its parameters.
 */
export function parseChallenge(
  challenge: string,
): { readonly scheme: string; readonly parameters: Record<string, string> } {
  const start = /(?:^|,\s*)(bearer|basic)(?:\s+|$)/i.exec(challenge);
  if (!start) return { scheme: challenge.split(/\s/)[0]!.toLowerCase(), parameters: {} };
  const parameters: Record<string, string> = {};
  const rest = challenge.slice(start.index + start[0].length);
  for (
    const [, name, quoted, plain] of rest.matchAll(/([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi)
  ) {
    parameters[name!.toLowerCase()] ??= quoted?.replace(/\\(.)/g, "$1") ?? plain!;
  }
  return { scheme: start[1]!.toLowerCase(), parameters };
}
