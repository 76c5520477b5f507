/**
 * Where the Docker Engine is: as told, or as the `docker` command would find it.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import type { DockerodeOptions } from "../../deps/dockerode.ts";

/** How to find an engine. What is not given is looked for where the `docker` command looks. */
export interface EndpointOptions {
  /** The path of its socket: `/run/user/1000/docker.sock`. */
  readonly socket?: string;
  /** Its address, as in `DOCKER_HOST`: `unix:///run/docker.sock`, `tcp://10.0.0.5:2376`. */
  readonly host?: string;
  /** The name of a context of the `docker` command. */
  readonly context?: string;
  /** Certificates, in PEM: the authority that is trusted, and who one is. With them the connection is encrypted. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Where an engine is. */
export interface Endpoint {
  /** For people: `unix:///var/run/docker.sock`. */
  readonly url: string;
  /** For the client. */
  readonly options: DockerodeOptions;
  /** Whether it is on this machine. */
  readonly local: boolean;
}

const DEFAULT = "unix:///var/run/docker.sock";

/** A variable, where it may be read. */
export function variable(name: string): string | undefined {
  const granted = Deno.permissions.querySync({ name: "env", variable: name }).state === "granted";
  return granted ? Deno.env.get(name) || undefined : undefined;
}

/**
 * The folder where the `docker` command keeps its settings.
 *
 * @returns `$DOCKER_CONFIG`, else `~/.docker`; nothing when neither variable may be read or is set.
 */
export function dockerFolder(): string | undefined {
  const folder = variable("DOCKER_CONFIG");
  if (folder !== undefined) return folder;
  const home = variable("HOME") ?? variable("USERPROFILE");
  return home && `${home}/.docker`;
}

/**
 * Finds the engine: the options first, then `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context, and the usual socket.
 *
 * @param options What was told.
 * @returns Where it is.
 * @throws {ExecutorError} When an address or a context cannot be used.
 */
export function findEndpoint(options: EndpointOptions = {}): Endpoint {
  if (options.socket !== undefined) return endpointOf(`unix://${options.socket}`, undefined);
  if (options.host !== undefined) return endpointOf(options.host, options.tls);
  if (options.context !== undefined) return contextOf(options.context);
  const host = variable("DOCKER_HOST");
  if (host !== undefined) return endpointOf(host, options.tls ?? certificates());
  const context = variable("DOCKER_CONTEXT") ?? currentContext();
  return context === undefined || context === "default" ? endpointOf(DEFAULT, undefined) : contextOf(context);
}

function refuse(message: string, cause?: unknown): ExecutorError {
  return new ExecutorError("cannot-start", `Cannot find the Docker Engine: ${message}`, {
    operation: "find",
    cause,
  });
}

/** The certificates that `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` name. */
function certificates(): EndpointOptions["tls"] {
  if (variable("DOCKER_TLS_VERIFY") === undefined) return undefined;
  const folder = variable("DOCKER_CERT_PATH") ?? dockerFolder();
  return folder === undefined ? {} : readCertificates(folder);
}

function readCertificates(folder: string): NonNullable<EndpointOptions["tls"]> {
  const found: { ca?: string; cert?: string; key?: string } = {};
  for (const part of ["ca", "cert", "key"] as const) {
    try {
      found[part] = Deno.readTextFileSync(`${folder}/${part}.pem`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw refuse(
          `its certificate ${folder}/${part}.pem cannot be read: ${
            (error as Error).message
          }; check its owner and mode, or the --allow-read flag`,
          error,
        );
      }
    }
  }
  return found;
}

function endpointOf(host: string, tls: EndpointOptions["tls"]): Endpoint {
  if (host.startsWith("unix://")) {
    const socketPath = host.slice("unix://".length);
    if (!socketPath.startsWith("/")) {
      throw refuse(`${host} names no absolute path; write unix:///var/run/docker.sock`);
    }
    return { url: host, options: { socketPath }, local: true };
  }
  const url = URL.canParse(host) ? new URL(host.replace(/^tcp:/, "http:")) : undefined;
  if (!url || !/^(tcp|https?):/.test(host) || url.hostname === "") {
    throw refuse(
      `${host} is no address that can be used; write unix://<path of the socket> or tcp://<host>:<port>, or forward the socket over SSH`,
    );
  }
  const safe = tls !== undefined || host.startsWith("https:");
  const port = Number(url.port) || (safe ? 2376 : 2375);
  return {
    url: host,
    options: {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port,
      protocol: safe ? "https" : "http",
      ...tls,
    },
    local: false,
  };
}

/** The context that `docker context use` has chosen. */
function currentContext(): string | undefined {
  const folder = dockerFolder();
  if (folder === undefined) return undefined;
  const path = `${folder}/config.json`;
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
  try {
    return (JSON.parse(Deno.readTextFileSync(path)) as { currentContext?: string }).currentContext ||
      undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // What a parser says shows a part of the text, which may be a secret.
    if (error instanceof SyntaxError) throw refuse(`${path} is no JSON; repair it, or set DOCKER_HOST`);
    throw refuse(`${path} cannot be read: ${(error as Error).message}; repair it, or set DOCKER_HOST`, error);
  }
}

interface ContextMeta {
  readonly Name: string;
  readonly Endpoints?: { readonly docker?: { readonly Host?: string } };
}

/** Contexts lie in folders whose names are digests of theirs; what a folder says of itself is enough to find it. */
function contextOf(name: string): Endpoint {
  const folder = dockerFolder();
  const root = `${folder}/contexts/meta`;
  let entries: Deno.DirEntry[] = [];
  try {
    if (folder !== undefined) entries = [...Deno.readDirSync(root)];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw refuse(`the contexts in ${root} cannot be read: ${(error as Error).message}`, error);
    }
  }
  for (const entry of entries) {
    const meta = JSON.parse(Deno.readTextFileSync(`${root}/${entry.name}/meta.json`)) as ContextMeta;
    if (meta.Name !== name) continue;
    const host = meta.Endpoints?.docker?.Host;
    if (host === undefined) {
      throw refuse(`the context ${name} names no engine; repair it with "docker context update"`);
    }
    const tls = readCertificates(`${folder}/contexts/tls/${entry.name}/docker`);
    return endpointOf(host, Object.keys(tls).length > 0 ? tls : undefined);
  }
  throw refuse(`there is no context ${name}; "docker context ls" shows those that are there`);
}
