/**
 * The places where the body of a module runs in tests.
 *
 * @module
 */
import { dockerExecutor } from "../../executors/docker/mod.ts";
import { kubernetesExecutor } from "../../executors/kubernetes/mod.ts";
import { sshExecutor } from "../../executors/ssh/mod.ts";
import {
  type AgentOptions,
  type ContainerMount,
  type ContainerWork,
  type Executor,
  type FunctionExecutor,
  localExecutor,
  type ProcessWork,
  type QuotaInit,
  workerPool,
} from "../../mod.ts";
import { docker, image, socket } from "../executors/docker/kit.ts";
import * as kubernetes from "../executors/kubernetes/cluster.ts";
import { optionsOf } from "../executors/kubernetes/kit.ts";
import { address, available, Place } from "../executors/ssh/server.ts";

/** What a task is told of where it runs. */
export type Where =
  | { readonly executor?: FunctionExecutor }
  | { readonly executor: Executor<ProcessWork>; readonly deno: string }
  | {
    readonly executor: Executor<ContainerWork>;
    readonly image: string;
    readonly mounts?: readonly ContainerMount[];
    readonly quota?: QuotaInit;
  };

/** A place. */
export interface BodyPlace {
  /** For the names of tests. */
  readonly name: string;
  /** Whether it is there. */
  readonly there: boolean;
  /** Where the agent must listen for it. */
  readonly agent: AgentOptions;
  /** What a task is told. */
  readonly where: (place: Place, stack: AsyncDisposableStack) => Where | Promise<Where>;
}

/**
 * Programs of this machine, with the libraries they need, as a container sees them that has neither.
 *
 * @param programs Where they are.
 */
export function mountsOf(...programs: readonly string[]): readonly ContainerMount[] {
  const found = programs.map((path) => Deno.realPathSync(path));
  const { stdout } = new Deno.Command("ldd", { args: found }).outputSync();
  const libraries = new TextDecoder().decode(stdout).match(/\/\S+(?= \(0x)/g) ?? [];
  return [
    ...found.map((source) => ({
      source,
      target: `/usr/bin/${source.replace(/.*\//, "")}`,
      readOnly: true,
    })),
    ...[...new Set(libraries)].map((path) => ({
      source: Deno.realPathSync(path),
      target: path,
      readOnly: true,
    })),
  ];
}

/** Processes of this machine. */
const locally: BodyPlace = {
  name: "locally",
  there: true,
  agent: {},
  where: () => ({ executor: localExecutor(), deno: Deno.execPath() }),
};

/** A host over SSH. */
const overSsh: BodyPlace = {
  name: "over SSH",
  there: available,
  agent: {},
  where: ({ root }) => ({
    executor: sshExecutor({ ...address, root }),
    deno: Deno.realPathSync(Deno.execPath()),
  }),
};

/** Pods of a namespace. */
export function inPods(namespace: string): Where {
  return {
    executor: kubernetesExecutor(optionsOf({ namespace })),
    image: kubernetes.denoImage,
    quota: { cpu: "100m", memory: "300Mi" },
  };
}

/** Where a body becomes a script. */
export const CARRIED: readonly BodyPlace[] = [
  locally,
  overSsh,
  ...[true, false].map((sharesFiles): BodyPlace => ({
    name: sharesFiles ? "in Docker" : "in Docker without shared files",
    there: docker.available,
    agent: { hostname: "0.0.0.0" },
    where: () => ({
      executor: dockerExecutor({ socket, sharesFiles }),
      image,
      mounts: mountsOf(Deno.execPath()),
    }),
  })),
  {
    name: "on Kubernetes",
    there: kubernetes.available,
    agent: { hostname: kubernetes.hostAddress },
    where: async (_, stack) => inPods((await kubernetes.taken(stack)).namespace),
  },
];

/** Where the links of a body are in the coordinator. */
export const NEAR: readonly BodyPlace[] = [
  { name: "in process", there: true, agent: {}, where: () => ({}) },
  { name: "in a pool of workers", there: true, agent: {}, where: () => ({ executor: workerPool() }) },
];

/** A test in one place. */
export interface InPlace {
  /** What a task is told. */
  readonly where: Where;
  /** Where the agent must listen. */
  readonly agent: AgentOptions;
  /** A folder for the state of a pipeline. */
  readonly state: string;
}

/** Registers a test for each of some places, and sees that nothing is left on the host. */
export function inEach(
  places: readonly BodyPlace[],
  name: string,
  body: (place: InPlace) => Promise<void>,
): void {
  for (const { name: at, there, agent, where } of places) {
    Deno.test({
      name: `${name} ${at}`,
      ignore: !there,
      async fn() {
        await using stack = new AsyncDisposableStack();
        const place = new Place(stack);
        await body({ where: await where(place, stack), agent, state: `${place.state}/state` });
        const left = place.leftovers();
        if (left.length > 0) throw new Error(`left on the host: ${left.join(", ")}`);
      },
    });
  }
}
