/** What the tests of pods share: an executor over a namespace and a state of its own. */
import type { ContainerWork } from "../../../executors/container_work.ts";
import type { Executor } from "../../../executors/executor.ts";
import {
  kubernetesExecutor,
  type KubernetesExecutorOptions,
  type PodWork,
} from "../../../executors/kubernetes/mod.ts";
import { config, image, type Place } from "./cluster.ts";

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
