/**
 * Reading kubeconfigs: which cluster, who one is, and which namespace.
 *
 * @module
 */
import { CORE_SCHEMA, load } from "../../deps/js_yaml.ts";
import { ExecutorError } from "../../core/errors.ts";

/** How to find a cluster. What is not given is looked for where `kubectl` looks. */
export interface ClusterOptions {
  /** The path of a kubeconfig. Default: `$KUBECONFIG`, `~/.kube/config`, or what a pod is given when this process runs in one. */
  readonly kubeconfig?: string;
  /** Which of its contexts. Default: the current one. */
  readonly context?: string;
  /** The namespace of all pods. Default: that of the context, or `default`. */
  readonly namespace?: string;
}

/** A cluster, as a kubeconfig describes it. */
export interface ClusterEntry {
  readonly server?: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "insecure-skip-tls-verify"?: boolean;
  readonly "tls-server-name"?: string;
  readonly "proxy-url"?: string;
}

/** Who one is, as a kubeconfig describes it. */
export interface UserEntry {
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly as?: string;
  readonly "as-groups"?: readonly string[];
  readonly exec?: { readonly command: string };
  readonly "auth-provider"?: unknown;
}

/** What was found. */
export interface Found {
  /** For people: `context dev of /home/ada/.kube/config`. */
  readonly source: string;
  readonly cluster: ClusterEntry;
  readonly user: UserEntry;
  readonly namespace: string;
}

interface Named {
  readonly name: string;
}
interface Config {
  readonly clusters: readonly (Named & { readonly cluster: ClusterEntry })[];
  readonly users: readonly (Named & { readonly user: UserEntry })[];
  readonly contexts: readonly (Named & { readonly context: Context })[];
  readonly current: string | undefined;
}
interface Context {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

/** Where a pod finds who it is. */
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** An error about how a cluster is found. */
export function unfindable(message: string, cause?: unknown): ExecutorError {
  return new ExecutorError("cannot-start", `Cannot find the Kubernetes cluster: ${message}`, {
    operation: "find",
    cause,
  });
}

function variable(name: string): string | undefined {
  const granted = Deno.permissions.querySync({ name: "env", variable: name }).state === "granted";
  return granted ? Deno.env.get(name) || undefined : undefined;
}

/**
 * Finds the cluster: the options first, then `KUBECONFIG`, `~/.kube/config`, and what a pod is given.
 *
 * @param options What was told.
 * @returns What was found.
 * @throws {ExecutorError} With code `cannot-start`, when nothing can be used.
 */
export async function findCluster(options: ClusterOptions): Promise<Found> {
  const home = variable("HOME") ?? variable("USERPROFILE");
  const usual = home && `${home}/.kube/config`;
  const told = options.kubeconfig ?? variable("KUBECONFIG");
  const paths = told === undefined
    ? [usual].filter((path) => path !== undefined)
    : told.split(":").filter(Boolean);
  const configs: Config[] = [];
  for (const path of paths) {
    const config = await readConfig(path);
    if (config) configs.push(config);
    else if (options.kubeconfig !== undefined) {
      throw unfindable(`there is no kubeconfig at ${path}; correct the option kubeconfig`);
    }
  }
  if (configs.length > 0) return choose(configs, paths.join(":"), options);
  if (told === undefined && variable("KUBERNETES_SERVICE_HOST") !== undefined) return inCluster(options);
  throw unfindable(
    told !== undefined
      ? `KUBECONFIG names ${told}, and no such file is there; correct it`
      : `there is no kubeconfig${
        usual ? ` at ${usual}` : ""
      }; set KUBECONFIG, or say where one is with the option kubeconfig`,
  );
}

async function readConfig(path: string): Promise<Config | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw unfindable(
      `the kubeconfig ${path} cannot be read: ${
        (error as Error).message
      }; check its owner and mode, or the --allow-read flag`,
      error,
    );
  }
  let value: Record<string, unknown> | undefined;
  try {
    value = load(text, { schema: CORE_SCHEMA }) as Record<string, unknown> | undefined;
  } catch (error) {
    const [first] = (error as Error).message.split("\n");
    // Beneath the first line it shows what the file holds, which may be a secret.
    throw unfindable(`the kubeconfig ${path} is no YAML: ${first}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unfindable(`${path} is no kubeconfig: it holds no mapping of clusters, users and contexts`);
  }
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const list = (name: string): readonly never[] => Array.isArray(value[name]) ? value[name] as never[] : [];
  return {
    clusters: list("clusters").map(({ name, cluster }) => ({
      name,
      cluster: withPaths(folder, cluster, ["certificate-authority"]),
    })),
    users: list("users").map(({ name, user }) => ({
      name,
      user: withPaths(folder, user, ["client-certificate", "client-key", "tokenFile"]),
    })),
    contexts: list("contexts"),
    current: typeof value["current-context"] === "string" ? value["current-context"] || undefined : undefined,
  };
}

/** Paths in a kubeconfig start where it lies. */
function withPaths<T extends object>(
  folder: string,
  entry: T | undefined,
  names: readonly (keyof T & string)[],
): T {
  const whole = { ...entry } as T;
  for (const name of names) {
    const path = whole[name];
    if (typeof path === "string" && path !== "" && !path.startsWith("/")) {
      whole[name] = `${folder}${path}` as T[typeof name];
    }
  }
  return whole;
}

/** Of entries of one name, that of the first file counts. */
function choose(configs: readonly Config[], path: string, options: ClusterOptions): Found {
  const contexts = configs.flatMap((config) => config.contexts);
  const known = (): string =>
    contexts.length === 0 ? "it has none" : `it has ${contexts.map(({ name }) => name).join(", ")}`;
  const name = options.context ??
    configs.map(({ current }) => current).find((current) => current !== undefined);
  if (name === undefined) {
    throw unfindable(
      `the kubeconfig ${path} has no current context (${known()}); name one with the option context, or choose one with "kubectl config use-context"`,
    );
  }
  const context = contexts.find((each) => each.name === name)?.context;
  if (context === undefined) {
    throw unfindable(`the kubeconfig ${path} has no context ${name}: ${known()}`);
  }
  const cluster = configs.flatMap(({ clusters }) => clusters).find((each) => each.name === context.cluster)
    ?.cluster;
  if (!cluster?.server) {
    throw unfindable(
      `the context ${name} of ${path} names the cluster ${
        JSON.stringify(context.cluster ?? "")
      }, which is not there or has no server`,
    );
  }
  const user = configs.flatMap(({ users }) => users).find((each) => each.name === context.user)?.user;
  if (context.user !== undefined && user === undefined) {
    throw unfindable(
      `the context ${name} of ${path} names the user ${JSON.stringify(context.user)}, which is not there`,
    );
  }
  return {
    source: `context ${name} of ${path}`,
    cluster,
    user: user ?? {},
    namespace: options.namespace ?? context.namespace ?? "default",
  };
}

async function inCluster(options: ClusterOptions): Promise<Found> {
  const host = variable("KUBERNETES_SERVICE_HOST")!;
  const port = variable("KUBERNETES_SERVICE_PORT") ?? "443";
  let namespace = options.namespace;
  try {
    namespace ??= (await Deno.readTextFile(`${ACCOUNT}/namespace`)).trim();
  } catch (error) {
    throw unfindable(
      `this seems to be a pod, but ${ACCOUNT} cannot be read (${
        (error as Error).message
      }); give the pod a service account, or a kubeconfig`,
      error,
    );
  }
  return {
    source: "the service account of this pod",
    cluster: {
      server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
      "certificate-authority": `${ACCOUNT}/ca.crt`,
    },
    user: { tokenFile: `${ACCOUNT}/token` },
    namespace,
  };
}
