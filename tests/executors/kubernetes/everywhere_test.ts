/** Runs on every node. */
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../../core/clock.ts";
import {
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  Pipeline,
  podTask,
  type PodWork,
  sh,
} from "../../../mod.ts";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, denoImage, hostAddress, image, type Place } from "./cluster.ts";
import { freshState, opened, optionsOf, type PodExecutor, things } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

function daemon(script: string, extra: Partial<PodWork> = {}): PodWork {
  const manifest = { metadata: { labels: { team: "a" } }, spec: { containers: [{ name: "main", image }] } };
  return {
    kind: "pod",
    manifest,
    everywhere: true,
    script,
    environment: { WORD: "secret-word" },
    mergeStderr: true,
    notes: { a: "b" },
    ...extra,
  };
}

const sets = ({ namespace }: Place): string => `/apis/apps/v1/namespaces/${namespace}/daemonsets`;

/** Waits until nothing is left of a run: the cluster removes what belongs to a pod soon after it. */
async function cleared(place: Place): Promise<void> {
  for (let left: readonly string[], late = Date.now() + 60_000;;) {
    left = [
      ...await things(place),
      ...(await place.cluster.list(sets(place))).map(({ metadata }) => metadata.name),
    ];
    if (left.length === 0) return;
    assert(Date.now() < late, left.join(", "));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function status(executor: PodExecutor): Promise<string> {
  const [found] = await Array.fromAsync(executor.list());
  assert(found?.state === "running", JSON.stringify(found));
  assert.deepEqual(found.notes, { a: "b" });
  return `${found.where}: ${found.waiting ?? "all"}`;
}

async function until(executor: PodExecutor, what: RegExp): Promise<void> {
  for (const late = Date.now() + 60_000;;) {
    const said = await status(executor);
    if (what.test(said)) return;
    assert(Date.now() < late, said);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

clusterTest(
  "kubernetesExecutor() runs a pod on every node, is killed, goes on, and stops it",
  async (place) => {
    const { executor, state } = await opened(place);
    const script =
      'trap "echo bye; exit 0" TERM; echo "$WORD on $DATATASK_NODE"; while :; do sleep 0.1; done';
    await executor.start(attempt, daemon(script), { quota: {} });
    const [set] = await place.cluster.list(sets(place));
    const pods = (await place.cluster.list("/api/v1/nodes")).length;
    await place.cluster.until(
      `${sets(place)}/${set!.metadata.name}`,
      ({ status }) => status.numberReady === pods && status.desiredNumberScheduled === pods,
    );
    assert.match(await status(executor), /^daemon set datatask-t-one-\w+: all$/);
    const log = await executor.logs(attempt, { follow: true });
    let text = "";
    for await (const chunk of log) {
      text += new TextDecoder().decode(chunk);
      if (text.includes("secret-word on ")) break;
    }
    assert.match(text, /^(\S+) \| secret-word on \1\n/);
    await executor.close();

    const next = kubernetesExecutor(optionsOf(place));
    await next.open({ state });
    place.stack.defer(() => next.close());
    assert.match(await status(next), /: all$/);
    await assert.rejects(next.forget(attempt), /it still runs; stop it/);
    const follows = new Response(await next.logs(attempt, { follow: true })).text();
    await next.stop(attempt, { graceMs: 20_000 });
    const ended = await next.wait(attempt);
    assert(ended.state === "finished" && ended.signal === "SIGTERM", JSON.stringify(ended));
    const said = await new Response(await next.logs(attempt)).text();
    assert.match(said, /^(\S+) \| secret-word on \1\n(?:\S+ \| .*\n)*?\1 \| bye\n/);
    assert.match(await follows, /secret-word on /);
    await next.forget(attempt);
    assert.deepEqual(await Array.fromAsync(next.list()), []);
    await cleared(place);
  },
);

clusterTest(
  "kubernetesExecutor() says why a run is not on every node, and loses one whose daemon set is gone",
  async (place) => {
    const { executor } = await opened(place);
    const stop = async (): Promise<void> => {
      await executor.stop(attempt, { graceMs: 1000 });
      await executor.forget(attempt);
    };
    await executor.start(attempt, daemon("exit 3"), { quota: {} });
    await until(executor, /it runs on 0 of \d+ nodes: \S+: its script ends again and again/);
    await stop();
    const never = {
      containers: [{ name: "main", image: "localhost/not-there:1", imagePullPolicy: "Never" }],
    };
    await executor.start(attempt, daemon(":", { manifest: { spec: never } }), { quota: {} });
    await until(executor, /0 of \d+ nodes: \S+: the node does not have the image localhost\/not-there:1/);
    await stop();
    const nowhere = {
      nodeSelector: { "datatask-test": "no-such-node" },
      containers: [{ name: "main", image }],
    };
    await executor.start(attempt, daemon(":", { manifest: { spec: nowhere } }), { quota: {} });
    await until(executor, /: no node takes it$/);
    const [set] = await place.cluster.list(sets(place));
    await place.cluster.text("DELETE", `${sets(place)}/${set!.metadata.name}`);
    const [lost] = await Array.fromAsync(executor.list());
    assert(lost?.state === "lost" && /its daemon set is gone/.test(lost.reason), JSON.stringify(lost));
    await executor.forget(attempt);
    await assert.rejects(
      executor.start(attempt, daemon(":", { manifest: { spec: { ...nowhere, activeDeadlineSeconds: 1 } } }), {
        quota: {},
      }),
      /^ExecutorError: Cannot start t\/one on kubernetes: DaemonSet.*activeDeadlineSeconds/,
    );
    await cleared(place);
  },
);

clusterTest("kubernetesExecutor() needs one rule more for runs on every node", async (place) => {
  const docs = await Deno.readTextFile(new URL("../../../docs/kubernetes.md", import.meta.url));
  const rules = [...docs.matchAll(/apiGroups: \[(.*?)\]\n\s+resources: \[(.*?)\]\n\s+verbs: \[(.*?)\]/g)].map(
    ([, group, resources, verbs]) => ({
      apiGroups: [group!.replaceAll('"', "")],
      resources: resources!.split(", "),
      verbs: verbs!.split(", "),
    }),
  );
  const [own, least] = [rules.filter(({ apiGroups }) => apiGroups[0] === "apps"), rules.slice(-4)];
  assert.deepEqual(own.map(({ resources }) => resources), [["daemonsets"]]);
  const file = await Deno.makeTempFile();
  place.stack.defer(() => Deno.remove(file));
  for (const given of [least, [...own, ...least]]) {
    await Deno.writeTextFile(file, await place.cluster.account(place.namespace, given));
    const { executor } = await opened(place, { kubeconfig: file });
    const start = executor.start(attempt, daemon("exec sleep 600"), { quota: {} });
    if (given === least) {
      await assert.rejects(start, /may ?not|cannot create resource "daemonsets".*docs\/kubernetes\.md/);
      continue;
    }
    await start;
    assert.match(await status(executor), /^daemon set/);
    await executor.stop(attempt, { graceMs: 1000 });
    await executor.forget(attempt);
  }
  await cleared(place);
});

clusterTest("podTask everywhere ends by its time, which is a success, and leaves nothing", async (place) => {
  const settings = new MemoryBlobRepository("settings");
  const logs = new MemoryBlobRepository("logs");
  await settings.put("watch", "the settings");
  const task = podTask("watch", {
    done: new MemoryMetadataRepository("done"),
    links: { settings: input(settings) },
    logs,
    executor: kubernetesExecutor(optionsOf(place)),
    manifest: { spec: { containers: [{ name: "main", image: denoImage, resources: {} }] } },
    everywhere: true,
    quota: { cpu: "100m" },
    timeout: "1h",
    grace: "5s",
    script: ({ settings }) => sh`cat ${settings}; echo " seen"; exec sleep 600`,
  });
  assert.equal(task.longRunning, true);
  const state = freshState(place.stack);
  // Its time is over once it was seen to do its work.
  let over: (() => void) | undefined;
  const clock: Clock = {
    ...systemClock,
    after(ms, callback) {
      if (ms < 3_500_000) return systemClock.after(ms, callback);
      over = callback;
      return () => {};
    },
  };
  await using pipeline = new Pipeline({ tasks: [task], state, clock, agent: { hostname: hostAddress } });
  const { finished } = pipeline.run();
  const seen = async (): Promise<boolean> => {
    for (const { metadata } of await place.cluster.list(`/api/v1/namespaces/${place.namespace}/pods`)) {
      const path = `/api/v1/namespaces/${place.namespace}/pods/${metadata.name}/log`;
      if (/the settings seen/.test(await place.cluster.text("GET", path).catch(() => ""))) return true;
    }
    return false;
  };
  for (const late = Date.now() + 90_000; !await seen();) {
    assert(Date.now() < late, "no pod has read its input");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  over!();
  await finished;
  const outcome = await task.outcomes.done.get("watch");
  assert.equal(outcome.reason, "timed-out", JSON.stringify(outcome));
  assert.equal(outcome.success, true);
  assert.match(await logs.text("watch"), /^\S+ \| the settings seen\n/m);
  await cleared(place);
});
