import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { Front } from "../../kit/front.ts";
import { BIG } from "../suite.ts";
import { clusterTest, config, fault as bring, faultTest, image, type Place } from "./cluster.ts";
import { freshState, optionsOf, things } from "./kit.ts";
import { asProcesses } from "../as_processes.ts";

/** Each case has a namespace of its own. */
const places = new Map<string, Place>();
let place: Place;

/** The ways to the apiserver of those that cut them. */
const fronts = new Map<string, Front>();

/** A way to the apiserver of a test's own. */
function through(stack: AsyncDisposableStack, state: string, { cluster }: Place): { kubeconfig: string } {
  const { hostname, port } = new URL(cluster.server);
  const front = stack.use(
    new Front(
      Deno.listen({ hostname: "127.0.0.1", port: 0 }),
      () => Deno.connect({ hostname, port: Number(port || 443) }),
    ),
  );
  fronts.set(state, front);
  const kubeconfig = `${state}/config`;
  const there = `server: "https://127.0.0.1:${front.port}", tls-server-name: kubernetes.default.svc`;
  Deno.writeTextFileSync(kubeconfig, Deno.readTextFileSync(config).replace(/server: "[^"]*"/, there));
  return { kubeconfig };
}

for (const as of ["pod", "job"] as const) {
  testExecutor(as === "pod" ? "kubernetesExecutor()" : 'kubernetesExecutor({ as: "job" })', {
    make(stack, fault) {
      const state = freshState(stack);
      const mine = place;
      places.set(state, mine);
      const way = fault === "cut" ? through(stack, state, mine) : {};
      return {
        executor: asProcesses(kubernetesExecutor({ ...optionsOf(mine), ...way, as }), { image }),
        state,
        // The cluster removes a Secret soon after the pod that it belongs to.
        async leftovers() {
          for (let left: string[], late = Date.now() + 30_000;;) {
            left = await things(mine);
            if (left.length === 0 || Date.now() > late) return left;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
        },
      };
    },
    reopen: ({ state }) =>
      asProcesses(kubernetesExecutor({ ...optionsOf(places.get(state)!), as }), { image }),
    cut: ({ state }) => fronts.get(state)!.cut(),
    restart: () => bring("restart-apiserver", "-KILL"),
    limitsMemory: true,
    big: BIG,
    many: 8,
    except: [{
      case: "honors the first line of a script",
      because:
        "a pod begins when the cluster has a place for it, so that a program that is not in its image is told in the outcome",
    }],
    test: (name, body, ignored, fault) => {
      if (ignored !== undefined) return Deno.test({ name, fn: body, ignore: true });
      (fault === "restart" ? faultTest : clusterTest)(name, async (given) => {
        place = given;
        await body();
      });
    },
  });
}
