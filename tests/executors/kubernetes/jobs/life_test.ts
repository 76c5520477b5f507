/** Runs that are Jobs: how they are made, found, seen to their end and removed. */
import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../../executors/kubernetes/mod.ts";
import { refuses } from "../../../kit/refuses.ts";
import { type ClusterObject, clusterTest, image } from "../cluster.ts";
import { freshState, opened, optionsOf, work } from "../kit.ts";
import {
  assertLost,
  attempt,
  change,
  cleared,
  jobs,
  jobTest,
  pods,
  runs,
  said,
  theJob,
  thePod,
} from "./kit.ts";

clusterTest(
  'kubernetesExecutor({ as: "job" }) makes Jobs that run once, and belong together',
  async (place) => {
    const { cluster, namespace } = place;
    const metadata = { labels: { team: "a", "datatask.run": "other" }, annotations: { note: "n" } };
    const { executor } = await opened(place, { as: "job", metadata });
    await executor.start(attempt, work("exit 3", { environment: { V: "secret-word" } }), { quota: {} });
    const [status, [listed]] = [await executor.wait(attempt), await Array.fromAsync(executor.list())];
    assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
    assert.deepEqual(listed, status);
    const job = await cluster.until(await theJob(place), ({ status }) => status.failed === 1);
    const { spec: { template, ...spec } } = job;
    assert.equal(job.metadata.name, template.metadata.labels["datatask.run"]);
    assert.match(status.where, new RegExp(`^pod ${job.metadata.name}-\\w+ on `));
    assert.equal(spec.backoffLimit, 0);
    assert.equal(spec.completions, 1);
    assert.equal(spec.podReplacementPolicy, "Failed");
    assert.equal(spec.ttlSecondsAfterFinished, undefined);
    assert.equal(spec.activeDeadlineSeconds, undefined);
    assert.equal(template.spec.restartPolicy, "Never");
    assert(!JSON.stringify(job).includes("secret-word"));
    const { labels, annotations } = job.metadata as unknown as Record<string, Record<string, string>>;
    for (
      const [labelled, noted] of [[labels, annotations], [
        template.metadata.labels,
        template.metadata.annotations,
      ]]
    ) {
      assert.equal(labelled.team, "a");
      assert.equal(noted.note, "n");
    }
    assert.equal(annotations!["datatask.unsure"], undefined);
    const [secret] = await cluster.list(`/api/v1/namespaces/${namespace}/secrets`);
    assert.deepEqual(secret!.metadata["ownerReferences" as never], [
      { apiVersion: "batch/v1", kind: "Job", name: job.metadata.name, uid: job.metadata.uid },
    ]);
    await executor.forget(attempt);
    await cleared(place);
  },
);

jobTest("loses a Job that somebody else removes", async (place) => {
  const { executor, cluster } = place;
  await executor.start(attempt, work("sleep 60", { notes: { a: "b" } }), { quota: {} });
  await thePod(place, runs);
  const waits = executor.wait(attempt);
  await cluster.text("DELETE", `${await theJob(place)}?propagationPolicy=Background`);
  const status = await waits;
  assertLost(status, /^its Job was removed by somebody else$/);
  assert.deepEqual(status.notes, { a: "b" });
  await executor.forget(attempt);
  await refuses(executor.wait(attempt), "unknown-run", /no such run/);
  await cleared(place);
});

for (const grace of [0, 1]) {
  jobTest(
    `loses a pod that somebody else removes within ${grace} s, and has no second one`,
    async (place) => {
      const { executor, cluster } = place;
      await executor.start(attempt, work("echo up; sleep 60"), { quota: {} });
      const pod = await thePod(place, runs);
      const waits = executor.wait(attempt);
      await cluster.text("DELETE", `${pod}?gracePeriodSeconds=${grace}`);
      assertLost(await waits, /^its pod was removed by somebody else$/);
      const job = await cluster.until(
        await theJob(place),
        ({ status }) => status.conditions?.some(({ type }: { type: string }) => type === "Failed"),
      );
      assert.equal(job["status"].failed, 1);
      const left = (await cluster.list(pods(place))).map(({ metadata }) => `${pods(place)}/${metadata.name}`);
      assert.deepEqual(left.filter((other) => other !== pod), []);
      await executor.forget(attempt);
      await cleared(place);
    },
  );
}

jobTest("tells an eviction as trouble of the infrastructure, also when nobody watched", async (place) => {
  const { executor, cluster, state, namespace } = place;
  await executor.start(attempt, work("sleep 600"), { quota: {} });
  const pod = await thePod(place, runs);
  const job = await theJob(place);
  const reopened = kubernetesExecutor({ ...optionsOf(place), as: "job" });
  const waits = executor.wait(attempt);
  await cluster.call("POST", `${pod}/eviction`, {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name: pod.split("/").at(-1), namespace },
    deleteOptions: { gracePeriodSeconds: 1 },
  });
  const status = await waits;
  assert(status.state === "finished" && status.infrastructure === true, JSON.stringify(status));
  assert.match(status.reason!, /^it was evicted from its node/);
  await cluster.until(pods(place), ({ items }) => items.length === 0);
  await cluster.until(
    job,
    ({ status }) =>
      status.conditions?.some(({ type, reason }: Record<string, string>) =>
        type === "Failed" && reason === "PodFailurePolicy"
      ),
  );
  await reopened.open({ state });
  place.stack.defer(() => reopened.close());
  const later = await reopened.wait(attempt);
  assert(later.state === "finished" && later.infrastructure === true, JSON.stringify(later));
  assert.match(later.reason!, /^its cluster has taken its pod away: .*DisruptionTarget/);
  await reopened.forget(attempt);
  await cleared(place);
});

jobTest("knows by its Job that a run has succeeded whose pod is gone", async (place) => {
  const { executor, cluster, state } = place;
  const other = { ...attempt, job: "two" };
  await executor.start(attempt, work("exit 0"), { quota: {} });
  await executor.start(other, work("exit 3"), { quota: {} });
  await executor.close();
  const over = ({ status }: ClusterObject): boolean => status.succeeded === 1 || status.failed === 1;
  await cluster.until(jobs(place), ({ items }) => items.length === 2 && items.every(over));
  for (const { metadata: { name } } of await cluster.list(pods(place))) {
    await cluster.text("DELETE", `${pods(place)}/${name}?gracePeriodSeconds=0`);
  }
  await executor.open({ state });
  const listed = await Array.fromAsync(executor.list());
  const [good, bad] = [await executor.wait(attempt), await executor.wait(other)];
  assert(good.state === "finished" && good.exitCode === 0, JSON.stringify(good));
  assertLost(bad, /^its pod is gone, and its Job does not know how it has ended/);
  assert.deepEqual(listed.map(({ state }) => state).toSorted(), ["finished", "lost"]);
  assert.equal(await said(executor), "");
  for (const each of [attempt, other]) await executor.forget(each);
  await cleared(place);
});

jobTest("stops what has hardly been started", async (place) => {
  const { executor } = place;
  for (let round = 0; round < 5; round++) {
    await executor.start(attempt, work("trap '' TERM; while :; do sleep 1; done"), { quota: {} });
    await executor.stop(attempt, { graceMs: 0 });
    const status = await executor.wait(attempt);
    assert(status.state === "finished" && status.signal === "SIGKILL", JSON.stringify(status));
    await executor.forget(attempt);
  }
  // A cluster that removed the pods by itself would give them half a minute.
  await cleared(place);
});

jobTest("ends with the container of the script, and leaves none of the others", async (place) => {
  const { executor } = place;
  const manifest = {
    spec: {
      containers: [
        { name: "main", image },
        { name: "beside", image, command: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"] },
      ],
    },
  };
  await executor.start(attempt, { ...work("exit 4"), kind: "pod", manifest }, { quota: {} });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 4, JSON.stringify(status));
  await executor.forget(attempt);
  await cleared(place);
});

jobTest("never takes a Job of somebody else for its own", async (place) => {
  const { executor, cluster } = place;
  await executor.start(attempt, work("exit 0"), { quota: {} });
  await executor.wait(attempt);
  const { metadata: { name } } = await cluster.call("GET", await theJob(place));
  await executor.forget(attempt);
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "main", image }] } };
  await cluster.call("POST", jobs(place), { metadata: { name }, spec: { suspend: true, template } });
  await refuses(
    executor.start(attempt, work(":"), { quota: {} }),
    "already-exists",
    /Cannot start t\/one on kubernetes/,
  );
  assert.deepEqual(await Array.fromAsync(executor.list()), []);
  await refuses(executor.wait(attempt), "unknown-run", /no such run/);
  assert.match(await theJob(place), new RegExp(name));
});

jobTest("decides whether a Job was started whose maker was cut off", async (place) => {
  const { executor, cluster, state, namespace } = place;
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  const nodeSelector = { "datatask-test": "no-such-node" };
  for (const there of [true, false]) {
    const slow = await opened(place, { as: "job", nodeSelector });
    await slow.executor.start(attempt, work("echo done"), { quota: {} });
    await slow.executor.close();
    const job = await theJob(place);
    // As it is left between the Job and its Secret, or between the Secret and the word that it is there.
    await change(place, job, { metadata: { annotations: { "datatask.unsure": "true" } } });
    const [secret] = await cluster.list(secrets);
    if (!there) await cluster.text("DELETE", `${secrets}/${secret!.metadata.name}`);
    const next = kubernetesExecutor({ ...optionsOf(place), as: "job" });
    await next.open({ state: slow.state });
    const [listed] = await Array.fromAsync(next.list());
    if (there) {
      assert.equal(listed?.state, "running", JSON.stringify(listed));
      await cluster.until(job, ({ metadata }) => !JSON.stringify(metadata).includes("unsure"));
      await next.stop(attempt, { graceMs: 0 });
    } else assertLost(listed!, /^its Job was made and never started: whoever did that was cut off$/);
    await next.forget(attempt);
    await next.close();
    await cleared(place);
  }
  await executor.close();
  await executor.open({ state });
});

for (const [before, after] of [["job", "pod"], ["pod", "job"]] as const) {
  clusterTest(
    `kubernetesExecutor() finds each ${before} also when runs are ${after}s by now`,
    async (place) => {
      const state = freshState(place.stack);
      const first = kubernetesExecutor({ ...optionsOf(place), as: before });
      await first.open({ state });
      await first.start(attempt, work("echo hello; sleep 1; exit 4"), { quota: {} });
      await first.close();
      const next = kubernetesExecutor({ ...optionsOf(place), as: after });
      await next.open({ state });
      place.stack.defer(() => next.close());
      const [found] = await Array.fromAsync(next.list());
      assert.deepEqual(found?.attempt, attempt);
      const status = await next.wait(attempt);
      assert(status.state === "finished" && status.exitCode === 4, JSON.stringify(status));
      assert.equal(await said(next), "hello\n");
      await next.forget(attempt);
      assert.deepEqual(await Array.fromAsync(next.list()), []);
      await cleared(place);
    },
  );
}
