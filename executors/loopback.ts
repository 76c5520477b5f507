/**
 * Addresses that lead to the machine that uses them, and to no other.
 *
 * @module
 */
import type { AgentServer } from "./executor.ts";

/**
 * Whether an address leads to the machine that uses it.
 *
 * @param hostname A name or an address, also in brackets.
 * @returns Whether it does.
 */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(hostname);
}

/**
 * Whether a server that is bound to an address listens at all addresses of its machine.
 *
 * @param hostname The address.
 * @returns Whether it does.
 */
export function isEverywhere(hostname: string): boolean {
  return /^(0\.0\.0\.0|\[?::\]?)$/.test(hostname);
}

/**
 * The address of a server that others can use, where its owner has given one.
 *
 * @param server The server.
 * @returns The address; nothing when it leads to the machine that uses it.
 */
export function sharedUrl({ url }: AgentServer): string | undefined {
  return url !== undefined && !isLoopback(new URL(url).hostname) ? url : undefined;
}

/**
 * How a server is spoken to.
 *
 * @param server The server.
 * @returns `https` when its own address says so, otherwise `http`.
 */
export function schemeOf({ url }: AgentServer): "http" | "https" {
  return url?.startsWith("https:") ? "https" : "http";
}
