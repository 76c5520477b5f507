/**
 * The places where the same pipeline runs in the tests of delivery: this machine, a host over SSH, containers that see none of our files, pods.
 *
 * @module
 */
import type { QuotaInit } from "../../core/quota.ts";
import type { AgentOptions } from "../../tasks/agent_options.ts";
import { dockerExecutor, type DockerExecutorOptions } from "../../executors/docker/mod.ts";
import { kubernetesExecutor, type KubernetesExecutorOptions } from "../../executors/kubernetes/mod.ts";
import { sshExecutor, type SshExecutorOptions } from "../../executors/ssh/mod.ts";
import {
  containerTask,
  type Links,
  localExecutor,
  type LocalExecutorOptions,
  processTask,
  type ProcessTaskOptions,
  type Task,
} from "../../mod.ts";
import type { ContainerTaskOptions } from "../../tasks/container.ts";
import { containersOf, docker, image, socket } from "./docker/kit.ts";
import * as kubernetes from "./kubernetes/cluster.ts";
import { optionsOf, things } from "./kubernetes/kit.ts";
import { address, available, Place } from "./ssh/server.ts";

/** How a script task is made to run at a place. */
export interface Runs {
  /** Makes a task that runs there. */
  script<const L extends Links>(
    name: string,
    options: Omit<ProcessTaskOptions<L>, "executor">,
  ): Task<L>;
}

/** A place, and how a script task is made to run there. */
export interface Where extends Runs {
  /** For the names of tests. */
  readonly name: string;
  /** Whether it is there. */
  readonly there: boolean;
  /** Where the agent must listen for it. */
  readonly agent: AgentOptions;
  /** How a run there is told of to people. */
  readonly shown: RegExp;
  /** Names of what is left there of the runs of a pipeline with that state; what lies on a host is looked for by `everywhere`. */
  left(state: string): Promise<readonly string[]>;
}

/** A host over SSH, whose runs lie in the folder of a place. */
export function overSsh(place: Place, options: Partial<SshExecutorOptions> = {}): Where {
  return {
    name: "over SSH",
    there: available,
    agent: {},
    shown: new RegExp(`^pid \\d+ on ${address.host}$`),
    left: () => Promise.resolve([]),
    script: <const L extends Links>(name: string, all: Omit<ProcessTaskOptions<L>, "executor">): Task<L> =>
      processTask(name, {
        ...all,
        executor: sshExecutor({ ...address, root: place.root, ...options }),
      } as ProcessTaskOptions<L>),
  };
}

/** Containers that see nothing of this machine. */
const inDocker = (options: DockerExecutorOptions = {}): Where => ({
  name: "in Docker without shared files",
  there: docker.available,
  agent: { hostname: "0.0.0.0" },
  shown: /^container \S+$/,
  left: (state) => containersOf(`${state}/pipeline`),
  script: <const L extends Links>(name: string, all: Omit<ProcessTaskOptions<L>, "executor">): Task<L> =>
    containerTask(
      name,
      {
        ...all,
        executor: dockerExecutor({ socket, sharesFiles: false, ...options }),
        image,
      } as unknown as ContainerTaskOptions<L>,
    ),
});

/** Pods of a namespace. */
export function onKubernetes(
  place: kubernetes.Place,
  options: KubernetesExecutorOptions = {},
): Where {
  return {
    name: "on Kubernetes",
    there: kubernetes.available,
    agent: { hostname: kubernetes.hostAddress },
    shown: /^pod \S+ on \S+$/,
    left: async () => (await things(place)).filter((name) => name.startsWith("pods/")),
    script: <const L extends Links>(name: string, all: Omit<ProcessTaskOptions<L>, "executor">): Task<L> =>
      containerTask(
        name,
        {
          quota: { cpu: 0 },
          ...all,
          executor: kubernetesExecutor({ ...optionsOf(place), ...options }),
          image: kubernetes.denoImage,
        } as unknown as ContainerTaskOptions<L>,
      ),
  };
}

/**
 * Names of what is left on this machine of the runs of a state folder.
 *
 * @param state The folder of the executor.
 */
export function leftLocally(state: string): string[] {
  // What lies in .new is kept for other runs until the executor is closed.
  return [...Deno.readDirSync(`${state}/runs`)].filter(({ name }) => name !== ".new").flatMap(({ name }) =>
    [...Deno.readDirSync(`${state}/runs/${name}`)].map((entry) => `${name}/${entry.name}`)
  );
}

/** This machine. */
const onThis = (options: LocalExecutorOptions = {}): Where => ({
  name: "locally",
  there: true,
  agent: {},
  shown: /^pid \d+$/,
  left: (state) => Promise.resolve(leftLocally(`${state}/pipeline`)),
  script: <const L extends Links>(name: string, all: Omit<ProcessTaskOptions<L>, "executor">): Task<L> =>
    processTask(name, { ...all, executor: localExecutor(options) } as ProcessTaskOptions<L>),
});

/** This machine, with all that it has. */
export const locally: Where = onThis();

/** Registers a test for each place; `capacity` is what runs there may use together, when it is not what the place has. */
export function everywhere(
  name: string,
  body: (where: Where, stack: AsyncDisposableStack, state: string) => Promise<void>,
  also = true,
  capacity?: QuotaInit,
): void {
  const options = capacity ? { capacity } : {};
  const places: readonly ((place: Place, stack: AsyncDisposableStack) => Where | Promise<Where>)[] = [
    () => onThis(options),
    (place) => overSsh(place, options),
    () => inDocker(options),
    async (_, stack) => onKubernetes(await kubernetes.taken(stack), options),
  ];
  const names = [locally.name, "over SSH", inDocker().name, "on Kubernetes"];
  const there = [true, available, docker.available, kubernetes.available];
  places.forEach((make, i) =>
    Deno.test({
      name: `${name} ${names[i]}`,
      ignore: !there[i] || !also,
      async fn() {
        await using stack = new AsyncDisposableStack();
        const place = new Place(stack);
        await body(await make(place, stack), stack, place.state);
        const left = place.leftovers();
        if (left.length > 0) throw new Error(`left on the host: ${left.join(", ")}`);
      },
    })
  );
}
