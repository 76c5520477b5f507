import assert from "node:assert/strict";
import type { Attempt } from "../../../core/attempt.ts";
import type { Quota } from "../../../core/quota.ts";
import type { ContainerWork } from "../../../executors/container_work.ts";
import type { RunStatus } from "../../../executors/executor.ts";
import { clusterTest, fault, faultTest, image, type Place } from "./cluster.ts";
import { documentedRole } from "./documented.ts";
import { loseNode, opened, type PodExecutor, things, waiting, work } from "./kit.ts";
import { kubernetesExecutor, type PodManifest } from "../../../executors/kubernetes/mod.ts";
import { refuses } from "../../kit/refuses.ts";

const attempt: Attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

type Opened = Place & Awaited<ReturnType<typeof opened>>;

/** A test with an open executor in a namespace of its own. */
function test(name: string, body: (opened: Opened) => Promise<void>): void {
  clusterTest(
    `kubernetesExecutor() ${name}`,
    async (place) => await body({ ...place, ...await opened(place) }),
  );
}

type Ended = RunStatus & { state: "finished" | "lost" };

async function run(
  executor: PodExecutor,
  script: string,
  extra: Partial<ContainerWork> = {},
  quota: Quota = {},
): Promise<Ended> {
  await executor.start(attempt, work(script, extra), { quota });
  return await executor.wait(attempt);
}

const said = async (executor: PodExecutor): Promise<string> =>
  await new Response(await executor.logs(attempt)).text();

/** The only pod of a namespace, once it is as wanted. */
async function pod({ cluster, namespace }: Place): Promise<string> {
  const [found] = await cluster.list(`/api/v1/namespaces/${namespace}/pods`);
  return `/api/v1/namespaces/${namespace}/pods/${found!.metadata.name}`;
}

test("keeps what a run needs out of the manifest, and gives the pod no token", async (place) => {
  const { cluster, executor } = place;
  const status = await run(executor, 'echo "$V"; cat; ls /var/run/secrets 2>&1; # script-word', {
    environment: { V: "secret-word" },
    stdin: new Blob(["input-word\n"]).stream(),
  });
  assert(status.state === "finished", JSON.stringify(status));
  assert.match(await said(executor), /^secret-word\ninput-word\n.*No such file/);
  const manifest = JSON.stringify(await cluster.call("GET", await pod(place)));
  for (const word of ["secret-word", "input-word", "script-word"]) assert(!manifest.includes(word), word);
});

test("says what is wrong with work that cannot start, and leaves nothing", async (place) => {
  const { executor } = place;
  const start = (extra: Partial<ContainerWork>, quota: Quota = {}): Promise<void> =>
    executor.start(attempt, work(extra.script ?? ":", extra), { quota });
  const refused = (promise: Promise<void>, message: RegExp): Promise<void> =>
    refuses(promise, "cannot-start", message);
  await refused(start({ script: "a\0b" }), /NUL character/);
  await refused(
    start({ script: `# ${"x".repeat(1 << 20)}` }),
    /more than 1048576 bytes together.*through a link/,
  );
  await refused(
    start({ stdin: new Blob([new Uint8Array(1 << 21)]).stream() }),
    /standard input have more than 1048576 bytes/,
  );
  await refused(start({ network: "none" }), /cannot be put on the network none/);
  await refused(start({ user: "nobody" }), /knows users by their numbers only, not nobody/);
  await refused(
    start({}, { cpu: 4096 }),
    /it may use 4096 cores, and no node has that .*give it a smaller quota/,
  );
  await refused(start({}, { memory: 2 ** 50 }), /bytes of memory, and no node has that/);
  assert.deepEqual(await things(place), []);
});

test("starts pods that an apiserver refuses as the task's fault, with its words", async (place) => {
  const { executor } = place;
  const manifest = { spec: { containers: [{ name: "main", image, ports: [{ containerPort: 0 }] }] } };
  const pod = { ...work(":"), kind: "pod" as const, manifest };
  await refuses(executor.start(attempt, pod, { quota: {} }), "cannot-start", /containerPort/);
  await refuses(
    executor.start(attempt, { ...pod, container: "other" }, { quota: {} }),
    "cannot-start",
    /its manifest has no container other/,
  );
  assert.deepEqual(await things(place), []);
});

test("tells a program that the image does not have in the outcome", async ({ executor }) => {
  for (const script of ["#!/no/such/interpreter\n", "#!/no/such/interpreter\n#"]) {
    const status = await run(executor, script);
    assert(status.state === "finished" && status.infrastructure !== true, JSON.stringify(status));
    assert.match(status.reason!, /could not be started in the image .*no such file or directory.*entrypoint/);
    await executor.forget(attempt);
  }
  await run(executor, "#!/bin/cat\nhello\n");
  assert.equal(await said(executor), "#!/bin/cat\nhello\n");
  await executor.forget(attempt);
  await run(executor, "#!/usr/bin/env sh\necho env\n");
  assert.equal(await said(executor), "env\n");
});

test("tells an image that is never pulled, and one whose registry does not answer", async (place) => {
  const { executor } = await opened(place, { patienceMs: 3000 });
  const never = await run(executor, ":", { image: "localhost/not-there:1", pull: "never" });
  assert(never.state === "finished" && never.infrastructure !== true, JSON.stringify(never));
  assert.match(never.reason!, /does not have the image localhost\/not-there:1, and it is never to be pulled/);
  await executor.forget(attempt);
  const invalid = await run(executor, ":", { image: "NOT VALID" });
  assert(
    invalid.state === "finished" && /the name of the image NOT VALID is not valid/.test(invalid.reason!),
  );
  await executor.forget(attempt);
  const away = await run(executor, ":", { image: "127.0.0.1:1/not/there:1" });
  assert(away.state === "finished" && away.infrastructure === true, JSON.stringify(away));
  assert.match(away.reason!, /cannot be pulled .*can be reached from the nodes/);
  await executor.forget(attempt);
});

test("tells running out of memory, and asks for what the quota says", async (place) => {
  const { executor, cluster } = place;
  const hog = "x=; while :; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' x); done";
  const status = await run(executor, hog, {}, { memory: 32 * 2 ** 20, cpu: 0.5, licence: 3 });
  assert(status.state === "finished" && status.reason?.startsWith("out of memory"), JSON.stringify(status));
  assert.notEqual(status.infrastructure, true);
  const { spec } = await cluster.call("GET", await pod(place));
  assert.deepEqual(spec.containers[0].resources, {
    limits: { cpu: "500m", memory: "33554432" },
    requests: { cpu: "500m", memory: "33554432" },
  });
});

test("says why a pod waits, and stops one that has not begun", async (place) => {
  const { executor } = await opened(place, { nodeSelector: { "datatask-test": "no-such-node" } });
  await executor.start(attempt, work(":"), { quota: {} });
  await waiting(executor, /no node takes it: 0\/1 nodes are available: 1 node\(s\) didn't match/);
  await executor.stop(attempt, { graceMs: 20_000 });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.signal === "SIGKILL", JSON.stringify(status));
  assert.match(status.reason!, /stopped before it began/);
  assert.equal(await said(executor), "");
  await executor.forget(attempt);
  await refuses(executor.wait(attempt), "unknown-run", /no such run is kept/);
});

test("says why containers are not made, from events", async (place) => {
  const { executor } = await opened(place, { volumes: { login: { secret: { secretName: "not-there" } } } });
  await executor.start(attempt, work(":", { mounts: [{ source: "login", target: "/login" }] }), {
    quota: {},
  });
  await waiting(executor, /FailedMount: .*secret "not-there" not found/);
  await executor.stop(attempt, { graceMs: 0 });
  await executor.forget(attempt);
});

test("mounts folders of the node and volumes that have names", async (place) => {
  const { executor } = await opened(place, { volumes: { scratch: { emptyDir: { medium: "Memory" } } } });
  const status = await run(
    executor,
    "echo x >/scratch/x && cat /scratch/x && ls /host/hostname && ! touch /host/y 2>&1 && touch /datatask/work/z",
    {
      mounts: [
        { source: "scratch", target: "/scratch" },
        { source: "/etc", target: "/host", readOnly: true },
      ],
      user: "1000:1000",
    },
  );
  assert(status.state === "finished" && status.exitCode === 0, await said(executor));
  assert.match(await said(executor), /^x\n\/host\/hostname\n.*Read-only file system/);
});

test("loses what somebody else removes", async (place) => {
  const { executor, cluster } = place;
  await executor.start(attempt, work("sleep 60", { notes: { a: "b" } }), { quota: {} });
  const waits = executor.wait(attempt);
  await cluster.text("DELETE", `${await pod(place)}?gracePeriodSeconds=0`);
  const status = await waits;
  assert(status.state === "lost" && /removed by somebody else/.test(status.reason), JSON.stringify(status));
  assert.deepEqual(status.notes, { a: "b" });
  assert.equal(await said(executor), "");
  await executor.forget(attempt);
  await refuses(executor.wait(attempt), "unknown-run", /no such run/);
});

test("tells an eviction as trouble of the infrastructure", async (place) => {
  const { executor, cluster } = place;
  await executor.start(attempt, work("trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"), {
    quota: {},
  });
  const path = await pod(place);
  await cluster.until(path, ({ status }) => status.phase === "Running");
  const { metadata: { name } } = await cluster.call("GET", path);
  await cluster.call("POST", `${path}/eviction`, {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name, namespace: place.namespace },
  });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.infrastructure === true, JSON.stringify(status));
  assert.match(status.reason!, /evicted from its node/);
  await executor.forget(attempt);
});

test("tells a deadline of a pod from trouble", async ({ executor }) => {
  const manifest: PodManifest = {
    spec: {
      activeDeadlineSeconds: 2,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", image }],
    },
  };
  await executor.start(attempt, { ...work("sleep 60"), kind: "pod", manifest }, { quota: {} });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.infrastructure !== true, JSON.stringify(status));
  assert.match(status.reason!, /activeDeadlineSeconds/);
});

test("runs a script in one container of a pod from a manifest", async (place) => {
  const { executor, cluster } = place;
  const manifest: PodManifest = {
    metadata: { labels: { team: "a" }, annotations: { note: "n" } },
    spec: {
      initContainers: [{
        name: "first",
        image,
        command: ["sh", "-c", "echo made >/shared/made"],
        volumeMounts: [{ name: "shared", mountPath: "/shared" }],
      }],
      containers: [
        { name: "other", image, command: ["sh", "-c", "sleep 300"] },
        {
          name: "it",
          image,
          env: [{ name: "A", value: "a" }],
          volumeMounts: [{ name: "shared", mountPath: "/shared" }],
        },
      ],
      volumes: [{ name: "shared", emptyDir: {} }],
    },
  };
  const pods = {
    ...work('cat /shared/made; echo "$A$B"; exit 4', { environment: { B: "b" } }),
    kind: "pod" as const,
  };
  await executor.start(attempt, { ...pods, manifest, container: "it" }, { quota: { cpu: 0.1 } });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 4, JSON.stringify(status));
  assert.equal(await said(executor), "made\nab\n");
  const { metadata } = await cluster.call("GET", await pod(place));
  const { labels, annotations } = metadata as unknown as Record<string, Record<string, string>>;
  assert.equal(labels!.team, "a");
  assert.equal(annotations!.note, "n");
  await executor.forget(attempt);
});

test("stops a program in an image without a shell", async ({ executor }) => {
  const manifest: PodManifest = {
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", image }] },
  };
  const script = "rm /bin/sh; echo up; exec /bin/busybox sleep 600";
  const sleeper = {
    ...work(script, { entrypoint: ["/bin/busybox", "ash"] }),
    kind: "pod" as const,
    manifest,
  };
  await executor.start(attempt, sleeper, { quota: {} });
  for await (const _ of await executor.logs(attempt, { follow: true })) break;
  await executor.stop(attempt, { graceMs: 20_000 });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.signal === "SIGTERM", JSON.stringify(status));
  await executor.forget(attempt);
});

test("never sees pods of another state folder", async (place) => {
  const { executor } = place;
  const other = await opened(place);
  await executor.start(attempt, work("sleep 60"), { quota: {} });
  assert.deepEqual(await Array.fromAsync(other.executor.list()), []);
  await refuses(other.executor.wait(attempt), "unknown-run", /no such run is kept/);
  const status = await run(other.executor, "exit 3");
  assert(status.state === "finished" && status.exitCode === 3);
  await other.executor.forget(attempt);
  await executor.stop(attempt, { graceMs: 20_000 });
  await executor.forget(attempt);
});

test("loses what was made and never started", async (place) => {
  const { executor, state } = place;
  await run(executor, ":");
  const { metadata, spec } = await place.cluster.call("GET", await pod(place));
  await executor.forget(attempt);
  await executor.close();
  const { name, labels, annotations } = metadata as unknown as Record<string, unknown>;
  const schedulingGates = [{ name: "datatask/secret" }];
  await place.cluster.call("POST", `/api/v1/namespaces/${place.namespace}/pods`, {
    metadata: { name, labels, annotations },
    spec: { containers: [{ name: "main", image }], restartPolicy: spec.restartPolicy, schedulingGates },
  });
  // A coordinator that was killed between the pod and its Secret has left a pod that is held back.
  await executor.open({ state });
  const status = await executor.wait(attempt);
  assert(status.state === "lost" && /never started/.test(status.reason), JSON.stringify(status));
  await executor.forget(attempt);
  assert.deepEqual(await Array.fromAsync(executor.list()), []);
});

test("says when the beginning of a log is gone, and gives the rest", async (place) => {
  const { executor, cluster } = place;
  await run(executor, ":");
  const { metadata } = await cluster.call("GET", await pod(place));
  await executor.forget(attempt);
  // As a node leaves it that has thrown the beginning away: the line that every log begins with is not there.
  const { name, labels, annotations } = metadata as unknown as Record<string, unknown>;
  await cluster.call("POST", `/api/v1/namespaces/${place.namespace}/pods`, {
    metadata: { name, labels, annotations },
    spec: { containers: [{ name: "main", image, command: ["echo", "the end"] }], restartPolicy: "Never" },
  });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 0, JSON.stringify(status));
  let text = "";
  const read = async (): Promise<void> => {
    for await (const chunk of await executor.logs(attempt)) text += new TextDecoder().decode(chunk);
  };
  await refuses(
    read(),
    "lost",
    /^Cannot read the log of t\/one on kubernetes: its beginning is gone: .*containerLogMaxSize/,
  );
  assert.equal(text, "the end\n");
  await executor.forget(attempt);
});

async function account(
  place: Place,
  rules: readonly Readonly<Record<string, readonly string[]>>[],
): Promise<string> {
  const path = await Deno.makeTempFile();
  place.stack.defer(() => Deno.remove(path));
  await Deno.writeTextFile(path, await place.cluster.account(place.namespace, rules));
  return path;
}

clusterTest("kubernetesExecutor() needs no more than the role in docs/kubernetes.md", async (place) => {
  const rules = documentedRole();
  assert.equal(rules.length, 4);
  const { executor } = await opened(place, { kubeconfig: await account(place, rules) });
  assert.deepEqual(await executor.probe(), { healthy: true });
  const status = await run(executor, "echo fine; echo err >&2; exit 3", { mergeStderr: false });
  assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
  assert.equal(await said(executor), "fine\n");
  await executor.forget(attempt);
  await executor.start(attempt, work("echo up; exec sleep 60"), { quota: { cpu: 0.1 } });
  for await (const _ of await executor.logs(attempt, { follow: true })) break;
  await executor.stop(attempt, { graceMs: 20_000 });
  const stopped = await executor.wait(attempt);
  assert(stopped.state === "finished" && stopped.signal === "SIGTERM", JSON.stringify(stopped));
  await executor.forget(attempt);
  for (const [i, rule] of rules.entries()) {
    for (const verb of rule.verbs!) {
      const less = rules.with(i, { ...rule, verbs: rule.verbs!.filter((each) => each !== verb) })
        .filter(({ verbs }) => verbs!.length > 0);
      const poor = kubernetesExecutor({ kubeconfig: await account(place, less), namespace: place.namespace });
      const { healthy, reason } = await poor.probe();
      assert.equal(healthy, false, `${verb} ${rule.resources} is not needed`);
      assert.match(
        reason!,
        new RegExp(`may not ${verb} ${rule.resources} in the namespace .*docs/kubernetes.md`),
      );
    }
  }
});

clusterTest("kubernetesExecutor() says who may not, and where nothing is", async (place) => {
  const state = await Deno.makeTempDir();
  place.stack.defer(() => Deno.remove(state, { recursive: true }));
  const text = await place.cluster.account(place.namespace, documentedRole());
  const open = async (change: (text: string) => string, options = {}): Promise<void> => {
    await Deno.writeTextFile(`${state}/config`, change(text));
    const executor = kubernetesExecutor({ kubeconfig: `${state}/config`, ...options });
    await executor.open({ state }).finally(() => executor.close());
  };
  await refuses(
    open((text) => text.replace(/"token":"[^"]*"/, '"token":"expired"')),
    "denied",
    /^Cannot open executor kubernetes: https:\S+ does not know who this is \(401\); .*log in again/,
  );
  const other = await new Deno.Command("openssl", {
    args: [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      "/CN=other",
      "-days",
      "2",
    ],
  }).output();
  const authority = btoa(new TextDecoder().decode(other.stdout));
  await refuses(
    open((text) =>
      text.replace(/"certificate-authority-data":"[^"]*"/, `"certificate-authority-data":"${authority}"`)
    ),
    "denied",
    /the connection to https:\S+ is not trusted \(.*\); see that the certificates in the context/,
  );
  await refuses(
    open((text) => text, { namespace: "default" }),
    "denied",
    /may not create pods, get pods.* in the namespace default/,
  );
  const everything = kubernetesExecutor({
    kubeconfig: Deno.env.get("KUBERNETES_TEST_CONFIG")!,
    namespace: "not-there",
  });
  await refuses(
    everything.open({ state }),
    "cannot-start",
    /the cluster has no namespace not-there; make it with "kubectl create namespace not-there"/,
  );
});

faultTest(
  "kubernetesExecutor() outlives an apiserver that is killed and forgets its history",
  async (place) => {
    const { executor } = await opened(place);
    const long =
      "echo up; for i in $(seq 300); do sleep 0.1; [ -e /tmp/go ] && break; done; echo end; exit 6";
    await executor.start(attempt, work(long), { quota: {} });
    const log = (await executor.logs(attempt, { follow: true })).getReader();
    assert.equal(new TextDecoder().decode((await log.read()).value), "up\n");
    const waits = executor.wait(attempt);
    await fault("restart-apiserver", "-KILL");
    const second = { ...attempt, job: "two" };
    await executor.start(second, work("exit 5"), { quota: {} });
    const other = await executor.wait(second);
    assert(other.state === "finished" && other.exitCode === 5, JSON.stringify(other));
    const status = await waits;
    assert(status.state === "finished" && status.exitCode === 6, JSON.stringify(status));
    let rest = "";
    for (let next = await log.read(); !next.done; next = await log.read()) {
      rest += new TextDecoder().decode(
        next.value,
      );
    }
    assert.equal(rest, "end\n", "a log that is followed goes on where it was");
    for (const each of [attempt, second]) await executor.forget(each);
  },
);

faultTest("kubernetesExecutor() tells a node that is lost, which is nobody's fault", async (place) => {
  const { executor } = await opened(place);
  await executor.start(attempt, work("echo up; sleep 600"), { quota: {} });
  const log = (await executor.logs(attempt, { follow: true })).getReader();
  assert.equal(new TextDecoder().decode((await log.read()).value), "up\n");
  await log.cancel();
  await loseNode(place);
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.infrastructure, JSON.stringify(status));
  assert.match(status.reason!, /its node was lost/);
  await executor.forget(attempt);
  assert.deepEqual(await Array.fromAsync(executor.list()), []);
});
