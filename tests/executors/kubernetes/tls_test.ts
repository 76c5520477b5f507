/** Servers whose certificates have other names, and certificates that nobody vouches for. */
import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, config } from "./cluster.ts";
import { freshState, opened, optionsOf, work } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

/** The kubeconfig of the tests, changed. */
function changed(stack: AsyncDisposableStack, change: (text: string) => string): string {
  const path = `${freshState(stack)}/config`;
  const text = Deno.readTextFileSync(config), other = change(text);
  assert.notEqual(other, text);
  Deno.writeTextFileSync(path, other);
  return path;
}

/** Says what else the cluster is. */
const saying = (what: string) => (text: string): string => text.replace(/(server: "[^"]*")/, `$1, ${what}`);

clusterTest("kubernetesExecutor() asks a certificate for the name in tls-server-name", async (place) => {
  const { hostname, port } = new URL(place.cluster.server);
  const named = (name: string) =>
    changed(
      place.stack,
      // With its port, also where that is the usual one.
      (text) =>
        saying(`tls-server-name: ${name}`)(
          text.replace(/server: "[^"]*"/, `server: "https://${hostname}:${port || 443}"`),
        ),
    );
  const { executor } = await opened(place, { kubeconfig: named("kubernetes.default.svc") });
  assert.deepEqual(await executor.probe(), { healthy: true });
  await executor.start(attempt, work("echo up; exec sleep 600"), { quota: {} });
  for await (const _ of await executor.logs(attempt, { follow: true })) break;
  await executor.stop(attempt, { graceMs: 20_000 });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.signal === "SIGTERM", JSON.stringify(status));
  await executor.forget(attempt);
  const other = kubernetesExecutor({ ...optionsOf(place), kubeconfig: named("another.example") });
  const { healthy, reason } = await other.probe();
  assert.equal(healthy, false);
  assert.match(reason!, /is not trusted \(.*not valid for name "another\.example"/);
});

clusterTest("kubernetesExecutor() says how a certificate is left unchecked", async (place) => {
  const kubeconfig = changed(
    place.stack,
    (text) =>
      saying("insecure-skip-tls-verify: true")(text.replace(/, certificate-authority-data: [^ ,}]*/, "")),
  );
  const { hostname } = new URL(place.cluster.server);
  const { healthy, reason } = await kubernetesExecutor({ ...optionsOf(place), kubeconfig }).probe();
  assert.equal(healthy, false);
  const flag = `--unsafely-ignore-certificate-errors=${hostname}`;
  assert.match(
    reason!,
    new RegExp(`is not to be checked \\(insecure-skip-tls-verify\\).*; start it with ${flag}, or`),
  );
  const module = new URL("../../../executors/kubernetes/mod.ts", import.meta.url).href;
  const program = `import { kubernetesExecutor } from ${JSON.stringify(module)};
console.log(JSON.stringify(await kubernetesExecutor(${
    JSON.stringify({ ...optionsOf(place), kubeconfig })
  }).probe()));`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", flag, program],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stdout), '{"healthy":true}\n', new TextDecoder().decode(stderr));
});
