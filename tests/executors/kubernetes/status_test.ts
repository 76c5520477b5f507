/** What states of pods mean: those that a cluster of one healthy node does not come to are told here as apiservers have shown them. */
import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import { isKey } from "../../../core/key.ts";
import {
  annotationsOf,
  labelsOf,
  nameOf,
  readIdentity,
  selectorOf,
} from "../../../executors/kubernetes/identity.ts";
import { imageFault } from "../../../executors/kubernetes/images.ts";
import { GATE } from "../../../executors/kubernetes/manifest.ts";
import type { Pod } from "../../../executors/kubernetes/objects.ts";
import { judge } from "../../../executors/kubernetes/status.ts";

const owner = { label: "datatask", state: "9e3779b9-7f4a-4c15-8000-000000000000" };
const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };
const identity = {
  attempt,
  notes: { a: "b" },
  merged: true,
  container: "main",
  headed: true,
  everywhere: false,
  start: "s",
};

type Status = NonNullable<Pod["status"]>;

function pod(status: Status, spec: Partial<Pod["spec"]> = {}): Pod {
  return {
    metadata: {
      name: "datatask-t-one-0011223344556677",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "2026-01-02T03:04:05Z",
    },
    spec: { nodeName: "node-1", containers: [{ name: "main", image: "alpine:3" }], ...spec },
    status,
  };
}

/** A container that has ended. */
function ended(exitCode: number, reason = "Error", message = ""): Status {
  const terminated = {
    exitCode,
    reason,
    message,
    startedAt: "2026-01-02T03:04:06Z",
    finishedAt: "2026-01-02T03:04:09Z",
  };
  return {
    phase: exitCode === 0 ? "Succeeded" : "Failed",
    containerStatuses: [{ name: "main", state: { terminated } }],
  };
}

function waiting(reason: string, message: string): Status {
  return { phase: "Pending", containerStatuses: [{ name: "main", state: { waiting: { reason, message } } }] };
}

const disruption = (reason: string): Pick<Status, "conditions"> => ({
  conditions: [{ type: "DisruptionTarget", status: "True", reason, message: "said by the cluster" }],
});

const running: Status = {
  phase: "Running",
  containerStatuses: [{ name: "main", state: { running: { startedAt: "2026-01-02T03:04:06Z" } } }],
};

const condition = (type: string, status: string, reason?: string) => ({
  type,
  status,
  ...(reason && { reason }),
});

/** A pod that somebody has removed at second 8, with some time to leave. */
function removed(it: Pod): Pod {
  const leaves = { deletionTimestamp: "2026-01-02T03:04:38Z", deletionGracePeriodSeconds: 30 };
  return { ...it, metadata: { ...it.metadata, ...leaves } };
}

interface Told {
  readonly state: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly infrastructure?: boolean;
  readonly reason?: RegExp;
  readonly waiting?: RegExp;
  readonly trouble?: boolean;
}

const table: readonly (readonly [string, Pod, Told])[] = [
  ["an exit with 0", pod(ended(0, "Completed")), { state: "finished", exitCode: 0 }],
  [
    "a node of which nothing is heard",
    pod({ ...running, conditions: [condition("Ready", "False"), condition("ContainersReady", "True")] }),
    { state: "running", waiting: /^its node node-1 does not answer.*"kubectl delete node node-1"\)/ },
  ],
  [
    "a container beside the script's that is not ready",
    pod({
      ...running,
      conditions: [condition("Ready", "False", "ContainersNotReady"), condition("ContainersReady", "False")],
    }),
    { state: "running" },
  ],
  ["an exit with a code", pod(ended(7)), { state: "finished", exitCode: 7 }],
  ["a signal", pod(ended(143)), { state: "finished", signal: "SIGTERM" }],
  ["a code that a shell has chosen", pod(ended(143, "Error", "exit 143\n")), {
    state: "finished",
    exitCode: 143,
  }],
  [
    "a shell that a signal ended while it had another code",
    pod(ended(143, "Error", "exit 1\n")),
    { state: "finished", signal: "SIGTERM" },
  ],
  ["a script that ended because its pod was removed", removed(pod(ended(143))), {
    state: "lost",
    reason: /^its pod was removed by somebody else$/,
  }],
  ["a script that succeeded although its pod was removed", removed(pod(ended(0, "Completed"))), {
    state: "finished",
    exitCode: 0,
  }],
  [
    "a script that had failed before its pod was removed",
    removed(pod({
      phase: "Running",
      containerStatuses: [{
        name: "main",
        state: { terminated: { exitCode: 3, finishedAt: "2026-01-02T03:04:07Z" } },
      }],
    })),
    { state: "finished", exitCode: 3 },
  ],
  [
    "an eviction, which removes the pod",
    removed(pod({ ...ended(143), ...disruption("EvictionByEvictionAPI") })),
    { state: "finished", signal: "SIGTERM", infrastructure: true, reason: /^it was evicted from its node/ },
  ],
  ["too little memory", pod(ended(137, "OOMKilled")), {
    state: "finished",
    signal: "SIGKILL",
    reason: /^out of memory$/,
  }],
  [
    "too little memory, with a limit",
    pod(ended(1, "OOMKilled", "exit 1\n"), {
      containers: [{ name: "main", resources: { limits: { memory: "32Mi" } } }],
    }),
    { state: "finished", exitCode: 1, reason: /it may use 32Mi bytes; give it a larger quota/ },
  ],
  [
    "a program that the image does not have",
    pod(
      ended(
        128,
        "StartError",
        'failed to create containerd task: runc create failed: exec: "/bin/no": stat /bin/no: no such file or directory',
      ),
    ),
    {
      state: "finished",
      exitCode: 128,
      reason: /could not be started in the image alpine:3 .*no such file or directory.*name a program/,
    },
  ],
  [
    "eviction for the sake of the node",
    pod({
      ...ended(137),
      reason: "Evicted",
      message: "The node was low on resource: memory.",
      ...disruption("TerminationByKubelet"),
    }),
    {
      state: "finished",
      signal: "SIGKILL",
      infrastructure: true,
      reason: /evicted from its node: The node was low/,
    },
  ],
  [
    "eviction before anything ran",
    pod({ phase: "Failed", reason: "Evicted", message: "The node was low on resource: ephemeral-storage." }),
    { state: "finished", infrastructure: true, reason: /evicted/ },
  ],
  [
    "eviction for its own use of the disk",
    pod({
      ...ended(137),
      reason: "Evicted",
      message: "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.",
    }),
    { state: "finished", signal: "SIGKILL", reason: /give it a larger limit/ },
  ],
  [
    "eviction by somebody who drains the node",
    pod({ ...ended(143), ...disruption("EvictionByEvictionAPI") }),
    { state: "finished", signal: "SIGTERM", infrastructure: true, reason: /evicted from its node/ },
  ],
  [
    "an eviction that came too late to spoil it",
    pod({ ...ended(0), ...disruption("EvictionByEvictionAPI") }),
    { state: "finished", exitCode: 0 },
  ],
  [
    "a pod that had to make room",
    pod({ ...ended(143), ...disruption("PreemptionByScheduler") }),
    { state: "finished", signal: "SIGTERM", infrastructure: true, reason: /higher priority/ },
  ],
  [
    "a node that is lost",
    pod({
      phase: "Running",
      containerStatuses: [{ name: "main", state: { running: { startedAt: "2026-01-02T03:04:06Z" } } }],
      ...disruption("DeletionByTaintManager"),
    }),
    { state: "finished", infrastructure: true, reason: /its node was lost/ },
  ],
  [
    "a node that came back and has forgotten",
    pod(
      ended(137, "ContainerStatusUnknown", "The container could not be located when the pod was terminated"),
    ),
    { state: "finished", infrastructure: true, reason: /no longer knows/ },
  ],
  [
    "a node that was shut down",
    pod({
      ...ended(143),
      reason: "Terminated",
      message: "Pod was terminated in response to imminent node shutdown.",
    }),
    { state: "finished", signal: "SIGTERM", infrastructure: true, reason: /shut down/ },
  ],
  [
    "a node that was full when the pod came",
    pod({
      phase: "Failed",
      reason: "OutOfcpu",
      message: "Pod was rejected: Node didn't have enough resource: cpu",
    }),
    { state: "finished", infrastructure: true, reason: /its node would not have it \(OutOfcpu\)/ },
  ],
  [
    "a deadline of the pod",
    pod({
      ...ended(143),
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    }),
    { state: "finished", signal: "SIGTERM", reason: /activeDeadlineSeconds/ },
  ],
  [
    "an init container that fails",
    pod({
      phase: "Failed",
      initContainerStatuses: [{ name: "fetch", state: { terminated: { exitCode: 3 } } }],
    }),
    { state: "finished", reason: /init container fetch left with code 3/ },
  ],
  [
    "an image that does not exist",
    pod(
      waiting(
        "ErrImagePull",
        'rpc error: code = NotFound desc = failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": r/x:1: not found',
      ),
    ),
    { state: "finished", reason: /the image alpine:3 does not exist .*check its name and tag/ },
  ],
  [
    "an image that may not be pulled",
    pod(
      waiting(
        "ImagePullBackOff",
        'Back-off pulling image "r/x:1": ErrImagePull: failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": pull access denied, repository does not exist or may require authorization: authorization failed',
      ),
    ),
    { state: "finished", reason: /imagePullSecrets|check its name/ },
  ],
  [
    "a registry that does not answer",
    pod(
      waiting(
        "ErrImagePull",
        'failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": failed to do request: Head "https://r/v2/x/manifests/1": dial tcp: lookup r: no such host',
      ),
    ),
    { state: "running", waiting: /cannot be pulled .*can be reached from the nodes/, trouble: true },
  ],
  ["an image without a valid name", pod(waiting("InvalidImageName", "invalid reference format")), {
    state: "finished",
    reason: /not valid/,
  }],
  ["an image that is never pulled", pod(waiting("ErrImageNeverPull", "")), {
    state: "finished",
    reason: /never to be pulled/,
  }],
  [
    "a Secret that is not there",
    pod(waiting("CreateContainerConfigError", 'secret "login" not found')),
    { state: "finished", reason: /CreateContainerConfigError\): secret "login" not found; correct the task/ },
  ],
  [
    "a Secret that its node could not ask for, since the apiserver was away",
    pod(
      waiting(
        "CreateContainerConfigError",
        "failed to sync secret cache: timed out waiting for the condition",
      ),
    ),
    { state: "running", waiting: /failed to sync secret cache/, trouble: true },
  ],
  [
    "a container that could not be made in time",
    pod(waiting("CreateContainerError", "context deadline exceeded")),
    { state: "running", waiting: /context deadline exceeded/, trouble: true },
  ],
  [
    "a pod that no node takes",
    pod({
      phase: "Pending",
      conditions: [{
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message: "0/1 nodes are available: 1 Insufficient cpu.",
      }],
    }, { nodeName: "" }),
    { state: "running", waiting: /no node takes it: 0\/1 nodes are available: 1 Insufficient cpu/ },
  ],
  ["a container that is being made", pod(waiting("ContainerCreating", "")), {
    state: "running",
    waiting: /being made/,
  }],
  [
    "a pod whose maker was cut off",
    pod({ phase: "Pending" }, { nodeName: "", schedulingGates: [{ name: GATE }] }),
    { state: "lost", reason: /never started/ },
  ],
];

for (const [what, it, told] of table) {
  Deno.test(`kubernetesExecutor() tells ${what}`, () => {
    const { status, trouble } = judge(it, identity, false);
    assert.equal(status.state, told.state, JSON.stringify(status));
    assert.deepEqual(status.notes, { a: "b" });
    assert.equal(trouble !== undefined, told.trouble ?? false);
    const { reason, waiting: why, ...rest } = told;
    const said = status as unknown as Record<string, unknown>;
    for (const name of ["exitCode", "signal", "infrastructure"] as const) {
      assert.equal(said[name], rest[name], name);
    }
    if (reason) assert.match(String(said.reason), reason);
    else assert.equal(said.reason, undefined);
    if (why) assert.match(String(said.waiting), why);
    else assert.equal(said.waiting, undefined);
  });
}

Deno.test("kubernetesExecutor() reads what a shell says was used", () => {
  const message = "exit 0\n0m0.25s 0m0.50s\n1m0.25s 0m0.00s\npeak 4096\n";
  const { status } = judge(pod(ended(0, "Completed", message)), identity, false);
  assert(status.state === "finished");
  assert.deepEqual(status.resources, { cpuSeconds: 61, peakMemoryBytes: 4096 });
});

Deno.test("kubernetesExecutor() gives every key a valid name of its own", async () => {
  const key = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/).filter(isKey);
  await fc.assert(fc.asyncProperty(key, key, fc.nat(), fc.nat(), async (task, job, replica, attempt) => {
    const it = { task, job, replica, attempt };
    const name = await nameOf(owner, it);
    assert(name.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name), name);
    const labels = await labelsOf(owner, task, name);
    for (const value of Object.values(labels)) {
      assert(value.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(value), value);
    }
    const whole = { ...identity, attempt: it };
    const made = pod({});
    const read = readIdentity(owner, {
      ...made,
      metadata: { ...made.metadata, labels, annotations: annotationsOf(owner, whole) },
    });
    assert.deepEqual(read, whole);
    assert((await selectorOf(owner, task)).includes(labels["datatask.task"]!));
  }));
  const names = await Promise.all(
    ["a_b", "a-b", "a.b", "A-B", "a-B"].map((job) => nameOf(owner, { ...attempt, job })),
  );
  assert.equal(new Set(names).size, names.length);
  assert.notEqual(await nameOf(owner, attempt), await nameOf({ ...owner, state: "other" }, attempt));
});

Deno.test("kubernetesExecutor() tells a name that leads to no host from an image that is not there", () => {
  assert.equal(
    imageFault("x", "ErrImagePull", "dial tcp: lookup r on 10.0.0.10:53: no such host").passing,
    true,
  );
  assert.equal(imageFault("x", "ErrImagePull", "manifest unknown").passing, false);
  assert.equal(imageFault("x", "ErrImagePull", "unexpected status: 503 Service Unavailable").passing, true);
});
