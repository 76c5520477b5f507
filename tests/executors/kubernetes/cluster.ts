/**
 * The cluster that the tests use, seen without the product: its bare API, namespaces that go away when a test is over, accounts that may do
 * little, and faults.
 *
 * @module
 */
import { load } from "../../../deps/js_yaml.ts";
import { needs, type Service } from "../../../testing/needs.ts";

const kubernetes = needs("kubernetes");

/** The program that brings faults about, where the cluster is one of ours. */
const faults = needs("kubernetes-faults");

/** The file of a kubeconfig that may do everything. */
export const config = kubernetes.get("KUBERNETES_TEST_CONFIG");
/** An image with a POSIX shell and nothing else. */
export const image = kubernetes.get("KUBERNETES_TEST_IMAGE");
/** An image with Deno, a shell and curl. */
export const denoImage = kubernetes.get("KUBERNETES_DENO_IMAGE");
/** This machine, as pods see it. */
export const hostAddress = kubernetes.get("KUBERNETES_HOST_ADDRESS");

/** What a kubeconfig says of the cluster and its user, as far as tests read it. */
interface Kubeconfig {
  readonly clusters: readonly { cluster: { server: string; "certificate-authority-data": string } }[];
  readonly users: readonly {
    user: { "client-certificate-data"?: string; "client-key-data"?: string; token?: string };
  }[];
}

/** An object of the cluster, as far as tests read it. */
export interface ClusterObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  // deno-lint-ignore no-explicit-any
  readonly [part: string]: any;
}

/** An answer that is not what was asked for. */
export class ApiFault extends Error {
  /**
   * @param status The status of HTTP.
   * @param text What the cluster said.
   */
  constructor(readonly status: number, text: string) {
    super(`${status}: ${text}`);
    this.name = "ApiFault";
  }
}

/** The API, as the user of a kubeconfig. */
export class Cluster implements Disposable {
  /** Where it is. */
  readonly server: string;
  readonly #client: Deno.HttpClient;
  readonly #headers: Record<string, string>;
  readonly #authority: string;

  /** @param kubeconfig The text of a kubeconfig with one cluster and one user, who has a certificate or a token. */
  constructor(kubeconfig: string = Deno.readTextFileSync(config)) {
    const { clusters: [{ cluster }], users: [{ user }] } = load(kubeconfig) as unknown as {
      clusters: [Kubeconfig["clusters"][number]];
      users: [Kubeconfig["users"][number]];
    };
    this.server = cluster.server;
    this.#authority = cluster["certificate-authority-data"];
    const certificate = user["client-certificate-data"], key = user["client-key-data"];
    this.#client = Deno.createHttpClient({
      caCerts: [atob(this.#authority)],
      ...(certificate && key ? { cert: atob(certificate), key: atob(key) } : {}),
    });
    this.#headers = user.token ? { authorization: `Bearer ${user.token}` } : {};
  }

  /** One call, and its answer. */
  async text(method: string, path: string, body?: unknown, type = "application/json"): Promise<string> {
    const answer = await fetch(this.server + path, {
      method,
      client: this.#client,
      headers: { ...this.#headers, "content-type": type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new ApiFault(answer.status, text);
    return text;
  }

  /** One call that is answered with an object. */
  async call<T = ClusterObject>(method: string, path: string, body?: unknown, type?: string): Promise<T> {
    return JSON.parse(await this.text(method, path, body, type)) as T;
  }

  /** The objects of a list. */
  async list(path: string): Promise<ClusterObject[]> {
    return (await this.call<{ items: ClusterObject[] }>("GET", path)).items;
  }

  /** Asks for an object until it is as wanted. An apiserver that is away for a while is borne with. */
  async until(path: string, holds: (object: ClusterObject) => boolean): Promise<ClusterObject> {
    let seen: unknown;
    for (const end = Date.now() + 120_000; Date.now() < end;) {
      try {
        const object = await this.call("GET", path);
        if (holds(object)) return object;
        seen = object["status"];
      } catch (fault) {
        seen = fault;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(
      `${path} did not come to be as wanted: ${seen instanceof Error ? seen : JSON.stringify(seen)}`,
    );
  }

  /** Makes a namespace, which goes with all that is in it when the test is over. */
  async namespace(stack: AsyncDisposableStack): Promise<string> {
    const name = `test-${crypto.randomUUID().slice(0, 8)}`;
    await this.call("POST", "/api/v1/namespaces", { metadata: { name } });
    stack.defer(async () => void await this.text("DELETE", `/api/v1/namespaces/${name}`));
    // Pods are refused before it is there.
    await this.until(`/api/v1/namespaces/${name}/serviceaccounts/default`, () => true);
    return name;
  }

  /**
   * Makes a service account that may do in its namespace what is said, and no more.
   *
   * @param namespace Which.
   * @param rules As a Role has them.
   * @returns Its name.
   */
  async serviceAccount(
    namespace: string,
    rules: readonly Readonly<Record<string, readonly string[]>>[],
  ): Promise<string> {
    const name = `user-${crypto.randomUUID().slice(0, 8)}`, metadata = { name };
    const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await this.call("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata });
    await this.call("POST", `${roles}/roles`, { metadata, rules });
    await this.call("POST", `${roles}/rolebindings`, {
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    });
    return name;
  }

  /**
   * Makes a user that may do in its namespace what is said, and no more.
   *
   * @param namespace Which.
   * @param rules As a Role has them.
   * @returns The text of its kubeconfig.
   */
  async account(
    namespace: string,
    rules: readonly Readonly<Record<string, readonly string[]>>[],
  ): Promise<string> {
    const name = await this.serviceAccount(namespace, rules);
    const { status } = await this.call(
      "POST",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      {
        spec: { expirationSeconds: 3600 },
      },
    );
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server: this.server, "certificate-authority-data": this.#authority } }],
      users: [{ name, user: { token: status.token } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace } }],
      "current-context": name,
    });
  }

  /** Ends its connections. */
  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** What a test of the cluster is given. */
export interface Place {
  /** The cluster, as somebody who may do everything. */
  readonly cluster: Cluster;
  /** A namespace of its own. */
  readonly namespace: string;
  /** What it puts here is undone when it is over. */
  readonly stack: AsyncDisposableStack;
}

/** Registers a test that needs the cluster, in a namespace of its own. Tests of faults run while no such test does. */
export function clusterTest(name: string, body: (place: Place) => Promise<void>): void {
  register(name, kubernetes, false, body);
}

/** Registers a test that does to the cluster what the others would not bear: it runs while no other test of the cluster does. */
export function faultTest(name: string, body: (place: Place) => Promise<void>): void {
  register(name, faults, true, body);
}

function register(
  name: string,
  needed: Service,
  alone: boolean,
  body: (place: Place) => Promise<void>,
): void {
  Deno.test({
    ...needed.test,
    name,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await body(await taken(stack, alone));
    },
  });
}

/**
 * Makes a namespace of the cluster for a test.
 *
 * @param stack What it holds is undone at the end.
 * @param alone Whether no other test may use the cluster meanwhile. Default: none that needs it alone.
 */
export async function taken(stack: AsyncDisposableStack, alone = false): Promise<Place> {
  if (faults.available) {
    const file = stack.use(await Deno.open(`${config}.lock`, { create: true, write: true }));
    await file.lock(alone);
  }
  const cluster = stack.use(new Cluster());
  return { cluster, namespace: await cluster.namespace(stack), stack };
}

/** Whether there is a cluster. */
export const available = kubernetes.available;

/**
 * Brings a fault about, or ends it: `kubernetes.sh` says which there are.
 *
 * @param words `stop kubelet`, `start kubelet`, `restart-apiserver -KILL`.
 */
export async function fault(...words: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(faults.get("KUBERNETES_PROGRAM"), {
    args: words,
    stdout: "null",
    stderr: "piped",
  })
    .output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
