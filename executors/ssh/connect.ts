/**
 * Making one connection: who the host is, who we are, and through whom.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { ExecutorError } from "../../core/errors.ts";
import {
  Client,
  type ConnectConfig,
  parseKey,
  releaseDecipher,
  type ServerHostKeyAlgorithm,
} from "../../deps/ssh2.ts";
import { connectError } from "./fault.ts";
import { fingerprint, keyType, KnownHost, knownName } from "./known_hosts.ts";
import { addressText, type SshAddress } from "./options.ts";

/** A connection, and its end. */
export class Connection {
  /** For channels. */
  readonly client: Client;
  /** Settles when it is over, for whatever reason. */
  readonly closed: Promise<void>;
  #over = false;

  /** @param client A connection that was not yet begun. */
  constructor(client: Client) {
    this.client = client;
    this.closed = new Promise((resolve) => {
      client.once("close", () => {
        this.#over = true;
        releaseDecipher(client);
        resolve();
      });
    });
  }

  /** Ends it; returns when it is over. */
  async end(): Promise<void> {
    // One that was never begun does not say that it is over.
    if (this.#over || !(this.client as unknown as { readonly _sock?: unknown })._sock) return;
    // A polite end waits for a server that may be gone.
    const timer = setTimeout(() => this.client.destroy(), 1000);
    this.client.end();
    await this.closed;
    clearTimeout(timer);
  }
}

/** What a connection is made with. */
export interface ConnectOptions {
  /** The executor, for errors. */
  readonly name: string;
  /** How long it may take, in milliseconds. */
  readonly connectMs: number;
  /** How often a silent server is asked, in milliseconds. */
  readonly keepaliveMs: number;
  /** When to stop. */
  readonly signal?: AbortSignal | undefined;
}

function variable(name: string): string | undefined {
  return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
    ? Deno.env.get(name)
    : undefined;
}

function inHome(path: string, what: string, address: SshAddress, options: ConnectOptions): string {
  if (!path.startsWith("~/")) return path;
  const home = variable("HOME");
  if (home !== undefined) return home + path.slice(1);
  throw denied(
    address,
    options,
    `where ${path} is cannot be told without --allow-env=HOME; allow it, or give ${what}`,
  );
}

function denied(address: SshAddress, options: ConnectOptions, what: string): ExecutorError {
  return new ExecutorError(
    "denied",
    `Cannot connect to ${addressText(address)} for executor ${options.name}: ${what}`,
    { operation: "connect", subject: options.name, retry: "never" },
  );
}

/** Judges the key of a host: nothing when it is the right one. */
type Judge = (key: Uint8Array) => ExecutorError | undefined;

async function knownHost(
  address: SshAddress,
  options: ConnectOptions,
): Promise<{ readonly judge: Judge; readonly types: readonly string[] }> {
  const { host, port = 22, hostKey } = address;
  const refuse = (what: string): ExecutorError => denied(address, options, what);
  const show = (key: Uint8Array): string => `${keyType(key)} ${fingerprint(key)}`;
  if (hostKey !== undefined) {
    return {
      types: [],
      judge: (key) =>
        fingerprint(key) === hostKey.replace(/=+$/, "") ? undefined : refuse(
          `its key is ${
            show(key)
          } and not ${hostKey} as hostKey says; it is another host, or somebody is in between`,
        ),
    };
  }
  const path = inHome(address.knownHosts ?? "~/.ssh/known_hosts", "knownHosts or hostKey", address, options);
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw connectError(options.name, addressText(address), error);
  });
  const known = new KnownHost(text, host, port);
  const scan = `ssh-keyscan ${port === 22 ? "" : `-p ${port} `}${host} >> ${path}`;
  const judge: Judge = (key) => {
    switch (known.judge(key)) {
      case "known":
        return undefined;
      case "unknown":
      case "other-type":
        return refuse(
          `its key ${show(key)} is not in ${path} under ${
            knownName(host, port)
          }; compare it with what ssh-keygen -lf says of the host's own key there, then add it: ${scan} (or give it as hostKey: "${
            fingerprint(key)
          }")`,
        );
      case "changed":
        return refuse(
          `its key ${
            show(key)
          } is not the one in ${path}: the host was set up anew, or somebody is in between; find out which, and only then: ssh-keygen -R '${
            knownName(host, port)
          }' -f ${path}; ${scan}`,
        );
      case "revoked":
        return refuse(`its key ${show(key)} is marked as revoked in ${path}; do not use it`);
    }
  };
  return { judge, types: known.types };
}

/** What we prove with who we are. */
async function credentials(address: SshAddress, options: ConnectOptions): Promise<Partial<ConnectConfig>> {
  const { identity, password, passphrase } = address;
  const base: Partial<ConnectConfig> = password === undefined ? {} : { password, tryKeyboard: false };
  const agent = variable("SSH_AUTH_SOCK");
  if (identity === "agent") {
    if (agent) return { ...base, agent };
    throw denied(
      address,
      options,
      "identity is the agent, and SSH_AUTH_SOCK does not say where it is; start ssh-agent, and allow --allow-env=SSH_AUTH_SOCK",
    );
  }
  if (identity !== undefined) return { ...base, ...await readIdentity(identity, address, options) };
  if (password !== undefined) return base;
  if (agent) return { agent };
  for (const file of ["id_ed25519", "id_ecdsa", "id_rsa"]) {
    const path = inHome(`~/.ssh/${file}`, "identity or password", address, options);
    const text = await Deno.readTextFile(path).catch(() => undefined);
    if (text !== undefined) return checkKeyText(text, path, passphrase, address, options);
  }
  throw denied(address, options, "there is neither an agent nor a key in ~/.ssh; give identity or password");
}

async function readIdentity(
  identity: string,
  address: SshAddress,
  options: ConnectOptions,
): Promise<Partial<ConnectConfig>> {
  if (identity.includes("PRIVATE KEY-----")) {
    return checkKeyText(identity, "the text of identity", address.passphrase, address, options);
  }
  const path = inHome(identity, "an absolute path", address, options);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw connectError(options.name, addressText(address), error);
    }
    throw denied(address, options, `the key ${path} cannot be read: ${(error as Error).message}`);
  }
  return checkKeyText(text, path, address.passphrase, address, options);
}

function checkKeyText(
  text: string,
  what: string,
  passphrase: string | undefined,
  address: SshAddress,
  options: ConnectOptions,
): Partial<ConnectConfig> {
  const key = parseKey(text, passphrase);
  if (key instanceof Error) {
    const hint = !/passphrase|decrypt|integrity|bad/i.test(key.message)
      ? "it is not a private key"
      : passphrase === undefined
      ? "it is encrypted; give passphrase, or use the agent"
      : "the passphrase does not open it";
    throw denied(address, options, `${what}: ${hint}`);
  }
  return { privateKey: text, ...(passphrase === undefined ? {} : { passphrase }) };
}

/** The algorithms to ask for, so that the host shows a key of a type that is known. */
function algorithmsFor(types: readonly string[]): Pick<ConnectConfig, "algorithms"> {
  const names = types.flatMap((type) =>
    type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type]
  )
    .filter((name): name is ServerHostKeyAlgorithm =>
      /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|rsa-sha2-(256|512)|ssh-rsa)$/.test(name)
    );
  return names.length === 0
    ? {}
    : { algorithms: { serverHostKey: { prepend: names, append: [], remove: [] } } };
}

/**
 * Makes a connection.
 *
 * @param address To whom.
 * @param options How.
 * @param sock A way to it through another server.
 * @returns The connection, ready for channels. Its errors after this end it, and are heard by nobody.
 * @throws {ExecutorError} With code `denied` when either side refuses the other, and `unavailable` when it is not reached.
 */
export async function connect(
  address: SshAddress,
  options: ConnectOptions,
  sock?: Duplex,
): Promise<Connection> {
  options.signal?.throwIfAborted();
  const { judge, types } = await knownHost(address, options);
  const proof = await credentials(address, options);
  const client = new Client();
  const connection = new Connection(client);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let fault: ExecutorError | undefined;
  // It stays: a second error may follow the first, and nobody would hear it.
  client.on("error", (error) => reject(fault ?? connectError(options.name, addressText(address), error)));
  client.on(
    "close",
    () =>
      reject(
        fault ??
          connectError(options.name, addressText(address), new Error("the server closed the connection")),
      ),
  );
  client.on("ready", () => resolve());
  const abort = (): void => reject(options.signal!.reason);
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    client.connect({
      host: address.host,
      port: address.port ?? 22,
      username: address.user,
      readyTimeout: options.connectMs,
      keepaliveInterval: options.keepaliveMs,
      keepaliveCountMax: 4,
      hostVerifier: (key: Uint8Array): boolean => {
        fault = judge(key);
        return fault === undefined;
      },
      ...algorithmsFor(types),
      ...proof,
      ...(sock ? { sock } : {}),
    });
    client.setNoDelay(true);
    await promise;
    return connection;
  } catch (error) {
    await connection.end();
    throw error instanceof Error && options.signal?.aborted !== true
      ? connectError(options.name, addressText(address), error)
      : error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}

/** Makes a way to a server through another connection. */
export function forward(through: Connection, address: SshAddress, options: ConnectOptions): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    through.client.forwardOut("127.0.0.1", 0, address.host, address.port ?? 22, (error, channel) => {
      if (!error) return resolve(channel);
      reject(connectError(options.name, `${addressText(address)} through the proxy`, error));
    });
  });
}
