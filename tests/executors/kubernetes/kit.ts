/** What the tests of pods share: an executor over a namespace and a state of its own. */
import assert from "node:assert/strict";
import { containerTask, FileRepository, input, Pipeline, YamlMetadataRepository } from "../../../mod.ts";
import type { ContainerWork } from "../../../executors/container_work.ts";
import type { Executor } from "../../../executors/executor.ts";
import {
  kubernetesExecutor,
  type KubernetesExecutorOptions,
  type PodWork,
} from "../../../executors/kubernetes/mod.ts";
import { config, fault, image, type Place } from "./cluster.ts";

/** An executor of pods. */
export type PodExecutor = Executor<ContainerWork | PodWork>;

/** A state folder that is removed at the end. */
export function freshState(stack: AsyncDisposableStack): string {
  const state = Deno.makeTempDirSync();
  stack.defer(() => Deno.removeSync(state, { recursive: true }));
  return state;
}

/** Options for a namespace of the cluster of the tests. */
export function optionsOf({ namespace }: Pick<Place, "namespace">): KubernetesExecutorOptions {
  return { kubeconfig: config, namespace, podsPerSecond: 1000 };
}

/** An open executor over a state of its own. */
export async function opened(
  place: Place,
  options: KubernetesExecutorOptions = {},
): Promise<{ readonly executor: PodExecutor; readonly state: string }> {
  const state = freshState(place.stack);
  const executor = kubernetesExecutor({ ...optionsOf(place), ...options });
  await executor.open({ state });
  place.stack.defer(() => executor.close());
  return { executor, state };
}

/** Work in the image of the tests. */
export function work(script: string, extra: Partial<ContainerWork> = {}): ContainerWork {
  return { kind: "container", image, script, environment: {}, mergeStderr: true, notes: {}, ...extra };
}

/** Names of what is there in a namespace: pods, Jobs, and the Secrets of runs. */
export async function things({ cluster, namespace }: Place): Promise<string[]> {
  const kinds = await Promise.all(
    ["api/v1 pods", "api/v1 secrets", "apis/batch/v1 jobs"].map(async (which) => {
      const [group, kind] = which.split(" ");
      return (await cluster.list(`/${group}/namespaces/${namespace}/${kind}`)).map(({ metadata }) =>
        `${kind}/${metadata.name}`
      );
    }),
  );
  return kinds.flat();
}

/** Waits until a run says why it waits. */
export async function waiting(executor: PodExecutor, what: RegExp): Promise<void> {
  for (const late = Date.now() + 60_000;;) {
    const [status] = await Array.fromAsync(executor.list());
    const why = status?.state === "running" ? status.waiting ?? "" : JSON.stringify(status);
    if (what.test(why)) return;
    assert(Date.now() < late, why);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Has the node of the cluster be lost for as long as the test lasts, and has that told: a cluster takes nothing away from its nodes when all of them are lost, and this one has only one. */
export async function loseNode({ cluster, stack }: Place): Promise<void> {
  const [node] = await cluster.list("/api/v1/nodes");
  const taint = async (taints: readonly unknown[]): Promise<void> => {
    const path = `/api/v1/nodes/${node!.metadata.name}`;
    await cluster.call("PATCH", path, { spec: { taints } }, "application/merge-patch+json");
  };
  stack.defer(() => fault("start", "kubelet"));
  await fault("stop", "kubelet", "-KILL");
  stack.defer(() => taint([]));
  await taint([{ key: "test/lost", effect: "NoExecute" }]);
}

/** A pipeline of one script in a pod, with the job `emma`: as the process that runs it has it, and as another. */
export async function asTwoProcesses(
  place: Place,
  name: string,
  script: string,
): Promise<readonly [Pipeline, Pipeline]> {
  const dir = freshState(place.stack);
  const texts = new FileRepository(`${dir}/texts`);
  await texts.put("emma", "");
  const pipeline = (): Pipeline => {
    const task = containerTask(name, {
      done: YamlMetadataRepository.files(`${dir}/done`),
      quota: { cpu: 0 },
      links: { texts: input(texts, { as: "key" }) },
      executor: kubernetesExecutor(optionsOf(place)),
      image,
      script,
    });
    return new Pipeline({ tasks: [task], state: `${dir}/state` });
  };
  return [pipeline(), pipeline()];
}
