/**
 * How pods find values and the agent of a pipeline.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import type { AgentServer, Reach } from "../executor.ts";
import { isEverywhere, isLoopback, schemeOf, sharedUrl } from "../loopback.ts";
import { HOME } from "./script.ts";

/**
 * How the pods of an executor find the agent.
 *
 * @param name The name of the executor, for errors.
 * @param told Where pods find this machine, when that was said.
 * @returns What runners need to know.
 */
export function reachOf(name: string, told: string | undefined): Reach {
  const find = (server: AgentServer): string => addressOf(name, told, server).replace(/\/+$/, "");
  return {
    // Each pod has a folder of its own there, which goes with it.
    folder: () => Promise.resolve(HOME),
    address: (server) => new Promise((resolve) => resolve(find(server))),
  };
}

function addressOf(name: string, told: string | undefined, server: AgentServer): string {
  const { hostname, port } = server;
  const at = (host: string): string =>
    `${schemeOf(server)}://${/^[^[].*:/.test(host) ? `[${host}]` : host}:${port}`;
  if (told !== undefined) return told.includes("://") ? told : at(told);
  const url = sharedUrl(server);
  if (url !== undefined) return url;
  const refuse = (why: string): ExecutorError =>
    new ExecutorError("unavailable", `Cannot bring values to pods on ${name}: ${why}`, {
      operation: "start",
      subject: name,
      retry: "later",
    });
  if (isLoopback(hostname)) {
    throw refuse(
      `the agent listens on ${hostname} only, where no pod reaches it; give the pipeline { agent: { hostname } }, an address of this machine that pods reach; behind a gate give it { agent: { url } }, or the executor { agentAddress }`,
    );
  }
  if (isEverywhere(hostname)) {
    throw refuse(
      `the agent listens on every address, and which of them pods reach is not known; give the executor { agentAddress }, an address of this machine that pods reach, or the pipeline { agent: { url: "http://10.0.0.5:${port}" } }`,
    );
  }
  return at(hostname);
}
