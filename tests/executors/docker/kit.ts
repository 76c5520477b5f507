/** What the tests of containers share: the engine, and an executor over a state of its own. */
import type { ContainerWork } from "../../../executors/container_work.ts";
import { dockerExecutor, type DockerExecutorOptions } from "../../../executors/docker/mod.ts";
import type { Executor } from "../../../executors/executor.ts";
import { dockerode } from "../../../deps/dockerode.ts";
import { needs } from "../../../testing/needs.ts";
import { Front } from "../../kit/front.ts";

export const docker = needs("docker", ["DOCKER_SOCKET", "TEST_IMAGE"]);
export const socket = docker.get("DOCKER_SOCKET");
export const image = docker.get("TEST_IMAGE");

/** A call of the bare API. */
export function api<T>(
  method: "GET" | "POST" | "DELETE",
  path: string,
  query: Record<string, string> = {},
  body: unknown = {},
  at = socket,
): Promise<T> {
  return new Promise((resolve, reject) =>
    dockerode({ socketPath: at }).dial({
      method,
      path: `${path}?`,
      options: { _query: query, _body: body },
      statusCodes: { 200: true, 201: true, 204: true, 304: true },
    }, (error, answer) => error ? reject(error) : resolve(answer as T))
  );
}

/** The identity of a state folder. */
export function identity(state: string): string {
  return Deno.readTextFileSync(`${state}/docker/identity`);
}

/** Names of the containers of a state folder. */
export async function containersOf(state: string, at = socket): Promise<string[]> {
  const filters = JSON.stringify({ label: [`datatask.state=${identity(state)}`] });
  const all = await api<{ Names: string[] }[]>("GET", "/containers/json", { all: "1", filters }, {}, at);
  return all.map(({ Names }) => Names[0]!.slice(1));
}

/** A way to the engine that a test may cut, at a socket of its own. */
export function frontAt(stack: AsyncDisposableStack, path: string): Front {
  const connect = (): Promise<Deno.Conn> => Deno.connect({ transport: "unix", path: socket });
  return stack.use(new Front(Deno.listen({ transport: "unix", path }), connect));
}

/** A state folder, removed at the end with all containers that were left. */
export function freshState(stack: AsyncDisposableStack): string {
  const state = Deno.makeTempDirSync();
  stack.defer(() => Deno.removeSync(state, { recursive: true }));
  stack.defer(async () => {
    try {
      identity(state);
    } catch {
      return;
    }
    for (const name of await containersOf(state)) {
      await api("DELETE", `/containers/${name}`, { force: "1", v: "1" }).catch(() => {});
    }
  });
  return state;
}

/** An open executor over a state of its own. */
export async function opened(
  stack: AsyncDisposableStack,
  options: DockerExecutorOptions = {},
): Promise<{ readonly executor: Executor<ContainerWork>; readonly state: string }> {
  const state = freshState(stack);
  const executor = dockerExecutor({ socket, ...options });
  await executor.open({ state });
  stack.defer(() => executor.close());
  return { executor, state };
}

/** Work in the image of the tests, without a network. */
export function work(script: string, extra: Partial<ContainerWork> = {}): ContainerWork {
  return {
    kind: "container",
    image,
    script,
    environment: {},
    mergeStderr: true,
    notes: {},
    network: "none",
    ...extra,
  };
}
