/**
 * Where the agent of a pipeline listens, and what it bears.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { parseQuantity } from "../core/quota.ts";

/** A certificate with which the agent speaks TLS. Each is a text in PEM, or the path of a file that holds one. */
export interface AgentTls {
  /** Its certificate, with those in between up to the authority. */
  readonly certificate: string;
  /** The private key of the certificate. */
  readonly key: string;
  /** Certificates of the authorities that vouch for it. Workers are told them. Default: those that every system knows. */
  readonly authorities?: string;
}

/** Where the agent of a pipeline listens, and what it bears. It starts with the first run that needs it. */
export interface AgentOptions {
  /** The address it is bound to. `0.0.0.0` and `::` are all addresses of this machine. Default: `127.0.0.1`. */
  readonly hostname?: string;
  /** The port. Default: a free one, chosen once and kept in the state folder, so that the next coordinator listens at the same. */
  readonly port?: number;
  /** The address under which workers find it, where that is another than it is bound to: `https://gate.example/datatask`. */
  readonly url?: string;
  /** Makes it speak TLS. Default: plain HTTP. */
  readonly tls?: AgentTls;
  /** The longest upload it takes, in bytes. Default: `64Gi`. */
  readonly maxUploadBytes?: number | string;
  /** How many items an attempt may publish through a streaming output. Default: 1,000,000. */
  readonly maxItems?: number;
  /** How many requests an attempt may have under way. Default: 64. */
  readonly maxRequests?: number;
  /** After how long without progress a request is ended. Default: one minute. */
  readonly idleTimeout?: Duration;
}

/** {@linkcode AgentOptions}, with what was left out filled in. */
export interface AgentLimits {
  /** The longest upload, in bytes. */
  readonly maxUploadBytes: number;
  /** How many items of an attempt. */
  readonly maxItems: number;
  /** How many requests of an attempt at a time. */
  readonly maxRequests: number;
  /** How long without progress, in milliseconds. */
  readonly idleMs: number;
}

/**
 * What the agent bears.
 *
 * @param options As the user has written them.
 * @returns The limits.
 * @throws {DefinitionError} When one cannot be read.
 */
export function agentLimits(options: AgentOptions): AgentLimits {
  return {
    maxUploadBytes: parseQuantity(options.maxUploadBytes ?? "64Gi", "agent.maxUploadBytes"),
    maxItems: parseQuantity(options.maxItems ?? 1_000_000, "agent.maxItems"),
    maxRequests: parseQuantity(options.maxRequests ?? 64, "agent.maxRequests"),
    idleMs: parseDuration(options.idleTimeout ?? "1m", "agent.idleTimeout"),
  };
}

/** Whether an address stands for all addresses of this machine. */
export function isUnspecified(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::" || hostname === "[::]";
}

/**
 * What is wrong with the options of an agent.
 *
 * @param options As the user has written them.
 * @returns What is wrong, a sentence each, with what to do.
 */
export function agentFaults(options: AgentOptions): string[] {
  const faults: string[] = [];
  const { port, url, tls, hostname } = options;
  try {
    agentLimits(options);
  } catch (error) {
    faults.push(...(error as DefinitionError).faults);
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535)) {
    faults.push(`agent.port ${port} is no port; give a whole number from 1 to 65535, or leave it out`);
  }
  if (hostname === "") {
    faults.push("agent.hostname is empty; give an address of this machine, or leave it out");
  }
  if (url !== undefined) faults.push(...urlFaults(url, tls !== undefined));
  if (tls && url === undefined && isUnspecified(hostname ?? "")) {
    faults.push(
      `agent.tls with hostname ${hostname} does not say under which name workers find it; add { url } with a name that the certificate holds`,
    );
  }
  return faults;
}

function urlFaults(text: string, tls: boolean): string[] {
  const url = URL.parse(text);
  if (!url || !["http:", "https:"].includes(url.protocol) || url.search || url.hash || url.username) {
    return [
      `agent.url ${JSON.stringify(text)} is no address; write it like "https://gate.example/datatask"`,
    ];
  }
  // Plain HTTP behind a gate that speaks TLS is fine; the other way round nobody could connect.
  return tls && url.protocol === "http:"
    ? [`agent.url ${text} is plain HTTP, but agent.tls makes it speak TLS; write https://`]
    : [];
}
