/** Finding a cluster, and what is said when there is none: nothing here needs one. */
import assert from "node:assert/strict";
import { describeError } from "../../../core/errors.ts";
import { accessOf } from "../../../executors/kubernetes/access.ts";
import { findCluster } from "../../../executors/kubernetes/kubeconfig.ts";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { refuses } from "../../kit/refuses.ts";

/** A folder with files, for the time of a test. */
async function folder(stack: AsyncDisposableStack, files: Readonly<Record<string, string>>): Promise<string> {
  const path = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${path}/${name}`, text);
  return path;
}

const whole = {
  clusters: [{
    name: "c",
    cluster: { server: "https://127.0.0.1:6443/", "certificate-authority": "ca.crt" },
  }],
  users: [{ name: "u", user: { tokenFile: "token" } }, { name: "plain", user: { token: "t", as: "other" } }],
  contexts: [
    { name: "dev", context: { cluster: "c", user: "u", namespace: "jobs" } },
    { name: "plain", context: { cluster: "c", user: "plain" } },
    { name: "no-cluster", context: { cluster: "gone", user: "u" } },
    { name: "no-user", context: { cluster: "c", user: "gone" } },
  ],
  "current-context": "dev",
};

Deno.test("kubernetesExecutor() finds the cluster, the user and the namespace in a kubeconfig", async () => {
  await using stack = new AsyncDisposableStack();
  const path = await folder(stack, {
    config: JSON.stringify(whole),
    "ca.crt": "AUTHORITY",
    token: "secret\n",
  });
  const kubeconfig = `${path}/config`;
  const found = await findCluster({ kubeconfig });
  assert.equal(found.namespace, "jobs");
  assert.equal(found.source, `context dev of ${kubeconfig}`);
  const access = await accessOf(found);
  assert.equal(access.server, "https://127.0.0.1:6443");
  assert.deepEqual(access.authorities, ["AUTHORITY"]);
  assert.equal((await access.proof()).headers.Authorization, "Bearer secret");
  await Deno.writeTextFile(`${path}/token`, "new");
  assert.equal(
    (await access.proof(true)).headers.Authorization,
    "Bearer new",
    "a token that is refused is read again",
  );
  const plain = await accessOf(await findCluster({ kubeconfig, context: "plain", namespace: "other" }));
  assert.equal(plain.namespace, "other");
  assert.deepEqual((await plain.proof()).headers, { "Impersonate-User": "other", Authorization: "Bearer t" });
});

Deno.test("kubernetesExecutor() asks the program that a kubeconfig names", async () => {
  await using stack = new AsyncDisposableStack();
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "/bin/sh",
    args: [
      "-c",
      `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-a-program"}}'`,
    ],
    interactiveMode: "Never",
  };
  const broken = { ...exec, args: ["-c", "echo no >&2; exit 3"] };
  const path = await folder(stack, {
    config: JSON.stringify({
      ...whole,
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:6443" } }],
      users: [{ name: "u", user: { exec } }, { name: "plain", user: { exec: broken } }],
    }),
  });
  const access = await accessOf(await findCluster({ kubeconfig: `${path}/config` }));
  assert.equal((await access.proof()).headers.Authorization, "Bearer from-a-program");
  const failing = await accessOf(await findCluster({ kubeconfig: `${path}/config`, context: "plain" }));
  await refuses(
    failing.proof(),
    "cannot-start",
    /the program \/bin\/sh of the context plain of .* gave nothing to log in with: .*; run it by hand, or log in again/,
  );
});

Deno.test("kubernetesExecutor() says what is wrong with a kubeconfig, and what to do", async () => {
  await using stack = new AsyncDisposableStack();
  const path = await folder(stack, {
    good: JSON.stringify(whole),
    yaml: "users:\n  - token: SECRET\n  bad: [",
    list: "- a",
    empty: "{}",
    none: JSON.stringify({ ...whole, "current-context": "" }),
    both: JSON.stringify({
      ...whole,
      clusters: [{
        name: "c",
        cluster: { server: "https://h", "tls-server-name": "k", "proxy-url": "http://p" },
      }],
    }),
    server: JSON.stringify({ ...whole, clusters: [{ name: "c", cluster: { server: "h:6443" } }] }),
    half: JSON.stringify({
      ...whole,
      clusters: [{ name: "c", cluster: { server: "https://h" } }],
      users: [{ name: "u", user: { "client-certificate-data": btoa("CERT") } }],
    }),
  });
  const find = (name: string, context?: string) =>
    findCluster({ kubeconfig: `${path}/${name}`, ...(context && { context }) });
  const access = async (name: string): Promise<unknown> => await accessOf(await find(name));
  await refuses(
    find("gone"),
    "cannot-start",
    /^Cannot find the Kubernetes cluster: there is no kubeconfig at .*\/gone; correct the option/,
  );
  // No more than that: the lines around the fault may hold a token.
  await refuses(find("yaml"), "cannot-start", /is no YAML: [^\n]*$/);
  assert.doesNotMatch(await find("yaml").then(() => "", describeError), /SECRET/);
  await refuses(find("list"), "cannot-start", /is no kubeconfig/);
  await refuses(
    find("empty"),
    "cannot-start",
    /has no current context \(it has none\); name one with the option context/,
  );
  await refuses(
    find("none"),
    "cannot-start",
    /no current context \(it has dev, plain, no-cluster, no-user\)/,
  );
  await refuses(find("good", "prod"), "cannot-start", /has no context prod: it has dev, plain/);
  await refuses(find("good", "no-cluster"), "cannot-start", /names the cluster "gone", which is not there/);
  await refuses(find("good", "no-user"), "cannot-start", /names the user "gone", which is not there/);
  await refuses(
    access("good"),
    "cannot-start",
    /the certificate authority of the context dev of .* cannot be read at .*ca\.crt/,
  );
  await refuses(
    access("both"),
    "cannot-start",
    /called k \(tls-server-name\) and a proxy \(proxy-url\), which cannot be had together/,
  );
  await refuses(access("server"), "cannot-start", /the server h:6443 of the context dev .* is no address/);
  await refuses(access("half"), "cannot-start", /a client certificate without its key/);
});

Deno.test("kubernetesExecutor() says that no apiserver is there", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const path = await folder(stack, {
    config: JSON.stringify({
      clusters: [{ name: "c", cluster: { server: `https://127.0.0.1:${port}` } }],
      contexts: [{ name: "dev", context: { cluster: "c" } }],
      "current-context": "dev",
    }),
  });
  const executor = kubernetesExecutor({ kubeconfig: `${path}/config`, name: "far" });
  const message = new RegExp(
    `^Cannot open executor far: no apiserver answers at https://127\\.0\\.0\\.1:${port} \\(.*refused.*\\); see that it is up, and that the context dev of`,
  );
  await refuses(executor.open({ state: path }), "unavailable", message);
  const { healthy, reason } = await executor.probe();
  assert.equal(healthy, false);
  assert.match(reason!, /no apiserver answers/);
  await refuses(
    executor.wait({ task: "t", job: "one", replica: 0, attempt: 1 }),
    "cannot-start",
    /it is not open; call open\(\) first/,
  );
});

Deno.test("kubernetesExecutor() checks what it is told", () => {
  assert.throws(
    () => kubernetesExecutor({ label: "Not_valid", podsPerSecond: 0 }),
    /has the label "Not_valid".*\n.*podsPerSecond 0; it must be above zero/,
  );
  assert.throws(
    () => kubernetesExecutor({ as: "deployment" as "job" }),
    /^DefinitionError: .*Executor kubernetes has as: "deployment"; it must be "pod" or "job"/s,
  );
});

Deno.test("kubernetesExecutor() says how pods reach the agent, or why they cannot", async () => {
  const { reach } = kubernetesExecutor();
  const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };
  assert.equal(await reach!.folder(attempt), "/datatask");
  const server = { hostname: "127.0.0.1", port: 8000 };
  await refuses(
    reach!.address(server),
    "unavailable",
    /the agent listens on 127\.0\.0\.1 only, where no pod reaches it; .*agentAddress/,
  );
  await refuses(
    reach!.address({ ...server, hostname: "0.0.0.0" }),
    "unavailable",
    /listens on every address/,
  );
  assert.equal(await reach!.address({ ...server, hostname: "10.0.0.5" }), "http://10.0.0.5:8000");
  assert.equal(await reach!.address({ ...server, url: "https://gate.example/x/" }), "https://gate.example/x");
  const at = async (agentAddress: string): Promise<string> =>
    await kubernetesExecutor({ agentAddress }).reach!.address(server);
  assert.equal(await at("10.0.0.7"), "http://10.0.0.7:8000");
  assert.equal(await at("https://gate.example/y"), "https://gate.example/y");
});
