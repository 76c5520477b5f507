/**
 * How a cluster is reached and how one proves who one is: what every request needs.
 *
 * @module
 */
import type { RequestProof } from "../../deps/kubernetes_client.ts";
import { type Found, unfindable, type UserEntry } from "./kubeconfig.ts";

/** What proves who sends a request. */
export interface Proof {
  readonly headers: Readonly<Record<string, string>>;
  /** A certificate and its key, in PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** How a cluster is reached. */
export interface Access {
  /** Its address, without a slash at the end. */
  readonly server: string;
  /** What the server is called in its certificate, where that is not the name in its address. */
  readonly certified: string | undefined;
  /** Whether its certificate is not to be checked. */
  readonly unchecked: boolean;
  /** For people: where it was read. */
  readonly source: string;
  /** The namespace of all pods. */
  readonly namespace: string;
  /** The authorities that are trusted besides those of the system, in PEM. */
  readonly authorities: readonly string[];
  /** The groups that one acts for, each a header of its own. */
  readonly groups: readonly string[];
  /** The address of a proxy. */
  readonly proxy: string | undefined;
  /**
   * What proves who one is, now.
   *
   * @param fresh Whether what was known has just been refused.
   */
  proof(fresh?: boolean): Promise<Proof>;
  /** Whether asking again may give another proof. */
  readonly renews: boolean;
}

/** How long a proof that a file or a program gave is used before it is asked for again, in milliseconds. */
const KEEP = 30_000;

/**
 * Makes ready what a kubeconfig describes.
 *
 * @param found What was found.
 * @returns How the cluster is reached.
 * @throws {ExecutorError} With code `cannot-start`, when it cannot be.
 */
export async function accessOf(found: Found): Promise<Access> {
  const { cluster, source, namespace, user } = found;
  const server = cluster.server!.replace(/\/+$/, "");
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw unfindable(`the server ${server} of the ${source} is no address; write https://<host>:<port>`);
  }
  const { hostname, protocol } = new URL(server);
  const told = cluster["tls-server-name"];
  const certified = protocol === "https:" && told && told !== hostname ? told : undefined;
  if (certified !== undefined && cluster["proxy-url"] !== undefined) {
    throw unfindable(
      `the ${source} wants the server to be called ${certified} (tls-server-name) and a proxy (proxy-url), which cannot be had together; use that name in its address`,
    );
  }
  const authority = await material(
    source,
    "certificate authority",
    cluster["certificate-authority-data"],
    cluster["certificate-authority"],
  );
  const { proof, renews } = await proofOf(found, user);
  return {
    server,
    certified,
    unchecked: cluster["insecure-skip-tls-verify"] === true,
    source,
    namespace,
    authorities: authority === undefined ? [] : [authority],
    groups: user["as-groups"] ?? [],
    proxy: cluster["proxy-url"],
    proof,
    renews,
  };
}

async function material(
  source: string,
  what: string,
  data?: string,
  path?: string,
): Promise<string | undefined> {
  if (data) {
    try {
      return new TextDecoder().decode(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
    } catch (error) {
      throw unfindable(`the ${what} of the ${source} is no base64`, error);
    }
  }
  return path ? await readText(source, what, path) : undefined;
}

async function readText(source: string, what: string, path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (error) {
    throw unfindable(
      `the ${what} of the ${source} cannot be read at ${path}: ${
        (error as Error).message.trim()
      }; check the path, or the --allow-read flag`,
      error,
    );
  }
}

async function proofOf(found: Found, user: UserEntry): Promise<Pick<Access, "proof" | "renews">> {
  const { source } = found;
  const acting: Readonly<Record<string, string>> = user.as ? { "Impersonate-User": user.as } : {};
  if (user.exec || user["auth-provider"]) return renewed(askClient(found, acting));
  const cert = await material(
    source,
    "client certificate",
    user["client-certificate-data"],
    user["client-certificate"],
  );
  const key = await material(source, "client key", user["client-key-data"], user["client-key"]);
  if ((cert === undefined) !== (key === undefined)) {
    throw unfindable(
      `the ${source} has a client ${cert ? "certificate without its key" : "key without its certificate"}`,
    );
  }
  const { tokenFile } = user;
  if (tokenFile && !user.token) {
    return renewed(async () => {
      const token = await readText(source, "token", tokenFile);
      return { headers: { ...acting, Authorization: `Bearer ${token}` }, cert, key };
    });
  }
  const authorization: Readonly<Record<string, string>> = user.token
    ? { Authorization: `Bearer ${user.token}` }
    : user.username
    ? { Authorization: `Basic ${btoa(`${user.username}:${user.password ?? ""}`)}` }
    : {};
  const fixed = { headers: { ...acting, ...authorization }, cert, key };
  return { proof: () => Promise.resolve(fixed), renews: false };
}

/** Asks for a proof now and then, and for all that want one at the same time at once. */
function renewed(ask: (fresh: boolean) => Promise<Proof>): Pick<Access, "proof" | "renews"> {
  let kept: { readonly proof: Promise<Proof>; readonly until: number } | undefined;
  return {
    renews: true,
    async proof(fresh = false) {
      if (kept === undefined || fresh || performance.now() > kept.until) {
        kept = { proof: ask(fresh), until: performance.now() + KEEP };
      }
      const asked = kept;
      try {
        return await asked.proof;
      } catch (error) {
        if (kept === asked) kept = undefined;
        throw error;
      }
    },
  };
}

/** The client of Kubernetes runs programs and asks servers of OpenID; it is loaded for those who need it only. */
function askClient(
  found: Found,
  acting: Readonly<Record<string, string>>,
): (fresh: boolean) => Promise<Proof> {
  const text = JSON.stringify({
    clusters: [{ name: "it", cluster: found.cluster }],
    users: [{ name: "it", user: found.user }],
    contexts: [{ name: "it", context: { cluster: "it", user: "it" } }],
    "current-context": "it",
  });
  let config: { applyToHTTPSOptions(proof: RequestProof): Promise<void> } | undefined;
  const words = (value: unknown): string | undefined =>
    value === undefined || value === null ? undefined : String(value);
  return async (fresh) => {
    const proof: RequestProof = { headers: {} };
    try {
      const { KubeConfig } = await import("../../deps/kubernetes_client.ts");
      if (config === undefined || fresh) {
        const made = new KubeConfig();
        made.loadFromString(text);
        config = made;
      }
      await config.applyToHTTPSOptions(proof);
    } catch (error) {
      const what = found.user.exec ? `the program ${found.user.exec.command}` : "the auth-provider";
      throw unfindable(
        `${what} of the ${found.source} gave nothing to log in with: ${
          (error as Error).message.trim()
        }; run it by hand, or log in again`,
        error,
      );
    }
    return { headers: { ...proof.headers, ...acting }, cert: words(proof.cert), key: words(proof.key) };
  };
}
