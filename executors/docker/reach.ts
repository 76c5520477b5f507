/**
 * How containers find a server of this machine.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import type { AgentServer, Reach } from "../executor.ts";
import { isEverywhere, isLoopback, schemeOf, sharedUrl } from "../loopback.ts";
import type { Engine } from "./engine.ts";
import { HOME } from "./script.ts";

/** What the engine says of a network. */
interface Network {
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] | null };
}

/**
 * How containers of an engine find a server of this machine.
 *
 * @param name The executor, for errors.
 * @param engine The engine.
 * @param local Whether it is on this machine.
 * @param told Where they find this machine, when that was said.
 * @returns What runners need to know.
 */
export function dockerReach(name: string, engine: Engine, local: boolean, told: string | undefined): Reach {
  return {
    folder: () => Promise.resolve(HOME),
    async address(server, { network, signal } = {}) {
      const at = (host: string): string => `${schemeOf(server)}://${host}:${server.port}`;
      if (told !== undefined) return told.includes("://") ? told.replace(/\/+$/, "") : at(told);
      const shared = sharedUrl(server);
      if (shared !== undefined) return shared;
      if (network === "none") {
        throw refuse(name, `the container has no network; give the task another one than "none"`);
      }
      const { hostname } = server;
      if (!isLoopback(hostname) && !isEverywhere(hostname)) return at(hostname);
      if (local && network === "host") return at("127.0.0.1");
      const gateway = local && isEverywhere(hostname) &&
        await engine.patiently(() => gatewayOf(engine, network ?? "bridge", signal), signal).catch(
          (error) => {
            throw engine.explain(error, `bring values to containers of ${name}`);
          },
        );
      if (gateway) return at(gateway);
      throw refuse(name, unreached(server, local));
    },
  };
}

/** The address of the engine's machine on a network. */
async function gatewayOf(
  engine: Engine,
  network: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const path = `/networks/${encodeURIComponent(network)}`;
  const found = await engine.find<Network>({ method: "GET", path, signal });
  return found?.IPAM?.Config?.find(({ Gateway }) => Gateway)?.Gateway;
}

function unreached({ hostname }: AgentServer, local: boolean): string {
  const where = isLoopback(hostname)
    ? `the agent listens at ${hostname}, which leads a container to itself`
    : "which address of this machine they reach is not known";
  return `${where}; give the pipeline { agent: { hostname: "0.0.0.0" } }, and ` +
    (local
      ? `the executor { agentAddress } where that is not enough, or the task the network "host"`
      : "the executor { agentAddress }, an address of this machine that the engine's containers reach");
}

function refuse(name: string, why: string): ExecutorError {
  return new ExecutorError("unavailable", `Cannot bring values to containers of ${name}: ${why}`, {
    operation: "start",
    subject: name,
    retry: "later",
  });
}
